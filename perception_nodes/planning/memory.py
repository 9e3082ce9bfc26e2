"""What stood right before the vehicle a moment ago still stands there, though perception has lost it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from .config import PlannerConfig
from .inputs import EgoMotion, Obstacles

_STANDS_MPS = 0.6
_SAME_M = 2.0


class NearMemory:
    """Of something large that is too near the sensors only parts are seen, which no class fits; and it is not gone."""

    def __init__(self, config: PlannerConfig) -> None:
        self._config = config
        self._kept: list[tuple[int, Obstacles]] = []  # when last seen, and the one object

    def with_lost(self, objects: Obstacles, ego: EgoMotion) -> Obstacles:
        """The objects, and those that stood near and have been lost for less than `near_memory_s`."""
        limit_ns = round(1e9 * self._config.near_memory_s)
        lost = [
            (seen_ns, one)
            for seen_ns, one in self._kept
            if 0 <= ego.stamp_ns - seen_ns <= limit_ns and not self._there(one, objects)
        ]
        offset = objects.box[:, :2] - (ego.x_m, ego.y_m)
        stands = np.hypot(*objects.velocity_mps.T) < _STANDS_MPS
        near = np.hypot(*offset.T) - 0.5 * objects.box[:, 3] < self._config.near_memory_m
        rows = np.flatnonzero(stands & near)
        self._kept = [*lost, *((ego.stamp_ns, objects.select(np.array([row]))) for row in rows)]
        return _joined([objects, *(one for _, one in lost)])

    @staticmethod
    def _there(one: Obstacles, objects: Obstacles) -> bool:
        """The same object, or another in its place."""
        if one.id[0] in objects.id:
            return True
        return bool((np.hypot(*(objects.box[:, :2] - one.box[0, :2]).T) < _SAME_M).any())


def _joined(parts: list[Obstacles]) -> Obstacles:
    if len(parts) == 1:
        return parts[0]
    columns: dict[str, Any] = {
        f.name: np.concatenate([getattr(p, f.name) for p in parts])
        for f in fields(Obstacles)
        if f.name != "stamp_ns"
    }
    return Obstacles(parts[0].stamp_ns, **columns)
