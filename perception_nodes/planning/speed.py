"""How fast: the strongest acceleration after which the vehicle could still stop gently before everything foreseen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import PEDESTRIAN, TWO_WHEELERS, UNKNOWN, VEHICLES
from perception_nodes.geometry import wrap_angle

from .config import PlannerConfig
from .inputs import Obstacles, Reason
from .kernels import blocked, clearance, first_contact, predict
from .reference import Line

F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.int32]
STEP_M: Final = 0.5
_HOLD_S: Final = 0.5  # a plan is kept for so long before the way out begins
_EASY: Final = (1.8, 1.2, 0.6, 0.0, -0.6, -1.2, -1.8)
_HARD: Final = (3.0, 4.0, 5.0, 6.5)
_EMERGENCY_MPS2: Final = 4.5
_GENTLE_MPS2: Final = 1.5  # for limits and signals that are known in advance
_TIGHT_M: Final = (0.12, 0.3)  # beside, before: what must stay free in an emergency
_MOVES_MPS: Final = 0.6
_PEOPLE: Final = (PEDESTRIAN, *TWO_WHEELERS)
_SURE: Final = 1.5
_YOUNG_S: Final = 0.5
_VAGUE_MPS: Final = 1.5  # a velocity that is known no better than this says nothing about who crosses
_DOUBTFUL_MPS2: Final = 4.0  # no more for what may only happen
_ONCOMING: Final = (
    0.15  # the same above which an oncoming one is not on this road: it comes out of another, or turns
)
_STRAIGHT: Final = 0.06  # sine of the angle to the road below which a vehicle keeps its lane
_CLOSE_S, _LEAD_BRAKES_MPS2 = 0.5, 5.0
_HIDES_LENGTH_M, _HIDES_WITHIN_M, _HIDES_HEIGHT_M = 3.0, 6.0, 1.6
_APPEARED_S, _APPEARED_HORIZON_S = 0.6, 2.0


def _appeared(objects: Obstacles) -> npt.NDArray[np.bool_]:
    """People who have been seen for so short that their velocity is not known."""
    return np.asarray((objects.label == PEDESTRIAN) & (objects.age_s < _APPEARED_S))


@dataclass(frozen=True)
class Speed:
    """An acceleration, what decided it, the time to contact at constant speed, the row of the deciding object or -1."""

    acceleration_mps2: float
    reason: Reason
    ttc_s: float = float("inf")
    row: int = -1


@dataclass(frozen=True, eq=False)
class Scene:
    """One moment. way (K, 4) x, y, yaw, curvature every `STEP_M`; objects that may matter; limit_mps (K,) on it."""

    way: F64
    objects: Obstacles
    poses: F64
    speed_mps: float
    limit_mps: F64
    stop_m: float
    ground_m: float


class SpeedPlanner:
    """Stateless."""

    def __init__(self, config: PlannerConfig) -> None:
        self._config = config
        self._times = np.arange(0.0, config.horizon_s + 1e-9, config.step_s)
        self._own = np.array([config.length_m, config.width_m, config.centre_m])
        # What stands at the end of sight is braked for after the reaction, with ahead_m to spare.
        react, brake = config.reaction_s, config.sight_braking_mps2
        free = max(config.sight_m - config.ahead_m, 0.0)
        self._sighted_mps = brake * (np.sqrt(react**2 + 2.0 * free / brake) - react)

    def predicted(self, objects: Obstacles, line: Line) -> F64:
        """(N, T, 3) poses at the planner's times; vehicles that drive along the road are taken to go on doing so."""
        c = self._config
        speed = np.hypot(*objects.velocity_mps.T)
        heading = np.arctan2(objects.velocity_mps[:, 1], objects.velocity_mps[:, 0])
        follows = np.zeros(len(objects), bool)
        velocity = np.where((speed > _MOVES_MPS)[:, None], objects.velocity_mps, 0.0)
        for i in np.flatnonzero((speed > 2.0) & (objects.label != PEDESTRIAN)):
            gap = np.hypot(*(line.points_m - objects.box[i, :2]).T)
            k = min(int(np.argmin(gap)), len(gap) - 2)
            if not 0 < k < len(gap) - 2 or gap[k] > 12.0:
                continue
            step = line.points_m[k + 1] - line.points_m[k]
            off = float(wrap_angle(heading[i] - np.arctan2(step[1], step[0])))
            most = np.sin(c.lane_angle_rad) if np.cos(off) > 0 else _ONCOMING
            follows[i] = abs(np.sin(off)) < most
            # Who drives along the road keeps the lane, unless it clearly leaves it.
            if follows[i] and abs(np.sin(off)) < (_STRAIGHT if np.cos(off) > 0 else 2 * _STRAIGHT):
                velocity[i] = speed[i] * np.cos(off) * step / np.hypot(*step)
        turn = np.where(speed > 1.0, np.clip(objects.yaw_rate_rps, -0.8, 0.8), 0.0)
        turn[np.isin(objects.label, (PEDESTRIAN,))] = 0.0
        return np.asarray(
            predict(
                objects.box, velocity, turn, c.turn_decay_s, follows, line.points_m, line.s_m, self._times
            )
        )

    def believed(self, objects: Obstacles, line: Line) -> Obstacles:
        """The objects with the motion that is believed: velocities that say more than their deviation, vehicles that do
        not slip sideways, and people who have just come out from behind something and may walk onto the way.
        """
        velocity = objects.velocity_mps.copy()
        speed = np.hypot(*velocity.T)
        velocity[speed < np.maximum(_MOVES_MPS, _SURE * objects.velocity_std_mps)] = 0.0
        ahead = np.stack([np.cos(objects.box[:, 2]), np.sin(objects.box[:, 2])], axis=1)
        along = (velocity * ahead).sum(axis=1)
        # A box that is matched with another thing in its first frames flies across the road, or towards the vehicle.
        vague = objects.velocity_std_mps > _VAGUE_MPS
        young = objects.age_s < _YOUNG_S
        headless = vague | (young & (objects.label == UNKNOWN))
        young = (young | vague) & (objects.label != PEDESTRIAN) & (speed > _MOVES_MPS)
        for i in np.flatnonzero(young):
            k = min(int(np.argmin(np.hypot(*(line.points_m - objects.box[i, :2]).T))), len(line.points_m) - 2)
            step = line.points_m[k + 1] - line.points_m[k]
            step = step / np.hypot(*step)
            across = float(step[0] * velocity[i, 1] - step[1] * velocity[i, 0])
            flies = abs(across) > np.sin(self._config.lane_angle_rad) * speed[i]
            if flies or (headless[i] and step @ velocity[i] < 0.0):
                velocity[i] = 0.0
        slips = np.isin(objects.label, list(VEHICLES)) & (speed > 2.0) & (np.abs(along) < 0.8 * speed)
        velocity[slips] = along[slips, None] * ahead[slips]
        hides = objects.box[(speed < _MOVES_MPS) & (objects.box[:, 3] > _HIDES_LENGTH_M), :2]
        for i in np.flatnonzero(_appeared(objects) & (speed < _MOVES_MPS)):
            if not (np.hypot(*(hides - objects.box[i, :2]).T) < _HIDES_WITHIN_M).any():
                continue
            offset = line.points_m - objects.box[i, :2]
            distance = np.hypot(*offset.T)
            k = int(np.argmin(distance))
            if 0.3 < distance[k] < 0.5 * self._config.width_m + self._config.step_out_m:
                velocity[i] = self._config.step_out_mps * offset[k] / distance[k]
        return replace(objects, velocity_mps=velocity)

    def plan(self, scene: Scene) -> Speed:
        """The acceleration for now."""
        wanted = self._by_limits(scene)
        if not len(scene.objects):
            return wanted
        wide, tight = self._masks(scene)
        ttc, row = self._time_to_contact(scene, tight)
        wanted = min(wanted, self._by_followed(scene), key=lambda s: s.acceleration_mps2)
        free = self._free(scene, wide, tight)
        if free.row >= 0 and self._only_may(scene, free.row) and free.reason == Reason.EMERGENCY:
            free = Speed(max(free.acceleration_mps2, -_DOUBTFUL_MPS2), Reason.YIELD, row=free.row)
        best = min(wanted, free, key=lambda s: s.acceleration_mps2)
        return Speed(best.acceleration_mps2, best.reason, ttc, best.row if best.row >= 0 else row)

    def _only_may(self, scene: Scene, row: int) -> bool:
        """Somebody who has just appeared beside the way: that they will walk onto it is an assumption."""
        if not _appeared(scene.objects)[row]:
            return False
        gap, _ = clearance(scene.way, self._own, scene.objects.box[row : row + 1])[0]
        return bool(gap > 0.0)

    # ------------------------------------------------------------------ limits
    def _by_limits(self, scene: Scene) -> Speed:
        """Towards the allowed speed, early enough for what comes: bends, limits, signals, narrow places."""
        c = self._config
        at = STEP_M * np.arange(len(scene.way))
        bend = np.abs(scene.way[:, 3])
        allowed = np.minimum(scene.limit_mps, np.sqrt(c.lateral_mps2 / np.maximum(bend, 1e-4)))
        allowed = np.minimum(allowed, self._sighted_mps)
        allowed = self._past_objects(scene, allowed)
        now = float(np.sqrt(allowed**2 + 2 * _GENTLE_MPS2 * at).min())
        a = float(np.clip((now - scene.speed_mps) / 0.8, -c.comfort_braking_mps2, c.max_acceleration_mps2))
        speed = Speed(a, Reason.CRUISE)
        return min(speed, self._before_line(scene), key=lambda s: s.acceleration_mps2)

    def _before_line(self, scene: Scene) -> Speed:
        """Stop before a line, unless that would take more than a driver gives for a signal that has just changed."""
        c, v = self._config, scene.speed_mps
        front = c.centre_m + 0.5 * c.length_m
        left = scene.stop_m - front - 0.7
        if not np.isfinite(left) or left < -3.0:
            return Speed(c.max_acceleration_mps2, Reason.STOP_LINE)
        if left <= 0.3:
            return Speed(-c.comfort_braking_mps2 if v < 4.0 else 0.0, Reason.STOP_LINE)
        needed = v * v / (2 * left)
        if needed > 4.0:
            return Speed(c.max_acceleration_mps2, Reason.STOP_LINE)
        aim = float(np.sqrt(2 * _GENTLE_MPS2 * left))
        a = (aim - v) / 0.8
        return Speed(
            float(np.clip(min(a, -needed if needed > _GENTLE_MPS2 else a), -4.0, 1.8)), Reason.STOP_LINE
        )

    def _past_objects(self, scene: Scene, allowed: F64) -> F64:
        """Slowly past what stands close beside the way, and past what may hide somebody."""
        c, objects = self._config, scene.objects
        stands = np.hypot(*objects.velocity_mps.T) < _MOVES_MPS
        if not stands.any():
            return allowed
        box, top = objects.box[stands], objects.high_m[stands] - scene.ground_m
        free = clearance(scene.way, self._own, box)
        out = allowed.copy()
        for (gap, k), height, length in zip(free, top, box[:, 3], strict=True):
            if not np.isfinite(gap):
                continue
            near = slice(max(int(k) - 6, 0), int(k) + 6)
            if 0.0 < gap < c.close_m:
                out[near] = np.minimum(out[near], c.close_speed_mps + 8.0 * gap)
            if gap < c.hidden_within_m and height > _HIDES_HEIGHT_M and length > _HIDES_LENGTH_M:
                past = slice(near.start, near.stop + round(length / STEP_M))
                out[past] = np.minimum(out[past], c.hidden_speed_mps)
        return out

    # ------------------------------------------------------------------ objects
    def _masks(self, scene: Scene) -> tuple[Mask, Mask]:
        """What blocks the way when and where: with the room that one leaves, and with the last of it."""
        c, objects = self._config, scene.objects
        moves = np.hypot(*objects.velocity_mps.T) > _MOVES_MPS
        people = np.isin(objects.label, _PEOPLE)
        side = np.where(moves | people, c.side_moving_m, c.side_m)
        growth = np.where(moves & people, c.side_growth_mps, 0.0)
        last = np.where(people, c.walker_horizon_s, c.horizon_s)
        last[_appeared(objects)] = _APPEARED_HORIZON_S
        size, none = objects.box[:, 3:], np.zeros(len(objects))
        wide = blocked(scene.way, self._own, scene.poses, size, last, side, growth, self._times, c.ahead_m)
        narrow = none + _TIGHT_M[0]
        tight = blocked(scene.way, self._own, scene.poses, size, last, narrow, none, self._times, _TIGHT_M[1])
        return wide, tight

    def _time_to_contact(self, scene: Scene, tight: Mask) -> tuple[float, int]:
        """If both go on as they do."""
        if scene.speed_mps < 0.1:
            return float("inf"), -1
        speed = np.full(len(self._times), scene.speed_mps)
        j, row = first_contact(
            tight, np.zeros(len(scene.objects), bool), speed * self._times, speed, self._times, STEP_M
        )
        return (float(self._times[j]), row) if j >= 0 else (float("inf"), -1)

    def _by_followed(self, scene: Scene) -> Speed:
        """Intelligent driver model behind what is, or will soon be, in the way and goes along with it.

        Source: Treiber, Hennecke, Helbing, Congested traffic states in empirical observations and microscopic
        simulations, Phys. Rev. E 62, 2000.
        """
        c, v = self._config, scene.speed_mps
        worst = Speed(c.max_acceleration_mps2, Reason.FOLLOW)
        mask = blocked(
            scene.way, self._own, scene.poses, scene.objects.box[:, 3:], np.full(len(scene.objects), 2.0),
            np.full(len(scene.objects), c.side_m), np.zeros(len(scene.objects)), self._times, 0.0,
        )  # fmt: skip
        for j in (0, round(1.0 / c.step_s), round(2.0 / c.step_s)):
            for row in np.unique(mask[j][mask[j] >= 0]):
                if self._beside(scene, int(row)):
                    continue
                k = int(np.argmax(mask[j] == row))
                speed = self._along(scene, int(row), k)
                if speed is None:
                    continue
                gap = max(k * STEP_M - speed * self._times[j], 0.1)
                a, most = self._behind(v, gap, max(speed, 0.0), float(scene.limit_mps[0]))
                if j > 0:  # not in the way yet: should braking have to be harder, `_free` says so
                    most = c.comfort_braking_mps2
                a = max(a, -most)
                if a < worst.acceleration_mps2:
                    worst = Speed(float(a), Reason.FOLLOW, row=int(row))
        return worst

    def _behind(self, v: float, gap: float, lead: float, limit_mps: float) -> tuple[float, float]:
        """Acceleration at `gap` m behind what drives `lead` m/s, and the hardest braking that this may take."""
        c = self._config
        close = v * (v - lead) / (2 * np.sqrt(c.max_acceleration_mps2 * 2.0))
        wish = c.standstill_m + max(0.0, v * c.headway_s + close)
        a = c.max_acceleration_mps2 * (1.0 - min(v / max(limit_mps, 1.0), 1.5) ** 4 - (wish / gap) ** 2)
        # The model brakes harder than it has to when something comes into view; it need not.
        room = max(gap - 1.0, 0.2)
        needed = max(v - lead, 0.0) ** 2 / (2 * room)
        least = 1.3 * needed
        if needed <= c.comfort_braking_mps2:
            least = min(least, c.comfort_braking_mps2)
        least = max(_GENTLE_MPS2, least)
        if gap < _CLOSE_S * v:  # too close to react: it has to stop behind who brakes hard
            least = max(least, v * v / (2 * (room + lead * lead / (2 * _LEAD_BRAKES_MPS2))))
        return max(a, -least), _HARD[-1] if gap < _CLOSE_S * v else 4.0

    def _beside(self, scene: Scene, row: int) -> bool:
        """Whether the middle of an object is not before the vehicle: braking does not lead behind it."""
        c = self._config
        x, y, yaw = scene.way[0, :3]
        ahead = (scene.objects.box[row, :2] - (x, y)) @ (np.cos(yaw), np.sin(yaw))
        return bool(ahead < c.centre_m + 0.5 * c.length_m)

    def _along(self, scene: Scene, row: int, k: int) -> float | None:
        """Speed of an object along the way at its place k; None for one that crosses it."""
        vx, vy = scene.objects.velocity_mps[row]
        speed = float(np.hypot(vx, vy))
        if speed < _MOVES_MPS:
            return 0.0
        yaw = float(scene.way[k, 2])
        along = float(vx * np.cos(yaw) + vy * np.sin(yaw))
        return along if abs(along) > 0.7 * speed else None

    def _free(self, scene: Scene, wide: Mask, tight: Mask) -> Speed:
        """The strongest acceleration that keeps a gentle way out; else the gentlest braking that is enough."""
        c, objects = self._config, scene.objects
        moves = np.hypot(*objects.velocity_mps.T) > _MOVES_MPS
        # A vehicle that stands is not hit by what stands, and people walk round it.
        skip = ~moves | np.isin(objects.label, _PEOPLE)
        row = -1
        for a in _EASY:
            met, who = self._meets(scene, wide, skip, a, c.comfort_braking_mps2)
            if met < 0 or (a > 0 and self._meets(scene, wide, skip, a, 0.0)[0] < 0):
                return Speed(a, Reason.YIELD, row=row)
            row = who
        if self._meets(scene, wide, skip, -c.comfort_braking_mps2, c.comfort_braking_mps2)[0] < 0:
            return Speed(-c.comfort_braking_mps2, Reason.YIELD, row=row)
        for braking in (c.comfort_braking_mps2, *_HARD):
            met, who = self._meets(scene, tight, skip, -braking, braking)
            if met < 0:
                reason = Reason.EMERGENCY if braking > _EMERGENCY_MPS2 else Reason.YIELD
                return Speed(-braking, reason, row=row)
            row = who
        # Braking does not help: perhaps the way out is ahead.
        for a in (0.0, c.max_acceleration_mps2):
            if self._meets(scene, tight, skip, a, 0.0)[0] < 0:
                return Speed(a, Reason.YIELD, row=row)
        return Speed(-c.full_braking_mps2, Reason.EMERGENCY, row=row)

    def _meets(self, scene: Scene, mask: Mask, skip: Any, a: float, then: float) -> tuple[int, int]:
        """First contact of: `a` for a moment, then braking by `then` (0: going on at `a` up to the allowed speed)."""
        t = self._times
        top = max(float(scene.limit_mps.max()), scene.speed_mps)
        if then > 0:
            after = np.maximum(t - _HOLD_S, 0.0)
            speed = scene.speed_mps + a * np.minimum(t, _HOLD_S) - then * after
        else:
            speed = np.minimum(scene.speed_mps + a * t, top)
        speed = np.clip(speed, 0.0, None)
        way = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * np.diff(t))])
        j, row = first_contact(mask, skip, way, speed, t, STEP_M)
        return int(j), int(row)
