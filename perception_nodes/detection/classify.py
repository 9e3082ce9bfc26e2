"""Class guess of a box from its size and shape, with probabilities that say how little that is.

Each kind has the log-odds of a logistic regression over measurable reasons (`features.py`), the sign of every weight
fixed by physics, so that nothing counts for a car that cannot. docs/lidar_geometric.md says what it was fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS, UNKNOWN

from .boxes import FittedBoxes
from .features import person_features, rider_features, vehicle_features

F64 = npt.NDArray[np.float64]

_VEHICLE = {
    "bias": 0.5, "dense": 0.85, "range": 0.1, "free": -1.6, "attached": -13.5,
    "flat": -1.7, "high": -2.5, "floating": -1.3, "short": -2.0, "narrow": -4.5, "thin": -1.4,
    "long": -1.6, "tall": -7.7, "upper": -2.0, "sparse": -1.6, "scatter": -9.3, "continued": -0.2,
}  # fmt: skip
# A large vehicle is tall and long, has some depth, is no building, and is rarer.
_LARGE = {
    **_VEHICLE,
    "bias": _VEHICLE["bias"] - 2.0,
    "high": 0.0,
    "long": 0.0,
    "tall": 0.0,
    "continued": -6.0,
}
_LARGE_TOP_M, _LARGE_TALL_SHARE, _BUILDING_TOP_M, _SLAB_M, _SLAB = 2.3, 0.3, 4.3, 1.2, -4.0
# The rear or the front of a lorry seen alone is a slab too: as wide as a lorry, clear of everything around, and with
# room for the lorry behind it that no beam has crossed. Without it a lorry straight ahead is not there.
_FACE_WIDTH_M, _FACE_TOP_M, _FACE_DEPTH_M, _FACE = (2.0, 2.65), (2.4, 4.2), 1.8, 1.5
_PERSON = {
    "bias": 0.1, "dense": 0.27, "range": -3.6, "attached": -10.5, "low": -3.7, "high": -4.0, "floating": -2.2,
    "long": -2.1, "wide": -0.8, "slender": -0.5, "thin": -3.3, "sparse": 0.0,
}  # fmt: skip
_RIDER = {
    "bias": -2.2, "dense": 0.13, "range": -1.4, "attached": -12.0, "low": -8.8, "high": -1.9, "floating": -2.0,
    "short": -1.0, "long": -2.3, "wide": -0.5, "thin": -3.7, "sparse": -3.0,
}  # fmt: skip
_PERSON_MAX_M, _RIDER_MIN_M, _RIDER_MAX_M = 1.5, 0.9, 3.0

# Large vehicles: length (low, high), top over ground (m), weight among them.
_LARGE_KINDS: dict[str, tuple[tuple[float, float], tuple[float, float], float]] = {
    "truck": ((4.5, 9.0), (2.0, 3.8), 1.0),
    "bus": ((8.5, 13.5), (2.7, 3.8), 0.5),
    "trailer": ((7.0, 15.0), (3.0, 4.2), 0.2),
    "construction_vehicle": ((4.0, 8.0), (2.2, 3.6), 0.2),
}
# Things about which a cloud says little: length, width, top over ground (m), odds at best.
_STREET: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float], float]] = {
    "traffic_cone": ((0.1, 0.5), (0.1, 0.5), (0.5, 1.1), 0.15),
    "barrier": ((1.0, 3.5), (0.2, 0.8), (0.7, 1.2), 0.1),
}
# Odds of the named classes together above which the best of them is the label.
_UNKNOWN_ODDS = 0.2
# Score of what is there but has no class, at best.
_UNKNOWN_SCORE = 0.15
_NONE = 1e-6


def kind_probabilities(boxes: FittedBoxes) -> dict[str, F64]:
    """(M,) probability of each node being one whole car, large vehicle, person, rider; each on its own."""
    vehicle = vehicle_features(boxes)
    fitted = boxes["vehicle"] > 0
    large = (
        (boxes["top"] > _LARGE_TOP_M) & (boxes["tall"] > _LARGE_TALL_SHARE) & (boxes["top"] < _BUILDING_TOP_M)
    )
    face = _lorry_face(boxes)
    slab = (1.0 - face) * _SLAB * np.maximum(_SLAB_M - boxes["small_width"], 0.0) + face * _FACE
    length = boxes["small_length"]
    return {
        "car": _probability(_VEHICLE, vehicle, fitted),
        "large": _probability(_LARGE, vehicle, fitted & large, slab),
        "person": _probability(_PERSON, person_features(boxes), length < _PERSON_MAX_M),
        "rider": _probability(
            _RIDER, rider_features(boxes), (length > _RIDER_MIN_M) & (length < _RIDER_MAX_M)
        ),
    }


def quality(boxes: FittedBoxes) -> F64:
    """(M,) plausibility 0..1 of each node as one whole object of some kind."""
    return np.asarray(np.maximum(np.maximum.reduce(list(kind_probabilities(boxes).values())), 0.05))


def classify(boxes: FittedBoxes) -> tuple[F64, F64]:
    """Class probabilities (M, 11), rows sum to one, and scores (M,) in 0..1."""
    kinds = kind_probabilities(boxes)
    evidence = np.full((len(boxes), NUM_LABELS), _NONE)
    evidence[:, LABEL_INDEX["car"]] += _odds(kinds["car"])
    _share_out(evidence, kinds["large"], _large_shares(boxes))
    _share_out(evidence, kinds["rider"], _rider_shares(boxes))
    evidence[:, LABEL_INDEX["pedestrian"]] += _odds(kinds["person"])
    dense = 1 - np.exp(-boxes["points"] / 15.0)
    for name, (length, width, height, weight) in _STREET.items():
        misfit = _outside(boxes["small_length"], length, 0.35) + _outside(boxes["small_width"], width, 0.25)
        misfit = misfit + _outside(boxes["top"], height, 0.25)
        evidence[:, LABEL_INDEX[name]] += weight * dense * np.exp(-misfit)
    named = evidence[:, :UNKNOWN].sum(axis=1)
    evidence[:, UNKNOWN] = _UNKNOWN_ODDS
    score = np.where(named < _UNKNOWN_ODDS, _UNKNOWN_SCORE * dense, named / (1 + named))
    return evidence / evidence.sum(axis=1, keepdims=True), np.asarray(score)


def _probability(
    weights: Mapping[str, float],
    columns: Mapping[str, F64],
    possible: npt.NDArray[np.bool_],
    extra: F64 | float = 0.0,
) -> F64:
    """Logistic of the weighted columns where `possible`, else 0."""
    z = weights["bias"] + sum(
        (weights[name] * column for name, column in columns.items()), np.zeros(len(possible))
    )
    return np.where(possible, 1 / (1 + np.exp(-np.clip(z + extra, -30, 30))), 0.0)


def _lorry_face(boxes: FittedBoxes) -> F64:
    """(M,) 0..1: how much a slab looks like the rear or front of a lorry."""
    misfit = _outside(boxes["small_length"], _FACE_WIDTH_M, 0.12) + _outside(boxes["top"], _FACE_TOP_M, 0.2)
    misfit = misfit + (np.maximum(boxes["small_width"] - _FACE_DEPTH_M, 0.0) / 0.3) ** 2
    # Its own deck or bumper may stand before it.
    alone = np.clip(1.3 - 4.0 * np.maximum(boxes["attached"], boxes["small_attached"]), 0.0, 1.0)
    return np.asarray(alone * np.clip(1.0 - 4.0 * boxes["free"], 0.0, 1.0) * np.exp(-misfit))


def _share_out(evidence: F64, probability: F64, shares: Mapping[str, F64]) -> None:
    total = sum(shares.values(), np.zeros(len(probability))) + _NONE
    for name, share in shares.items():
        evidence[:, LABEL_INDEX[name]] += _odds(probability) * share / total


def _large_shares(boxes: FittedBoxes) -> dict[str, F64]:
    return {
        name: weight * np.exp(-_outside(boxes["length"], length, 1.0) - _outside(boxes["top"], height, 0.4))
        for name, (length, height, weight) in _LARGE_KINDS.items()
    }


def _rider_shares(boxes: FittedBoxes) -> dict[str, F64]:
    """A bicycle with its rider is taller and narrower than a parked motorcycle."""
    tall = 1 / (1 + np.exp(-(boxes["top"] - 1.45) / 0.1))
    return {"bicycle": 0.1 + 0.8 * tall, "motorcycle": 0.9 - 0.8 * tall}


def _odds(p: F64) -> F64:
    return np.asarray(p / np.maximum(1 - p, 1e-3))


def _outside(value: F64, limits: tuple[float, float], slack: float) -> F64:
    """0 within the limits, else half the squared distance from them in units of `slack`."""
    outside = np.maximum(limits[0] - value, 0) + np.maximum(value - limits[1], 0)
    return np.asarray(0.5 * (outside / slack) ** 2)
