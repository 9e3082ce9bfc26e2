"""Names that people type."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, None if there is none like it. The last part alone may be meant."""
    choices = sorted(known)
    exact = [c for c in choices if c.rsplit(".", 1)[-1].lower() == name.rsplit(".", 1)[-1].lower()]
    return next(iter(exact or difflib.get_close_matches(name, choices, n=1)), None)
