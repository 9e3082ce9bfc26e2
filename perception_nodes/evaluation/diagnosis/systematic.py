"""What all boxes have in common: a delay, or an offset in the axes of the ego or of the objects.

Ours. Four explanations of the position errors compete: the boxes are `delay` old (objects have moved on over
ground), the boxes are `delay` old and were placed with the ego's newer pose, they are offset along the ego's axes, or
along the objects' own. Each is applied to the predictions; the one after which the squared distance of the true boxes
to the nearest prediction of their class (at most `near_distance_m`) is least wins, if the errors shrink clearly.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.evaluation.columns import Columns

from .scene import Scene

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

_STEP_S = 0.05
_MOST_BOXES = 20_000
_MOVING_MPS = 1.0
_LEAST_PAIRS = 20
_CHANGE_M = 0.05
_SURE = 2.33
_AS_GOOD = 1.01


@dataclass(frozen=True)
class Systematic:
    """Delay and offset of all predictions.

    model: "none", "delay", "delay and ego motion", "offset in the ego frame" or "offset in the object frame": the one
    that explains the errors; delay_ns > 0: the boxes are late, NaN-free estimate also when it is not clear;
    ego_offset_m, object_offset_m (forward, left): median of prediction minus truth, NaN without pairs;
    error_m, explained_error_m: root mean square of the capped distances before and after the model; pairs: how many
    true boxes had a prediction near by.
    """

    model: str
    delay_ns: int
    ego_offset_m: tuple[float, float]
    object_offset_m: tuple[float, float]
    error_m: float
    explained_error_m: float
    pairs: int

    @property
    def late(self) -> bool:
        """A delay explains the errors."""
        return self.model.startswith("delay")


def estimate_systematic(scene: Scene) -> Systematic:
    """Find the model that explains most; see the module's text."""
    near = _Near(scene)
    plain = near.distance(scene.predictions)
    pairs = int((plain < near.limit).sum())
    yaw = ego_heading(scene)
    ego_offset = _median_offset(near, yaw[near.truth.frame])
    object_offset = _median_offset(near, near.truth.yaw_rad)
    velocity, relative = ground_velocity(scene), relative_velocity(scene)
    delays = {
        "delay": _best_delay(near, scene.predictions, velocity, scene.config.max_delay_s),
        "delay and ego motion": _best_delay(near, scene.predictions, relative, scene.config.max_delay_s),
    }
    shifts: dict[str, F64] = {
        "delay": delays["delay"] * velocity,
        "delay and ego motion": delays["delay and ego motion"] * relative,
        "offset in the ego frame": -_turned(ego_offset, yaw[scene.predictions.frame]),
        "offset in the object frame": -_turned(object_offset, scene.predictions.yaw_rad),
    }
    costs = {name: near.distance(moved(scene.predictions, shift)) for name, shift in shifts.items()}
    total = {name: float((cost**2).sum()) for name, cost in costs.items()}
    # Where two explain as much (one speed, one direction) the first is named.
    best = next(name for name in total if total[name] <= _AS_GOOD * min(total.values()) + 1e-9)
    clear = pairs >= _LEAST_PAIRS and _is_clear(plain, costs[best], near, scene.config.shrink)
    delay = delays[best] if best in delays else delays["delay"]
    return Systematic(
        model=best if clear else "none",
        delay_ns=round(delay * 1e9),
        ego_offset_m=ego_offset,
        object_offset_m=object_offset,
        error_m=_rms(plain, near.limit),
        explained_error_m=_rms(costs[best] if clear else plain, near.limit),
        pairs=pairs,
    )


def corrected(scene: Scene, systematic: Systematic) -> Columns:
    """The predictions as they would be without the delay (unchanged if there is no clear one)."""
    if not systematic.late:
        return scene.predictions
    velocity = ground_velocity(scene) if systematic.model == "delay" else relative_velocity(scene)
    return moved(scene.predictions, systematic.delay_ns * 1e-9 * velocity)


