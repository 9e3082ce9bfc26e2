"""The road graph: lanes and how they follow each other, who yields to whom, signals, crossings and pavements."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.datatypes.checks import check_shape
from perception_nodes.geometry import arc_length

F64 = npt.NDArray[np.float64]

LANE_KINDS: Final = ("driving", "parking", "bicycle", "shoulder")


@dataclass(frozen=True, eq=False)
class Lane:
    """One lane, in the direction of its traffic.

    id from 1; centre_m (N, 3) odom, on the surface; left, right: id of the lane beside it in the same direction, 0 =
    none; stop_s_m: where a front bumper stops for the signal, the crossing or the junction, inf = nowhere; signal: id,
    0 = none; yields_to: lanes (of the same junction, or that this one merges into) whose traffic goes first; junction:
    id of the junction that the lane crosses, 0 = none; turn: "straight", "left" or "right" across a junction, "merge"
    for a lane that ends in its left neighbour, "" otherwise.
    """

    id: int
    centre_m: F64
    width_m: float
    speed_mps: float
    kind: str = "driving"
    successors: tuple[int, ...] = ()
    left: int = 0
    right: int = 0
    stop_s_m: float = float("inf")
    signal: int = 0
    yields_to: tuple[int, ...] = ()
    junction: int = 0
    turn: str = ""

    def __post_init__(self) -> None:
        check_shape("Lane", "centre_m", self.centre_m, None, 3)
        if len(self.centre_m) < 2:
            raise ConfigurationError(f"lane {self.id}: wanted at least 2 points, got {len(self.centre_m)}")
        if self.kind not in LANE_KINDS:
            raise ConfigurationError(f"lane {self.id}: kind {self.kind!r}: wanted one of {LANE_KINDS}")

    @cached_property
    def s_m(self) -> F64:
        """(N,) distance of the points from the start, in the plane."""
        return arc_length(self.centre_m[:, :2])

    @property
    def length_m(self) -> float:
        """In the plane."""
        return float(self.s_m[-1])

    def at(self, s_m: F64 | float) -> tuple[F64, F64]:
        """xyz (M, 3) and yaw (M,) at distances from the start; straight on beyond the ends."""
        s = np.atleast_1d(np.asarray(s_m, np.float64))
        k = np.clip(np.searchsorted(self.s_m, s, side="right") - 1, 0, len(self.s_m) - 2)
        a, b = self.centre_m[k], self.centre_m[k + 1]
        share = (s - self.s_m[k]) / (self.s_m[k + 1] - self.s_m[k])
        step = b - a
        return a + share[:, None] * step, np.arctan2(step[:, 1], step[:, 0])

    def project(self, xy_m: F64) -> tuple[float, float]:
        """(s, d) of a point (2,): distance along the lane, and to its left."""
        a, step = self.centre_m[:-1, :2], np.diff(self.centre_m[:, :2], axis=0)
        length2 = (step**2).sum(axis=1)
        t = np.clip(((xy_m - a) * step).sum(axis=1) / length2, 0.0, 1.0)
        offset = xy_m - (a + t[:, None] * step)
        k = int(np.argmin((offset**2).sum(axis=1)))
        cross = step[k, 0] * offset[k, 1] - step[k, 1] * offset[k, 0]
        distance = float(np.hypot(*offset[k]))
        return float(self.s_m[k] + t[k] * np.sqrt(length2[k])), distance if cross >= 0 else -distance


@dataclass(frozen=True, eq=False)
class Crossing:
    """polygon_m (4, 3) around the marked area; path_m (2, 3) from kerb to kerb in its middle, for walkers.

    lanes: (lane id, distance along it) of the lanes crossed; signal: id of the walkers' signal, 0 = none.
    """

    id: int
    polygon_m: F64
    path_m: F64
    lanes: tuple[tuple[int, float], ...]
    signal: int = 0

    def __post_init__(self) -> None:
        check_shape("Crossing", "polygon_m", self.polygon_m, 4, 3)
        check_shape("Crossing", "path_m", self.path_m, 2, 3)


@dataclass(frozen=True)
class Signal:
    """A traffic light. yaw_rad: where its lamps look; group: the junction it belongs to.

    phases: (colour, seconds) from time 0, repeated for ever; colours: green, yellow, red, red_yellow.
    """

    id: int
    position_m: tuple[float, float, float]
    yaw_rad: float
    group: int
    phases: tuple[tuple[str, float], ...]
    for_walkers: bool = False

    def __post_init__(self) -> None:
        if not self.phases or min(seconds for _, seconds in self.phases) <= 0:
            raise ConfigurationError(f"signal {self.id}: wanted phases of more than 0 s, got {self.phases}")

    def colour(self, time_s: float) -> str:
        """What it shows."""
        left = time_s % sum(seconds for _, seconds in self.phases)
        for name, seconds in self.phases:
            if left < seconds:
                return name
            left -= seconds
        return self.phases[-1][0]


@dataclass(frozen=True, eq=False)
class RoadGraph:
    """All lanes, and what stands and walks beside them. sidewalks: (N, 3) lines that people walk along, both ways."""

    lanes: tuple[Lane, ...]
    crossings: tuple[Crossing, ...] = ()
    signals: tuple[Signal, ...] = ()
    sidewalks: tuple[F64, ...] = field(default=())

    def __post_init__(self) -> None:
        ids = {lane.id for lane in self.lanes}
        if len(ids) != len(self.lanes):
            raise ConfigurationError("road graph: two lanes have the same id")
        signals = {signal.id for signal in self.signals}
        for lane in self.lanes:
            named = {*lane.successors, *lane.yields_to, *(n for n in (lane.left, lane.right) if n)}
            if not named <= ids:
                raise ConfigurationError(
                    f"road graph: lane {lane.id} names lanes that are not there: {named - ids}"
                )
            if lane.signal and lane.signal not in signals:
                raise ConfigurationError(
                    f"road graph: lane {lane.id} names signal {lane.signal}, which is not there"
                )

    @cached_property
    def _by_id(self) -> dict[int, Lane]:
        return {lane.id: lane for lane in self.lanes}

    @cached_property
    def _signal_by_id(self) -> dict[int, Signal]:
        return {signal.id: signal for signal in self.signals}

    @cached_property
    def predecessors(self) -> dict[int, tuple[int, ...]]:
        """Of each lane id, the ids of the lanes that lead into it."""
        out: dict[int, list[int]] = {lane.id: [] for lane in self.lanes}
        for lane in self.lanes:
            for after in lane.successors:
                out[after].append(lane.id)
        return {key: tuple(value) for key, value in out.items()}

    @cached_property
    def leads_on(self) -> frozenset[int]:
        """Ids of the lanes that lead to a junction yet to come; the others end in the world's edge."""
        out = set()
        for lane in self.lanes:
            seen, at = {lane.id}, lane
            while at.successors and at.successors[0] not in seen:
                after = self.lane(at.successors[0])
                if after.junction and not at.junction:
                    out.add(lane.id)
                    break
                seen.add(after.id)
                at = after
        return frozenset(out)

    def lane(self, lane_id: int) -> Lane:
        """By its id."""
        if lane_id not in self._by_id:
            raise ConfigurationError(f"road graph: no lane {lane_id}: wanted one of {sorted(self._by_id)}")
        return self._by_id[lane_id]

    def signal(self, signal_id: int) -> Signal:
        """By its id."""
        if signal_id not in self._signal_by_id:
            raise ConfigurationError(f"road graph: no signal {signal_id}")
        return self._signal_by_id[signal_id]

    @cached_property
    def _segments(self) -> tuple[F64, npt.NDArray[np.int64]]:
        """(M, 4) x y dx dy of all segments, and the position of each one's lane in `lanes`."""
        parts, of_lane = [], []
        for k, lane in enumerate(self.lanes):
            step = np.diff(lane.centre_m[:, :2], axis=0)
            parts.append(np.concatenate([lane.centre_m[:-1, :2], step], axis=1))
            of_lane.append(np.full(len(step), k))
        return np.concatenate(parts), np.concatenate(of_lane)

    def nearest(self, xy_m: F64, kinds: Collection[str] = ("driving",)) -> tuple[Lane, float, float]:
        """The lane of one of `kinds` whose middle is nearest to a point (2,); distance along it and to its left, m."""
        if not any(lane.kind in kinds for lane in self.lanes):
            raise ConfigurationError(f"road graph: no lane of kind {sorted(kinds)}")
        segments, of_lane = self._segments
        start, step = segments[:, :2], segments[:, 2:]
        t = np.clip(((xy_m - start) * step).sum(axis=1) / (step**2).sum(axis=1), 0.0, 1.0)
        distance = np.hypot(*(xy_m - start - t[:, None] * step).T)
        wanted = np.array([lane.kind in kinds for lane in self.lanes])[of_lane]
        lane = self.lanes[of_lane[int(np.argmin(np.where(wanted, distance, np.inf)))]]
        s, d = lane.project(np.asarray(xy_m, np.float64))
        return lane, s, d
