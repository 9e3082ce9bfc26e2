"""Boxes in a CSV file: the keys of a JSON line (docs/outputs.md) as columns; an empty cell is unknown."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Final

from perception_nodes.datatypes import InputError
from perception_nodes.evaluation.jsonl import checked_row

_WHOLE: Final = ("stamp_ns", "id", "num_points")
_WORDS: Final = ("frame_id", "source", "label", "state")


def read_csv(path: Path) -> list[dict[str, Any]]:
    """Checked rows, in the order of the file. Raises InputError naming file, line and column."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream, strict=True)
            names = reader.fieldnames or []
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise InputError(f"{path}: column {twice[0]!r} occurs twice")
            return [_row(cells, f"{path}:{reader.line_num}") for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from error


def _row(cells: dict[str | None, Any], where: str) -> dict[str, Any]:
    if None in cells:
        raise InputError(f"{where}: more cells than columns")
    given = {str(k): str(v).strip() for k, v in cells.items() if v is not None and str(v).strip()}
    return checked_row({k: _value(k, text, where) for k, text in given.items()}, where)


def _value(name: str, text: str, where: str) -> Any:
    if name in _WORDS:
        return text
    try:
        return int(text) if name in _WHOLE else float(text)
    except ValueError:
        wanted = "an integer" if name in _WHOLE else "a number"
        raise InputError(f"{where}: column {name!r}: wanted {wanted}, got {text!r}") from None
