"""Ids that stay: the lines drawn now are matched with those that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import MapElement
from perception_nodes.geometry import distance_to_polyline

from .config import MapConfig

F64 = npt.NDArray[np.float64]

_GONE = 0.2
_GROWTH = 0.3
_ENOUGH_POINTS = 5


def _seniority(overlap: tuple[int, int, int]) -> tuple[int, int, int]:
    common, _, old_id = overlap
    return -min(common, _ENOUGH_POINTS), old_id, -common


class Registry:
    """Known elements with the stamps of their birth and last sight."""

    def __init__(self, config: MapConfig) -> None:
        self._config = config
        self._next_id = 1
        self.reset()

    def reset(self) -> None:
        """Forget the elements; ids are never used again."""
        self._known: dict[int, tuple[MapElement, int, int]] = {}

    def update(self, drawn: list[MapElement], stamp_ns: int, corner_m: F64, extent_m: float) -> None:
        """Take over the drawn lines. Of several that become one the oldest id stays; of one that parts the longest
        piece keeps it.

        A known line that was not drawn again loses existence, and goes when it is outside of the grid, hardly there
        any more, or part of a longer one.
        """
        free = dict(self._known)
        out: dict[int, tuple[MapElement, int, int]] = {}
        for common, new_index, old_id in sorted(self._overlaps(drawn), key=_seniority):
            if old_id not in free or drawn[new_index].id or common <= 0:
                continue
            old, born, _ = free.pop(old_id)
            existence = old.existence_probability
            existence += _GROWTH * (drawn[new_index].existence_probability - existence)
            drawn[new_index] = replace(drawn[new_index], id=old_id, existence_probability=existence)
            out[old_id] = (drawn[new_index], born, stamp_ns)
        for element in drawn:
            if not element.id:
                out[self._next_id] = (replace(element, id=self._next_id), stamp_ns, stamp_ns)
                self._next_id += 1
        for old_id, (old, born, seen) in free.items():
            existence = old.existence_probability * self._config.existence_keep
            middle = old.points_m[:, :2].mean(axis=0) - corner_m
            inside = (middle > 0).all() and (middle < extent_m).all()
            if existence >= _GONE and inside and not self._absorbed(old, drawn):
                out[old_id] = (replace(old, existence_probability=existence), born, seen)
        self._known = out

    def elements(self, stamp_ns: int) -> tuple[MapElement, ...]:
        """The elements that are likely enough to be published, with their ages at the stamp, by id."""
        return tuple(
            replace(e, age_s=(stamp_ns - born) * 1e-9, time_since_update_s=(stamp_ns - seen) * 1e-9)
            for _, (e, born, seen) in sorted(self._known.items())
            if e.existence_probability >= self._config.publish_existence
        )

    def _absorbed(self, old: MapElement, drawn: list[MapElement]) -> bool:
        """True if a line of its type now runs where this one was: two have become one."""
        limit = self._config.match_distance_m
        points = old.points_m[:, :2]
        same = (new for new in drawn if new.type == old.type)
        return any(np.median(distance_to_polyline(points, new.points_m[:, :2])) < limit for new in same)

    def _overlaps(self, drawn: list[MapElement]) -> list[tuple[int, int, int]]:
        """(points of the new line on the old one, index of the new, id of the old) for lines of one type."""
        limit = self._config.match_distance_m
        out = []
        for k, new in enumerate(drawn):
            for old_id, (old, _, _) in self._known.items():
                if old.type == new.type:
                    d = distance_to_polyline(new.points_m[:, :2], old.points_m[:, :2])
                    out.append((int((d < limit).sum()), k, old_id))
        return out
