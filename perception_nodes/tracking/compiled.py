"""The one decorator of the kernels of this package."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from numba import njit

from perception_nodes.geometry import boxes

F = TypeVar("F", bound=Callable[..., Any])


def _digest() -> str:
    """Of all sources that may end up in one kernel."""
    files = [*sorted(Path(__file__).parent.glob("*.py")), Path(boxes.__file__)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:10]


_SOURCES: Final = _digest()
_OF_SOURCES: Final = re.compile(r"-([0-9a-f]{10})-\d+\.py")


def compiled(function: F) -> F:
    """Compile to machine code at the first call; other threads run meanwhile, division by zero gives inf or NaN.

    The code of a kernel and of all that it calls is kept on disk as one piece. numba then asks only whether the file of
    the kernel itself has changed: the name carries the state of the others. What earlier states have left is removed.
    """
    function.__qualname__ += f"-{_SOURCES}"
    out: F = njit(cache=True, nogil=True, error_model="numpy")(function)
    remove_stale(Path(out.stats.cache_path))  # type: ignore[attr-defined]
    return out


@cache
def remove_stale(folder: Path) -> None:
    """Remove what was kept of kernels of other sources than these; once a process.

    Safe beside other processes: who misses a file, as one that still runs earlier sources, compiles anew.
    """
    for path in folder.glob("*.nb[ci]"):
        of = _OF_SOURCES.search(path.name)
        if of and of[1] != _SOURCES:
            with suppress(OSError):
                path.unlink()
