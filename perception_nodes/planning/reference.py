"""The line to drive along: the route, moved to the middle of the lane that the perceived lines show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ElementType, MapElements
from perception_nodes.geometry import arc_length, distance_to_polyline

from .config import PlannerConfig
from .inputs import EgoMotion, Guidance
from .kernels import project

F64 = npt.NDArray[np.float64]
_LINES = (ElementType.LANE_DIVIDER, ElementType.ROAD_BOUNDARY)
_BEHIND_M, _AHEAD_M, _BIN_M = 5.0, 30.0, 2.0
_NEAR_M, _FAR_M = 0.9, 3.2  # a line of the own lane is so far to the side
_WIDTH_M = (2.5, 4.6)
_FEWEST_BINS = 4


@dataclass(frozen=True, eq=False)
class Line:
    """points_m (K, 2) with s_m (K,) along it, odom; limit_mps (K,); at_m: the vehicle; stop_m: where to stop."""

    points_m: F64
    s_m: F64
    limit_mps: F64
    at_m: float
    stop_m: float


class LaneReference:
    """Keeps the sideways correction of the route. Where no lane can be seen it stays what it was."""

    def __init__(self, config: PlannerConfig) -> None:
        self._config = config
        self._guidance: Guidance | None = None
        self._s_m = np.zeros(0)
        self._at_m: float | None = None
        self.offset_m = 0.0

    def line(self, guidance: Guidance, ego: EgoMotion, reach_m: float) -> Line:
        """From behind the vehicle to `reach_m` before it and some way on (straight on at the end of the route)."""
        at = self._place(guidance, ego)
        low = max(int(np.searchsorted(self._s_m, at - 25.0)) - 1, 0)
        high = min(int(np.searchsorted(self._s_m, at + reach_m + 15.0)) + 2, len(self._s_m))
        points, s = guidance.points_m[low:high], self._s_m[low:high]
        if self.offset_m:
            step = np.gradient(points, axis=0)
            left = np.stack([-step[:, 1], step[:, 0]], axis=1)
            points = points + self.offset_m * left / np.linalg.norm(left, axis=1, keepdims=True)
        end = float(self._s_m[-1]) - self._config.centre_m - 0.5 * self._config.length_m
        return Line(points, s, guidance.limit_mps[low:high], at, min(guidance.stop_m, end))

    def see(self, guidance: Guidance, ego: EgoMotion, elements: MapElements | None, dt_s: float) -> None:
        """Move the correction towards the middle between the lines on both sides of the lane."""
        if elements is None or not elements.elements:
            return
        wanted = self._middle(guidance, self._place(guidance, ego), elements)
        if wanted is None:
            return
        most = self._config.lane_rate_mps * dt_s
        limit = self._config.lane_correction_m
        wanted = float(np.clip(wanted, -limit, limit))
        self.offset_m += float(np.clip(wanted - self.offset_m, -most, most))

    def _place(self, guidance: Guidance, ego: EgoMotion) -> float:
        """Distance along the route; near the last place, so that a route may cross itself."""
        if guidance is not self._guidance:
            before = self._guidance
            self._guidance, self._s_m = guidance, arc_length(guidance.points_m)
            if before is None or not np.array_equal(before.points_m, guidance.points_m):
                self._at_m = None
        low, high = 0, len(self._s_m)
        if self._at_m is not None:
            low = max(int(np.searchsorted(self._s_m, self._at_m - 15.0)) - 1, 0)
            high = min(int(np.searchsorted(self._s_m, self._at_m + 25.0)) + 2, high)
        at, _, _ = project(guidance.points_m[low:high], self._s_m[low:high], ego.x_m, ego.y_m)
        self._at_m = float(at)
        return self._at_m

    def _middle(self, guidance: Guidance, at_m: float, elements: MapElements) -> float | None:
        """Offset of the lane's middle to the left of the route; None if too little of both sides is seen."""
        bins = int((_BEHIND_M + _AHEAD_M) / _BIN_M)
        left, right = np.full(bins, np.inf), np.full(bins, -np.inf)
        low, high = at_m - _BEHIND_M - 10.0, at_m + _AHEAD_M + 10.0
        keep = slice(
            max(int(np.searchsorted(self._s_m, low)) - 1, 0), int(np.searchsorted(self._s_m, high)) + 2
        )
        points, s = guidance.points_m[keep], self._s_m[keep]
        for element in elements.elements:
            if element.type not in _LINES:
                continue
            xy = element.points_m[:, :2]
            near = distance_to_polyline(xy, points) < _FAR_M
            for x, y in xy[near]:
                along, beside, _ = project(points, s, float(x), float(y))
                k = int((along - at_m + _BEHIND_M) / _BIN_M)
                if 0 <= k < bins and _NEAR_M < abs(beside) < _FAR_M:
                    left[k] = min(left[k], beside) if beside > 0 else left[k]
                    right[k] = max(right[k], beside) if beside < 0 else right[k]
        width = left - right
        both = (width > _WIDTH_M[0]) & (width < _WIDTH_M[1])
        if both.sum() < _FEWEST_BINS:
            return None
        return float(np.median(0.5 * (left[both] + right[both])))
