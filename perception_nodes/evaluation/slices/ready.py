"""The slices that everybody asks for: by range, occlusion, points, speed, size, weather, light, crowd, sensor set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .intervals import ratio_interval
from .rows import Rows, Table

Mask = npt.NDArray[np.bool_]

# Below these a slice is not judged: an interval of three cars says nothing, however often they were seen.
MIN_OBJECTS = 5
MIN_BOXES = 30

# Name -> column, unit and the lower edges of the bins; a value below the first edge is in no bin.
_NUMBERS: Final[dict[str, tuple[str, str, tuple[float, ...]]]] = {
    "range": ("range_m", "m", (0, 10, 20, 30, 40, 50)),
    "occlusion": ("hidden", "hidden", (0, 0.1, 0.4, 0.8)),
    "points": ("num_points", "points", (0, 1, 5, 20, 100)),
    "speed": ("speed_mps", "m/s", (0, 0.5, 3, 8, 15)),
    "size": ("length_m", "m long", (0, 1, 3, 6)),
}
_CROWD: Final = (0, 10, 20, 40)
_WORDS: Final = {"weather": "weather", "light": "light", "sensor set": "sensor_set"}
# Of these a false alarm has the value too, so that precision can be told.
_OF_ALARMS: Final = frozenset({"range", "speed", "size", "class", "crowd", "all", *_WORDS})


@dataclass(frozen=True)
class Figure:
    """One figure of a slice: its value, how many boxes it is made of, and the 95 % bootstrap interval over objects."""

    name: str
    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class SliceScore:
    """One bin of one slice. `judged` False: too small, and `note` says how small; the figures are then NaN.

    figures: recall, and of the matches distance_m and heading_error_rad (means); precision where false alarms have the
    value that the slice is by.
    """

    slice: str
    value: str
    boxes: int
    objects: int
    figures: tuple[Figure, ...]
    judged: bool
    note: str = ""

    def figure(self, name: str) -> Figure | None:
        """The figure of that name, None if the slice has none."""
        return next((f for f in self.figures if f.name == name), None)


def ready_slices(rows: Rows) -> tuple[SliceScore, ...]:
    """Every ready slice with at least one box, in a fixed order.

    Boxes and false alarms that do not count for AP are left out, but by range and by points all are shown.
    """
    out = []
    for name, value, objects, alarms in _bins(rows):
        every = name in ("range", "points")
        of_objects = objects & (every | rows.objects["scored"].astype(bool))
        of_alarms = None if alarms is None else alarms & (every | rows.false_alarms["scored"].astype(bool))
        if of_objects.any():
            out.append(_score(rows, (name, value), of_objects, of_alarms))
    return tuple(out)


def _bins(rows: Rows) -> Iterator[tuple[str, str, Mask, Mask | None]]:
    """(slice, bin, mask of the objects, mask of the false alarms or None)."""
    frame = _by_stamp(rows)
    yield "all", "all", np.ones(len(frame[0]), bool), np.ones(len(frame[1]), bool)
    yield from _words("class", rows.objects["label"], rows.false_alarms["label"])
    for name, (column, unit, edges) in _NUMBERS.items():
        of_objects = _floats(rows.objects[column])
        of_alarms = _floats(rows.false_alarms[column]) if name in _OF_ALARMS else None
        yield from _numbers(name, unit, edges, (of_objects, of_alarms))
    crowd = _floats(rows.frames["crowd"])
    yield from _numbers("crowd", "objects", _CROWD, (crowd[frame[0]], crowd[frame[1]]))
    for name, column in _WORDS.items():
        words = rows.frames[column]
        yield from _words(name, words[frame[0]], words[frame[1]])


def _by_stamp(rows: Rows) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row of `frames` for each object and each false alarm."""
    order = np.argsort(rows.frames["stamp_ns"], kind="stable")
    stamps = rows.frames["stamp_ns"][order]
    found = (order[np.searchsorted(stamps, t["stamp_ns"])] for t in (rows.objects, rows.false_alarms))
    one, two = found
    return one.astype(np.int64), two.astype(np.int64)


def _numbers(
    name: str, unit: str, edges: tuple[float, ...], values: tuple[Any, Any]
) -> Iterator[tuple[str, str, Mask, Mask | None]]:
    for low, high in zip(edges, (*edges[1:], np.inf), strict=True):
        text = _bin(low, high, unit)
        alarms = None if values[1] is None else _within(values[1], low, high)
        yield name, text, _within(values[0], low, high), alarms
    alarms = None if values[1] is None else np.isnan(values[1])
    yield name, "unknown", np.isnan(values[0]), alarms


def _bin(low: float, high: float, unit: str) -> str:
    """A bin in words; numbers of things are whole: 5 to 19 points, not 5 ... 20."""
    if not np.isfinite(high):
        return f"from {low:g} {unit}"
    if unit in ("points", "objects"):
        return f"{low:g} to {high - 1:g} {unit}" if high - low > 1 else f"{low:g} {unit}"
    return f"{low:g} ... {high:g} {unit}"


def _within(values: Any, low: float, high: float) -> Mask:
    return np.asarray((values >= low) & (values < high))


def _words(name: str, of_objects: Any, of_alarms: Any) -> Iterator[tuple[str, str, Mask, Mask | None]]:
    known = sorted({w for w in of_objects if w is not None})
    for word in known:
        yield name, str(word), np.asarray(of_objects == word), np.asarray(of_alarms == word)
    if known:
        yield name, "unknown", _missing(of_objects), _missing(of_alarms)


def _missing(words: Any) -> Mask:
    return np.array([w is None for w in words], bool)


def _floats(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.array([np.nan if v is None else v for v in values], np.float64)


def _score(rows: Rows, key: tuple[str, str], objects: Mask, alarms: Mask | None) -> SliceScore:
    table = {name: column[objects] for name, column in rows.objects.items()}
    boxes, tracks = int(objects.sum()), len(np.unique(table["truth_id"]))
    judged = tracks >= MIN_OBJECTS and boxes >= MIN_BOXES
    if not judged:
        note = (
            f"too small to judge: {boxes} boxes of {tracks} objects (from {MIN_BOXES} and {MIN_OBJECTS} on)"
        )
        return SliceScore(*key, boxes, tracks, (), judged, note)
    figures = [_figure("recall", table["matched"], np.ones(boxes), table["truth_id"])]
    if alarms is not None:
        figures.append(_precision(table, {n: c[alarms] for n, c in rows.false_alarms.items()}))
    hit = table["matched"].astype(bool)
    for name in ("distance_m", "heading_error_rad"):
        known = hit & np.isfinite(table[name])
        figures.append(_figure(name, table[name][known], np.ones(known.sum()), table["truth_id"][known]))
    return SliceScore(*key, boxes, tracks, tuple(figures), judged)


def _precision(objects: Table, alarms: Table) -> Figure:
    """Matches over all predictions; a track with its false alarms is one group."""
    hit = objects["matched"].astype(bool)
    right = np.concatenate([np.ones(hit.sum()), np.zeros(len(alarms["track_id"]))])
    group = np.concatenate([objects["track_id"][hit], alarms["track_id"]]).astype(np.int64)
    return _figure("precision", right, np.ones(len(right)), group)


def _figure(name: str, top: Any, below: Any, group: Any) -> Figure:
    found = ratio_interval(np.asarray(top, np.float64), below, group)
    return Figure(name, found.value, found.low, found.high, len(below))
