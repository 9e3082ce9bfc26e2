"""Boxes in JSON lines (the layout of docs/outputs.md) to frames and back to values, with errors that name the line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from perception_nodes.datatypes import LABEL_INDEX, InputError

from .boxes import BoxFrame

_NUMBERS = ("score", "x", "y", "z", "l", "w", "h", "yaw", "vx", "vy")
_MOST = 2**63 - 1
_REQUIRED = ("stamp_ns", "id", "label", "x", "y")
PUBLISHED_STATES = ("confirmed", "coasting")


def read_boxes(path: Path, source: str | None = None) -> list[BoxFrame]:
    """Frames of a file by stamp; `source` keeps one source only; of tracks only confirmed and coasting ones.

    Raises InputError naming file, line and key on anything that is not in the layout. A stamp at which nothing was
    detected has no line and so no frame.
    """
    return frames_of_rows([r for r in read_rows(path) if source is None or r.get("source") == source])


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The checked rows of a file, in its order; errors as `read_boxes`."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    lines = enumerate(text.splitlines(), start=1)
    return [_row(line, f"{path}:{number}") for number, line in lines if line.strip()]


def frames_of_rows(rows: Iterable[dict[str, Any]]) -> list[BoxFrame]:
    """Checked rows of one recording as frames by stamp; tentative and deleted tracks are left out."""
    by_stamp: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        kept = by_stamp.setdefault(row["stamp_ns"], [])
        if row.get("state", "confirmed") in PUBLISHED_STATES:
            kept.append(row)
    return [_frame(stamp, by_stamp[stamp]) for stamp in sorted(by_stamp)]


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise InputError(f"{where}: wanted an object, got {type(row).__name__}")
    return checked_row(row, where)


def checked_row(row: dict[str, Any], where: str) -> dict[str, Any]:
    """The row itself if it has the keys and values of the layout; else InputError that begins with `where`."""
    for key in _REQUIRED:
        if key not in row:
            raise InputError(f"{where}: key {key!r} is missing")
    for key in ("stamp_ns", "id", *(("num_points",) if "num_points" in row else ())):
        if not isinstance(row[key], int) or isinstance(row[key], bool) or row[key] < 0:
            raise InputError(f"{where}: key {key!r}: wanted an integer >= 0, got {row[key]!r}")
        if row[key] > _MOST:
            raise InputError(f"{where}: key {key!r}: wanted an integer of at most 63 bits, got {row[key]!r}")
    if row["label"] not in LABEL_INDEX:
        raise InputError(f"{where}: key 'label': {row['label']!r} is not in the taxonomy {list(LABEL_INDEX)}")
    for key in _NUMBERS:
        value = row.get(key, 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"{where}: key {key!r}: wanted a finite number, got {value!r}")
    return row


def _frame(stamp_ns: int, rows: list[dict[str, Any]]) -> BoxFrame:
    def column(*keys: str) -> Any:
        return np.array([[float(r.get(k, math.nan)) for k in keys] for r in rows]).reshape(
            len(rows), len(keys)
        )

    return BoxFrame(
        stamp_ns=stamp_ns,
        id=np.array([r["id"] for r in rows], np.int64),
        label=np.array([LABEL_INDEX[r["label"]] for r in rows], np.int64),
        score=column("score")[:, 0],
        center_m=column("x", "y", "z"),
        lwh_m=column("l", "w", "h"),
        yaw_rad=column("yaw")[:, 0],
        velocity_mps=column("vx", "vy"),
        num_points=np.array([r.get("num_points", -1) for r in rows], np.int64),
    )
