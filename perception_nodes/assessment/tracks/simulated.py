"""Simulated traffic as a detector of a stated quality would report it: true boxes, disturbed, missed, invented."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import (
    LABEL_INDEX,
    NUM_LABELS,
    PEDESTRIAN,
    SIZE_MEAN_LWH_M,
    TWO_WHEELERS,
    Detections3D,
    Orientation,
    SourceMask,
    check_ranges,
    param,
)
from perception_nodes.geometry import Transform, wrap_angle
from perception_nodes.tracking.existence import visible_share

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
STEP_S: Final = 0.1
STEP_NS: Final = 100_000_000
# Ids from here on are of false alarms.
FALSE_ID: Final = 1_000_000
_FALSE_LABELS: Final = np.array([LABEL_INDEX[n] for n in ("car", "pedestrian", "bicycle", "unknown")])
_SENSOR_HEIGHT_M: Final = 1.8
# Of the grid in which walls are drawn; and how much their log odds of a score change from frame to frame.
_CELL_M: Final = 20.0
_WALL_JITTER: Final = 0.5


@dataclass(frozen=True)
class DetectorModel:
    """What the simulated detector gets wrong. Stated to the tracker: the std of both errors together."""

    detection_probability: float = param(0.95, "of a near object that nothing hides", low=0.0, high=1.0)
    half_range_m: float = param(70.0, "range at which it has halved, m", low=1.0)
    range_m: float = param(60.0, "nothing is reported beyond it, m", low=1.0)
    clutter: float = param(5.0, "mean number of false alarms a frame (Poisson), spread evenly", low=0.0)
    walls: float = param(
        0.0, "mean number of places in range at which a false alarm stays, as of walls and bushes", low=0.0
    )
    position_std_m: float = param(0.1, "error of each axis that is new in each frame, at 0 m", low=0.0)
    position_std_per_m: float = param(0.003, "and what is added to it per metre of range", low=0.0)
    slow_std_m: float = param(0.1, "error of each axis that stays for a while, m", low=0.0)
    slow_time_s: float = param(2.0, "time in which it is forgotten, s", low=0.1)
    size_std: float = param(0.05, "new and staying error of the extent, share of it", low=0.0)
    yaw_std_rad: float = param(0.05, "error of the yaw of vehicles, twice of two-wheelers", low=0.0)
    walker_yaw_std_rad: float = param(0.5, "error of the yaw of pedestrians", low=0.0)
    prior_true: float = param(
        0.85, "share of true ones that the scores are calibrated for", low=0.01, high=0.99
    )

    def __post_init__(self) -> None:
        check_ranges(self)


class Actors(NamedTuple):
    """True boxes in odom at one stamp: id, label (N,), center_m, lwh_m (N, 3), yaw_rad (N,), velocity_mps (N, 2)."""

    id: I64
    label: I64
    center_m: F64
    lwh_m: F64
    yaw_rad: F64
    velocity_mps: F64


class Frame(NamedTuple):
    """What is there, what is reported of it, and where the vehicle is."""

    truth: Actors
    detections: Detections3D
    odom_from_base: Transform


class SimulatedDetector:
    """Reports what `DetectorModel` lets it see; the same seed gives the same reports."""

    def __init__(self, model: DetectorModel, seed: int) -> None:
        self._model, self._rng, self._seed = model, np.random.default_rng([seed, 5]), seed
        self._slow: dict[int, F64] = {}

    def __call__(self, stamp_ns: int, truth: Actors, odom_from_base: Transform) -> Detections3D:
        """Detections in odom; detection_id: the actor's id, or one from `FALSE_ID` on."""
        model, rng = self._model, self._rng
        ego = odom_from_base.translation_m
        range_m = np.linalg.norm(truth.center_m[:, :2] - ego[:2], axis=1)
        sensor = ego + np.array([0.0, 0.0, _SENSOR_HEIGHT_M])
        chance = model.detection_probability * 0.5 ** ((range_m / model.half_range_m) ** 2)
        chance = chance * visible_from(truth, sensor) * (range_m < model.range_m)
        slow = self._slow_errors(truth.id)
        seen = np.flatnonzero(rng.random(len(chance)) < chance)
        real = _Reports(rng, model, truth, seen, range_m[seen], slow[seen])
        return _joined(stamp_ns, real, self._false(ego), self._walls(ego))

    def _slow_errors(self, ids: I64) -> F64:
        """(N, 5) standard normal errors that stay: along and across, length, width, height."""
        keep = np.exp(-STEP_S / self._model.slow_time_s)
        fresh = self._rng.standard_normal((len(ids), 5))
        out = np.empty_like(fresh)
        for row, number in enumerate(ids.tolist()):
            old = self._slow.get(number)
            out[row] = fresh[row] if old is None else keep * old + np.sqrt(1 - keep**2) * fresh[row]
            self._slow[number] = out[row]
        return out

    def _false(self, ego: F64) -> _Reports:
        model, rng = self._model, self._rng
        n = rng.poisson(model.clutter)
        radius, angle = model.range_m * np.sqrt(rng.random(n)), rng.uniform(-np.pi, np.pi, n)
        label = rng.choice(_FALSE_LABELS, n)
        center = ego + np.stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(n)], axis=1)
        boxes = _standing(FALSE_ID + np.arange(n), label, center, rng.uniform(-np.pi, np.pi, n), ego[2])
        return _Reports(rng, model, boxes, np.arange(n), radius, rng.standard_normal((n, 5)))

    def _walls(self, ego: F64) -> _Reports:
        """Those seen of the false alarms that stay: each has its place, its box and a mean score of its own."""
        model, rng = self._model, self._rng
        reach = math.ceil(model.range_m / _CELL_M)
        x, y = np.floor(ego[:2] / _CELL_M).astype(int).tolist()
        near = range(-reach, reach + 1) if model.walls > 0 else ()
        cells = [self._wall_cell(x + i, y + j) for i in near for j in near]
        table = np.concatenate([np.zeros((0, 5)), *cells])
        center = np.column_stack([table[:, :2], np.zeros(len(table))])
        label = _FALSE_LABELS[table[:, 2].astype(np.int64)]
        boxes = _standing(FALSE_ID + np.arange(len(table)), label, center, table[:, 3], ego[2])
        range_m = np.hypot(*(table[:, :2] - ego[:2]).T)
        chance = model.detection_probability * 0.5 ** ((range_m / model.half_range_m) ** 2)
        seen = np.flatnonzero(rng.random(len(table)) < chance * (range_m < model.range_m))
        slow = np.zeros((len(seen), 5))
        odds = np.log(table[seen, 4] / (1 - table[seen, 4])) + _WALL_JITTER * rng.standard_normal(len(seen))
        return _Reports(rng, model, boxes, seen, range_m[seen], slow, 1 / (1 + np.exp(-odds)))

    def _wall_cell(self, i: int, j: int) -> F64:
        """(K, 5) x, y, number of the label, yaw and mean score of the walls in a cell of the plane."""
        rng = np.random.default_rng([self._seed, 6, i % 2**32, j % 2**32])
        n = rng.poisson(self._model.walls * _CELL_M**2 / (np.pi * self._model.range_m**2))
        xy = _CELL_M * (np.array([i, j]) + rng.random((n, 2)))
        kind = rng.integers(0, len(_FALSE_LABELS), n)
        return np.column_stack([xy, kind, rng.uniform(-np.pi, np.pi, n), rng.beta(3.0, 3.0, n)])


