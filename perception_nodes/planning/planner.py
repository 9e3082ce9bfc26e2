"""One step of the reference planner: judge perception, find the line, steer, choose the speed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import MapElements, Mode

from .config import PlannerConfig
from .inputs import Decision, EgoMotion, Guidance, Obstacles, Reason
from .kernels import driven_way, point_at, pursuit
from .memory import NearMemory
from .reference import LaneReference, Line
from .speed import STEP_M, Scene, Speed, SpeedPlanner

F64 = npt.NDArray[np.float64]
_USABLE = (Mode.NOMINAL, Mode.DEGRADED)
_MOST_STEP_S = 0.5


class ReferencePlanner:
    """Lane keeping, distance keeping, yielding, emergency braking; a safe stop when perception is not to be relied on.

    It does not begin to drive before perception works, and from then on always answers.
    """

    def __init__(self, config: PlannerConfig | None = None) -> None:
        self.config = config or PlannerConfig()
        self._speed = SpeedPlanner(self.config)
        self.reset()

    def reset(self) -> None:
        """Forget the drive."""
        self._reference = LaneReference(self.config)
        self._engaged = False
        self._last_ns: int | None = None
        self._believed: frozenset[int] = frozenset()
        self._alarmed = False
        self._memory = NearMemory(self.config)

    def warm(self) -> None:
        """Compile the kernels on a straight road with one object, without a trace."""
        line = np.column_stack([np.arange(0.0, 120.0), np.zeros(120)])
        one, box = np.ones(1), np.array([[40.0, 0.5, 0.0, 4.5, 1.9]])
        there = Obstacles(
            0, np.ones(1, np.uint64), np.zeros(1, np.uint8), box, 0.0 * one, one, np.full((1, 2), 3.0), 0.1 * one,
            one, one, one, one < 0,
        )  # fmt: skip
        other = ReferencePlanner(self.config)
        other.step(
            EgoMotion(0, 5.0, 0.0, 0.0, 8.0), Guidance(line, np.full(120, 10.0)), there, None, Mode.NOMINAL
        )

    def step(
        self,
        ego: EgoMotion,
        guidance: Guidance,
        obstacles: Obstacles | None,
        elements: MapElements | None,
        mode: Mode | None,
    ) -> Decision | None:
        """What to do from `ego.stamp_ns` on; None until perception has once been usable.

        obstacles, elements: the newest that came, mode: of /perception/state; None = never came.
        """
        fresh = obstacles is not None and self._fresh(obstacles.stamp_ns, ego.stamp_ns)
        usable = mode in _USABLE and fresh
        self._engaged = self._engaged or usable
        if not self._engaged:
            return None
        dt_s = 0.0 if self._last_ns is None else (ego.stamp_ns - self._last_ns) * 1e-9
        self._last_ns = ego.stamp_ns
        if usable:
            self._reference.see(guidance, ego, elements, min(max(dt_s, 0.0), _MOST_STEP_S))
        line = self._reference.line(guidance, ego, self._reach(ego))
        known = obstacles if obstacles is not None and fresh else Obstacles.empty(ego.stamp_ns)
        relevant = self._memory.with_lost(self._relevant(ego, known), ego)
        objects = self._speed.believed(relevant, line)
        speed, steering = self._drive(ego, line, objects, degraded=mode == Mode.DEGRADED)
        decides = int(objects.id[speed.row]) if speed.row >= 0 else 0
        if not usable and speed.acceleration_mps2 > -self.config.safe_stop_mps2:
            return Decision(steering, -self.config.safe_stop_mps2, Reason.SAFE_STOP, speed.ttc_s)
        a, reason = self._confirmed(speed)
        return Decision(steering, a, reason, speed.ttc_s, decides)

    def _confirmed(self, speed: Speed) -> tuple[float, Reason]:
        """An emergency that is not upon the vehicle has to be seen twice: one wrong velocity shall not stop it."""
        alarmed, self._alarmed = self._alarmed, speed.reason == Reason.EMERGENCY
        if not self._alarmed or alarmed or speed.ttc_s < self.config.alarm_ttc_s:
            return speed.acceleration_mps2, speed.reason
        return max(speed.acceleration_mps2, -self.config.comfort_braking_mps2), Reason.YIELD

    @property
    def lane_offset_m(self) -> float:
        """How far perceived lines have moved the route's line to the left."""
        return self._reference.offset_m

    def _fresh(self, stamp_ns: int, now_ns: int) -> bool:
        return abs(now_ns - stamp_ns) * 1e-9 <= self.config.stale_s

    def _reach(self, ego: EgoMotion) -> float:
        """As far as it could get within the horizon, or needs to stop."""
        c, v = self.config, max(ego.speed_mps, 0.0)
        return 12.0 + v * c.horizon_s + 0.5 * c.max_acceleration_mps2 * 9.0

    def _drive(
        self, ego: EgoMotion, line: Line, objects: Obstacles, *, degraded: bool
    ) -> tuple[Speed, float]:
        c = self.config
        look = max(c.look_ahead_min_m, c.look_ahead_s * ego.speed_mps)
        start = np.array([ego.x_m, ego.y_m, ego.yaw_rad])
        aim_x, aim_y, _ = point_at(line.points_m, line.s_m, line.at_m + look)
        angle = pursuit(ego.x_m, ego.y_m, ego.yaw_rad, aim_x, aim_y, c.wheelbase_m)
        steering = float(np.clip(angle, -c.max_steering_rad, c.max_steering_rad))
        count = int(self._reach(ego) / STEP_M)
        way = driven_way(
            line.points_m, line.s_m, start, count, STEP_M, look, c.wheelbase_m, c.max_steering_rad
        )
        at = line.at_m + STEP_M * np.arange(count)
        limit = np.interp(at, line.s_m, line.limit_mps) * (c.degraded_share if degraded else 1.0)
        poses = self._speed.predicted(objects, line)
        stop = line.stop_m - line.at_m
        return self._speed.plan(Scene(way, objects, poses, ego.speed_mps, limit, stop, ego.z_m)), steering

    def _relevant(self, ego: EgoMotion, known: Obstacles) -> Obstacles:
        """Not behind the vehicle, not overhead, not too doubtful, within reach."""
        c = self.config
        offset = known.box[:, :2] - (ego.x_m, ego.y_m)
        ahead = np.array([np.cos(ego.yaw_rad), np.sin(ego.yaw_rad)])
        half = 0.5 * np.hypot(known.box[:, 3], known.box[:, 4])
        rear = c.centre_m - 0.5 * c.length_m
        distance = np.hypot(*offset.T)
        # What has been believed once is kept longer: existence fades while an object is hidden or too near to be seen.
        # What is not confirmed yet has hardly any; for that it has to stay and to be near.
        small = known.box[:, 3] < c.large_m
        enough = np.where(small, c.min_existence, c.min_existence_large)
        enough = np.where(np.isin(known.id, list(self._believed)), c.min_existence_kept, enough)
        there = (known.existence >= enough) | known.tentative
        self._believed = frozenset(known.id[there & ~known.tentative].tolist())
        before = offset @ ahead > rear - 0.3 * half
        # The road may rise ahead: what hangs is told apart with more room the further away it is.
        low = known.low_m - ego.z_m < c.overhead_m + 0.06 * distance
        near = distance < 40.0 + (ego.speed_mps + 15.0) * c.horizon_s
        sure = ~known.tentative | ((known.age_s >= c.tentative_s) & (distance < c.tentative_within_m))
        return known.select(there & before & low & near & sure)
