"""The one decorator of the kernels of this package."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit

from perception_nodes.geometry import boxes

F = TypeVar("F", bound=Callable[..., Any])


def _digest() -> str:
    """Of all sources that may end up in one kernel."""
    files = [*sorted(Path(__file__).parent.glob("*.py")), Path(boxes.__file__)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:10]


_SOURCES = _digest()


def compiled(function: F) -> F:
    """Compile to machine code at the first call; other threads run meanwhile, division by zero gives inf or NaN.

    The code of a kernel and of all that it calls is kept on disk as one piece. numba then asks only whether the file of
    the kernel itself has changed: the name carries the state of the others.
    """
    function.__qualname__ += f"-{_SOURCES}"
    out: F = njit(cache=True, nogil=True, error_model="numpy")(function)
    return out