class _Reports:
    """The reported boxes of some actors, with the covariance that the detector states."""

    def __init__(
        self,
        rng: np.random.Generator,
        model: DetectorModel,
        actors: Actors,
        rows: I64,
        range_m: F64,
        slow: F64,
        score: F64 | None = None,
    ) -> None:
        n = len(rows)
        self.id, self.label = actors.id[rows], actors.label[rows]
        quick = (model.position_std_m + model.position_std_per_m * range_m)[:, None]
        shift = quick * rng.standard_normal((n, 2)) + model.slow_std_m * slow[:, :2]
        self.center = actors.center_m[rows].copy()
        self.center[:, :2] += _turned(shift, actors.yaw_rad[rows])
        size_std = model.size_std * actors.lwh_m[rows]
        error = size_std * (rng.standard_normal((n, 3)) + slow[:, 2:])
        self.lwh = np.maximum(actors.lwh_m[rows] + error, 0.2)
        self.center[:, 2] += error[:, 2] / 2
        yaw_std = model.yaw_std_rad * (1 + np.isin(self.label, list(TWO_WHEELERS)))
        yaw_std = np.where(self.label == PEDESTRIAN, model.walker_yaw_std_rad, yaw_std)
        yaw = actors.yaw_rad[rows] + yaw_std * rng.standard_normal(n)
        # Which end is the front cannot be seen.
        self.yaw = wrap_angle(yaw + np.pi * rng.integers(0, 2, n))
        var = np.full((n, 9), np.nan)
        var[:, :2] = quick**2 + model.slow_std_m**2
        var[:, 2] = 0.05**2 + size_std[:, 2] ** 2 / 2
        var[:, 3], var[:, 4:7] = yaw_std**2, 2 * size_std**2
        self.covariance = np.full((n, 9, 9), np.nan)
        # Centre and extent err on their own, and this is said.
        self.covariance[:, :2, 4:6] = self.covariance[:, 4:6, :2] = 0.0
        self.covariance[:, np.arange(9), np.arange(9)] = var
        false = self.id >= FALSE_ID
        drawn = np.where(false, rng.beta(2.0, 5.0, n), rng.beta(5.0, 2.0, n))
        self.score = drawn if score is None else score
        # Beta(5, 2) over Beta(2, 5): the odds of the score to the third.
        odds = (self.score / (1 - self.score)) ** 3 * model.prior_true / (1 - model.prior_true)
        self.existence = odds / (1 + odds)


