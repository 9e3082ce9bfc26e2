"""Shape and value checks used by the datatypes' constructors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import MalformedMessage

FloatArray = npt.NDArray[np.float32] | npt.NDArray[np.float64]


def check_shape(owner: str, name: str, array: npt.NDArray[Any] | None, *shape: int | None) -> None:
    """Raise `MalformedMessage` unless `array` is None or has `shape` (None in `shape` matches any length)."""
    if array is None or array.shape == shape:
        return
    wanted = len(shape) == array.ndim and all(
        w is None or w == s for w, s in zip(shape, array.shape, strict=True)
    )
    if not wanted:
        text = "(" + ", ".join("N" if s is None else str(s) for s in shape) + ")"
        raise MalformedMessage(f"{owner}.{name}: wanted shape {text}, got {array.shape}")


def check_stamp(owner: str, stamp_ns: int) -> None:
    """Raise `MalformedMessage` unless the stamp is an integer of nanoseconds that is not negative, of 63 bits."""
    if not isinstance(stamp_ns, int) or not 0 <= stamp_ns < 2**63:
        raise MalformedMessage(f"{owner}.stamp_ns: wanted an int >= 0 of at most 63 bits, got {stamp_ns!r}")


def freeze(owner: Any, *names: str) -> None:
    """Replace the named array fields of a frozen dataclass by read-only views.

    The value cannot change through its holder; the caller's own array stays as writable as it was. What is read-only
    already is left as it is.
    """
    for name in names:
        array = getattr(owner, name)
        if array is not None and array.flags.writeable:
            view = array.view()
            view.setflags(write=False)
            object.__setattr__(owner, name, view)