def moved(boxes: Columns, step_m: F64) -> Columns:
    """The boxes moved by (B, 2) m; an unknown step is none."""
    center = boxes.center_m.copy()
    center[:, :2] += np.where(np.isfinite(step_m), step_m, 0.0)
    return dataclasses.replace(boxes, center_m=center)


def ground_velocity(scene: Scene) -> F64:
    """(P, 2) velocity of the predictions over ground; where they give none that of the nearest true box."""
    velocity = scene.predictions.velocity_mps.copy()
    unknown = ~np.isfinite(velocity).all(axis=1)
    if unknown.any():
        nearest = _nearest_truth(scene)
        has = unknown & (nearest >= 0)
        velocity[has] = scene.truth.velocity_mps[nearest[has]]
    return np.where(np.isfinite(velocity), velocity, 0.0)


def relative_velocity(scene: Scene) -> F64:
    """(P, 2) as `ground_velocity`, less the ego's own: what a stationary box seen late seems to do."""
    return np.asarray(ground_velocity(scene) - _ego_velocity(scene)[scene.predictions.frame])


class _Near:
    """Distance of every true box to the nearest prediction of its class, capped; frames are thinned out if many."""

    def __init__(self, scene: Scene) -> None:
        self.limit = scene.config.near_distance_m
        self.scene = scene
        every = max(1, len(scene.truth) // _MOST_BOXES)
        self.used = list(range(0, len(scene.stamp_ns), every))
        self.slices = list(scene.frames())
        self._rows = np.concatenate(
            [np.arange(self.slices[k][0].start, self.slices[k][0].stop) for k in self.used]
            or [np.zeros(0, int)]
        ).astype(np.int64)
        mask = np.zeros(len(scene.truth), bool)
        mask[self._rows] = True
        self.truth = scene.truth.select(mask)

    def distance(self, predictions: Columns) -> F64:
        """(T',) capped distances, m."""
        return self._nearest(predictions)[0]

    def partner(self, predictions: Columns) -> I64:
        """(T',) index of the nearest prediction within the limit, -1 none."""
        return self._nearest(predictions)[1]

    def _nearest(self, predictions: Columns) -> tuple[F64, I64]:
        truth, out, who = self.scene.truth, [np.zeros(0)], [np.zeros(0, np.int64)]
        for k in self.used:
            a, b = self.slices[k]
            size = a.stop - a.start
            if b.stop == b.start or not size:
                out.append(np.full(size, self.limit))
                who.append(np.full(size, -1))
                continue
            step = truth.center_m[a, None, :2] - predictions.center_m[None, b, :2]
            distance = np.hypot(step[..., 0], step[..., 1])
            distance[truth.label[a, None] != predictions.label[None, b]] = np.inf
            least = distance.min(axis=1)
            out.append(np.minimum(least, self.limit))
            who.append(np.where(least < self.limit, b.start + distance.argmin(axis=1), -1))
        return np.concatenate(out), np.concatenate(who)


def _best_delay(near: _Near, predictions: Columns, velocity: F64, most_s: float) -> float:
    if not (np.hypot(*velocity.T) > _MOVING_MPS).any() or most_s <= 0:
        return 0.0

    def cost(delay: float) -> float:
        return float((near.distance(moved(predictions, delay * velocity)) ** 2).sum())

    count = round(most_s / _STEP_S)
    steps = np.asarray(np.arange(-count, count + 1) * _STEP_S, np.float64)
    costs = [cost(d) for d in steps]
    k = int(np.argmin(costs))
    return _parabola(steps, costs, k, cost)


def _parabola(steps: F64, costs: list[float], k: int, cost: Callable[[float], float]) -> float:
    """The least point of the parabola through the best step and its neighbours, if it is better."""
    best = float(steps[k])
    if not 0 < k < len(steps) - 1:
        return best
    before, at, after = costs[k - 1 : k + 2]
    bend = before - 2 * at + after
    finer = best + _STEP_S * 0.5 * (before - after) / bend if bend > 0 else best
    return finer if cost(finer) <= at else best


def _median_offset(near: _Near, yaw_rad: F64) -> tuple[float, float]:
    """Median of prediction minus truth along axes turned by yaw (T',), m."""
    partner = near.partner(near.scene.predictions)
    has = (partner >= 0) & np.isfinite(yaw_rad)
    if not has.any():
        return float("nan"), float("nan")
    step = near.scene.predictions.center_m[partner[has], :2] - near.truth.center_m[has, :2]
    cos, sin = np.cos(yaw_rad[has]), np.sin(yaw_rad[has])
    forward = np.median(step[:, 0] * cos + step[:, 1] * sin)
    left = np.median(step[:, 1] * cos - step[:, 0] * sin)
    return float(forward), float(left)


def _turned(offset: tuple[float, float], yaw_rad: F64) -> F64:
    cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.stack([offset[0] * cos - offset[1] * sin, offset[0] * sin + offset[1] * cos], axis=1)


def _is_clear(before: F64, after: F64, near: _Near, shrink: float) -> bool:
    """The median error shrinks by the share, and errors shrink in more (object, second) blocks than chance would give.

    Signed-rank test (Wilcoxon, Biometrics Bulletin 1945; normal approximation, 1 %): large gains weigh more.

    Only true boxes whose error changes are asked: with a delay those that move.
    """
    changed = np.abs(before - after) > _CHANGE_M
    if changed.sum() < _LEAST_PAIRS:
        return False
    gain = before[changed] ** 2 - after[changed] ** 2
    # Of the median: pairs that only look like pairs (a neighbour 3 m away) do not shrink with the others.
    if np.median(after[changed]) > (1 - shrink) * np.median(before[changed]):
        return False
    second = near.scene.stamp_ns[near.truth.frame[changed]] // 1_000_000_000
    blocks = np.stack([near.truth.id[changed], second], axis=1)
    _, which = np.unique(blocks, axis=0, return_inverse=True)
    per_block = np.bincount(which.ravel(), gain)
    rank = np.argsort(np.argsort(np.abs(per_block))) + 1.0
    n = len(rank)
    spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return bool(rank[per_block > 0].sum() - n * (n + 1) / 4 > _SURE * spread)


def _nearest_truth(scene: Scene) -> I64:
    out = np.full(len(scene.predictions), -1, np.int64)
    for a, b in scene.frames():
        if a.stop > a.start and b.stop > b.start:
            step = scene.predictions.center_m[b, None, :2] - scene.truth.center_m[None, a, :2]
            distance = np.hypot(step[..., 0], step[..., 1])
            nearest = distance.argmin(axis=1)
            close = distance.min(axis=1) < scene.config.near_distance_m
            out[b] = np.where(close, a.start + nearest, -1)
    return out


def _ego_velocity(scene: Scene) -> F64:
    """(F, 2) from the ego's positions, 0 where they are not known."""
    if len(scene.stamp_ns) < 2:
        return np.zeros((len(scene.stamp_ns), 2))
    velocity = np.gradient(scene.ego_xy_m, (scene.stamp_ns - scene.stamp_ns[0]) * 1e-9, axis=0)
    return np.where(np.isfinite(velocity), velocity, 0.0)


def ego_heading(scene: Scene) -> F64:
    """(F,) direction in which the ego drives, held while it stands; 0 (the recording's axes) if it never drives."""
    velocity = _ego_velocity(scene)
    driving = np.flatnonzero(np.hypot(*velocity.T) > 0.5)
    if not len(driving):
        return np.zeros(len(velocity))
    held = driving[np.clip(np.searchsorted(driving, np.arange(len(velocity)), side="right") - 1, 0, None)]
    return np.asarray(np.arctan2(velocity[held, 1], velocity[held, 0]))


def _rms(distance: F64, limit: float) -> float:
    near = distance[distance < limit]
    return float(np.sqrt((near**2).mean())) if len(near) else float("nan")