def _turned(shift: F64, yaw: F64) -> F64:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack([c * shift[:, 0] - s * shift[:, 1], s * shift[:, 0] + c * shift[:, 1]], axis=1)


def _standing(ids: I64, label: I64, center: F64, yaw_rad: F64, ground_m: float) -> Actors:
    """Boxes of the mean size of their class on the ground."""
    lwh = np.array(SIZE_MEAN_LWH_M)[label]
    center = np.column_stack([center[:, :2], ground_m + lwh[:, 2] / 2])
    return Actors(ids, label, center, lwh, yaw_rad, np.zeros((len(ids), 2)))


def _joined(stamp_ns: int, *parts: _Reports) -> Detections3D:
    def both(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    label = both("label")
    n = len(label)
    probabilities = np.full((n, NUM_LABELS), 0.1 / (NUM_LABELS - 1))
    probabilities[np.arange(n), label] = 0.9
    known = {
        "label": label.astype(np.uint8),
        "class_probabilities": probabilities,
        "score": both("score"),
        "existence_probability": both("existence"),
        "covariance": both("covariance"),
        "orientation": np.full(n, int(Orientation.SIGN_UNKNOWN), np.uint8),
        "source_mask": np.full(n, int(SourceMask.LIDAR), np.uint8),
        "detection_id": both("id").astype(np.uint64),
    }
    return Detections3D.of(stamp_ns, "odom", "simulated", both("center"), both("lwh"), both("yaw"), **known)


def visible_from(actors: Actors, sensor_m: F64) -> F64:
    """(N,) share of each actor that no other hides from the sensor."""
    boxes = np.column_stack([actors.center_m, actors.lwh_m, actors.yaw_rad])
    out = np.ones(len(boxes))
    visible_share(boxes, np.asarray(sensor_m), np.ones(len(boxes), bool), out)
    return out


def drive(scenario_name: str, seed: int, model: DetectorModel, seconds: float) -> Iterator[Frame]:
    """A drive through the traffic of a scenario, every 0.1 s."""
    from perception_nodes.simulation.assets import Catalogue
    from perception_nodes.simulation.scenarios.library import find_scenario
    from perception_nodes.simulation.simulation import world_of
    from perception_nodes.simulation.traffic.traffic import Traffic

    scenario = find_scenario(scenario_name)
    traffic = Traffic(world_of(scenario, seed), scenario, Catalogue(), seed)
    detector = SimulatedDetector(model, seed)
    lwh = np.array([a.lwh_m for a in traffic.assets]).reshape(-1, 3)
    label = np.array([LABEL_INDEX[a.label] for a in traffic.assets], np.int64)
    for k in range(1, int(seconds / STEP_S + 1e-9) + 1):
        traffic.step(STEP_S)
        states, pose = traffic.states(traffic.time_s), traffic.ego.odom_from_base
        near = np.hypot(*(states.pose[:, :2] - pose.translation_m[:2]).T) < 1.5 * model.range_m
        rows = np.flatnonzero(states.present & near)
        size = lwh[states.asset[rows]]
        center = states.pose[rows, :3] + np.stack([0 * size[:, 2], 0 * size[:, 2], size[:, 2] / 2], axis=1)
        yaw = np.asarray(wrap_angle(states.pose[rows, 3]), np.float64)
        truth = Actors(
            states.id[rows], label[states.asset[rows]], center, size, yaw, states.velocity_mps[rows]
        )
        yield Frame(truth, detector(k * STEP_NS, truth, pose), pose)
