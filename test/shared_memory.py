"""What processes have in shared memory. Others of this machine come and go with theirs while a test looks."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterable
from pathlib import Path


def locks_of(pid: int) -> set[Path]:
    """Lock files of Fast DDS segments that a process has open: its own, for a moment those that it looks after."""
    out = set()
    with contextlib.suppress(OSError):
        for item in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                out.add(Path(item.path).readlink())
    # A port is shared by all processes of a host and outlives them.
    return {
        p for p in out if p.name.startswith("fastdds_") and p.name.endswith("_el") and "port" not in p.name
    }


def left(locks: Iterable[Path]) -> set[Path]:
    """Those that nobody holds and nobody has removed.

    Whoever looks after a segment (the listener of a test does) makes the file anew for an instant to see whether it is
    locked: what is left is there twice.
    """
    first = {p for p in locks if _nobodys(p)}
    if first:
        time.sleep(0.1)
    return {p for p in first if _nobodys(p)}


def _nobodys(lock: Path) -> bool:
    try:
        with lock.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
