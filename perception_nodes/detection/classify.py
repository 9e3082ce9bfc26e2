"""Class guess of a box from its size and shape, with probabilities that say how little that is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS, UNKNOWN

from .boxes import FittedBoxes
from .features import vehicle_features

F64 = npt.NDArray[np.float64]

# Log-odds of being a vehicle: a logistic regression whose signs are fixed by physics, on nodes of the tree.
_VEHICLE_BIAS = -2.7
_VEHICLE = {
    "dense": 1.05, "range": 1.25, "free": -2.6, "foreign": 0.0, "attached": -13.0, "open": 0.0, "loose": -1.6,
    "flat": -1.0, "high": -5.0, "floating": 0.0, "short": -1.8, "narrow": -3.6, "thin": -1.4, "long": -0.9,
    "upper": -1.4, "sparse": -0.75,
}  # fmt: skip
# What does not count against large vehicles, and how much rarer they are.
_SIZE_TERMS = ("high", "long")
_LARGE_BIAS = -2.0
_LARGE_TOP_M, _LARGE_TALL_SHARE, _BUILDING_TOP_M = 2.3, 0.3, 4.3
_NONE = 1e-6
# Odds of the named classes together above which the best of them is the label.
_UNKNOWN_WEIGHT = 0.2

# Large vehicles: length (low, high), top over ground (m), weight among them.
_LARGE: dict[str, tuple[tuple[float, float], tuple[float, float], float]] = {
    "truck": ((4.5, 9.0), (2.0, 3.8), 1.0),
    "bus": ((8.5, 13.5), (2.7, 3.8), 0.5),
    "trailer": ((7.0, 15.0), (3.0, 4.2), 0.2),
    "construction_vehicle": ((4.0, 8.0), (2.2, 3.6), 0.2),
}
# Small objects, from what was seen: length, width, top over ground (m), weight against `unknown`.
_SMALL: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float], float]] = {
    "motorcycle": ((1.6, 2.4), (0.4, 1.0), (1.1, 1.7), 0.5),
    "bicycle": ((1.4, 2.0), (0.3, 0.8), (1.1, 1.9), 0.7),
    "pedestrian": ((0.3, 1.0), (0.2, 0.9), (1.4, 2.0), 1.5),
    "traffic_cone": ((0.1, 0.5), (0.1, 0.5), (0.5, 1.1), 0.3),
    "barrier": ((1.0, 3.5), (0.2, 0.8), (0.7, 1.2), 0.3),
}


def vehicle_probability(boxes: FittedBoxes) -> tuple[F64, F64]:
    """(M,) probability of each box being a car, and of being a larger vehicle."""
    columns = vehicle_features(boxes)
    common = _VEHICLE_BIAS + sum(
        (_VEHICLE[name] * column for name, column in columns.items() if name not in _SIZE_TERMS), np.zeros(len(boxes))
    )
    size = sum((_VEHICLE[name] * columns[name] for name in _SIZE_TERMS), np.zeros(len(boxes)))
    fitted = boxes["vehicle"] > 0
    large = (boxes["top"] > _LARGE_TOP_M) & (boxes["tall"] > _LARGE_TALL_SHARE) & (boxes["top"] < _BUILDING_TOP_M)
    car = np.where(fitted, _sigmoid(common + size), 0.0)
    slab = -4.0 * np.maximum(1.2 - boxes["small_width"], 0.0)
    big = np.where(fitted & large, _sigmoid(common + _LARGE_BIAS + slab), 0.0)
    return car, big


def quality(boxes: FittedBoxes) -> F64:
    """(M,) plausibility 0..1 of each node as one whole object of some kind."""
    car, big = vehicle_probability(boxes)
    long_side, top = boxes["small_length"], boxes["top"]
    upright = np.exp(-0.5 * ((top - 1.65) / 0.35) ** 2)
    person = 0.15 * upright * (long_side < 1.1)
    rider = 0.15 * upright * ((long_side >= 1.1) & (long_side < 2.3) & (boxes["small_width"] < 1.0))
    return np.asarray(np.maximum.reduce([car, big, person, rider, np.full(len(boxes), 0.05)]))


def classify(boxes: FittedBoxes) -> tuple[F64, F64]:
    """Class probabilities (M, 11), rows sum to one, and scores (M,) in 0..1."""
    car, big = vehicle_probability(boxes)
    top = boxes["top"]
    evidence = np.full((len(boxes), NUM_LABELS), _NONE)
    evidence[:, LABEL_INDEX["car"]] += _odds(car)
    shares = {}
    for name, (length, height, weight) in _LARGE.items():
        shares[name] = weight * np.exp(-_outside(boxes["length"], length, 1.0) - _outside(top, height, 0.4))
    total = sum(shares.values(), np.zeros(len(boxes))) + _NONE
    for name, share in shares.items():
        evidence[:, LABEL_INDEX[name]] += _odds(big) * share / total
    dense = 1 - np.exp(-boxes["points"] / 15.0)
    for name, (length, width, height, weight) in _SMALL.items():
        misfit = _outside(boxes["small_length"], length, 0.35) + _outside(boxes["small_width"], width, 0.25)
        misfit = misfit + _outside(top, height, 0.25)
        evidence[:, LABEL_INDEX[name]] += weight * dense * np.exp(-misfit)
    score = 1 - 1 / (1 + evidence[:, :UNKNOWN].sum(axis=1))
    evidence[:, UNKNOWN] = _UNKNOWN_WEIGHT
    return evidence / evidence.sum(axis=1, keepdims=True), np.asarray(score)


def _odds(p: F64) -> F64:
    return np.asarray(p / np.maximum(1 - p, 1e-3))


def _sigmoid(z: F64) -> F64:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -30, 30))))


def _outside(value: F64, limits: tuple[float, float], slack: float) -> F64:
    """0 within the limits, else half the squared distance from them in units of `slack`."""
    outside = np.maximum(limits[0] - value, 0) + np.maximum(value - limits[1], 0)
    return np.asarray(0.5 * (outside / slack) ** 2)
