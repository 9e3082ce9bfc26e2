"""Class guess of a box from its size and shape, with probabilities that say how little that is.

Each kind has the log-odds of a logistic regression over measurable reasons (`features.py`), the sign of every weight
fixed by physics, so that nothing counts for a car that cannot. docs/lidar_geometric.md says what it was fitted on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS

from .boxes import FittedBoxes
from .features import (
    large_features,
    outside,
    person_features,
    rider_features,
    thing_features,
    vehicle_features,
)

F64 = npt.NDArray[np.float64]

# python -m perception_nodes.training.fit_geometric prints these.
_CAR = {
    "bias": 1.83, "dense": 0.52, "free": -2.75, "attached": -4.25, "flat": -1.7, "high": -6.93, "floating": -0.12,
    "short": -2.0, "narrow": -3.57, "thin": -2.4, "long": -2.23, "tall": -2.89, "upper": -2.67, "sparse": -0.4,
    "scatter": -7.16, "continued": -0.93, "foreign": -2.69, "misfit": -0.12,
}  # fmt: skip
# Which of the small things that stand there is a person, which a rider; and whether one stands there.
_PERSON = {
    "bias": 1.36, "dense": 0.29, "range": -0.29, "low": -5.41, "boxy": -0.59, "long": -5.64, "slender": -1.29,
    "thin": -0.88,
}  # fmt: skip
_RIDER = {
    "bias": -0.14, "dense": 0.55, "range": -1.14, "low": -3.4, "boxy": -6.08, "floating": -0.68, "short": -1.42,
    "wide": -9.04, "thin": -2.19,
}  # fmt: skip
_THING = {
    "bias": -3.53, "dense": 1.1, "attached": -9.98, "high": -1.71, "floating": -0.11, "long": -3.76, "wide": -4.28,
}  # fmt: skip
# A large vehicle is tall and long, has some depth, is no building, and is rarer. Rounded by hand: streets have few
# lorries, and a fit to their share misses most of them.
_LARGE = {
    "bias": -1.5, "dense": 0.85, "range": 0.1, "free": -1.6, "attached": -13.5, "flat": -1.7, "floating": -1.3,
    "short": -2.0, "narrow": -4.5, "thin": -1.4, "upper": -2.0, "sparse": -1.6, "scatter": -9.3, "continued": -6.0,
    "slab": -4.0, "face": 1.5,
}  # fmt: skip
_LARGE_TOP_M, _LARGE_TALL_SHARE = (2.3, 4.3), 0.3
_PERSON_MAX_M, _RIDER_M, _THING_MAX_M, _THING_TOP_M = 1.5, (0.5, 3.0), (4.5, 1.5), 2.1


@dataclass(frozen=True)
class Kind:
    """What may be told of a node: weights of the columns, the columns, and where it is possible at all."""

    weights: Mapping[str, float]
    columns: Callable[[FittedBoxes], dict[str, F64]]
    possible: Callable[[FittedBoxes], npt.NDArray[np.bool_]]

    def probability(self, boxes: FittedBoxes) -> F64:
        """(M,) logistic of the weighted columns where it is possible, else 0."""
        out = np.zeros(len(boxes))
        rows = np.flatnonzero(self.possible(boxes))
        z = np.full(len(rows), self.weights["bias"])
        for name, column in self.columns(boxes.pick(rows)).items():
            if name in self.weights:
                z += self.weights[name] * column
        out[rows] = 1 / (1 + np.exp(-np.clip(z, -30, 30)))
        return out


def _large_possible(boxes: FittedBoxes) -> npt.NDArray[np.bool_]:
    top = (boxes["top"] > _LARGE_TOP_M[0]) & (boxes["top"] < _LARGE_TOP_M[1])
    return np.asarray((boxes["vehicle"] > 0) & top & (boxes["tall"] > _LARGE_TALL_SHARE))


def _rider_possible(boxes: FittedBoxes) -> npt.NDArray[np.bool_]:
    return np.asarray((boxes["small_length"] > _RIDER_M[0]) & (boxes["small_length"] < _RIDER_M[1]))


def _thing_possible(boxes: FittedBoxes) -> npt.NDArray[np.bool_]:
    small = (boxes["small_length"] < _THING_MAX_M[0]) & (boxes["small_width"] < _THING_MAX_M[1])
    return np.asarray(small & (boxes["top"] < _THING_TOP_M))


KINDS: Final[Mapping[str, Kind]] = {
    "car": Kind(_CAR, vehicle_features, lambda boxes: np.asarray(boxes["vehicle"] > 0)),
    "large": Kind(_LARGE, large_features, _large_possible),
    "person": Kind(_PERSON, person_features, lambda boxes: np.asarray(boxes["small_length"] < _PERSON_MAX_M)),
    "rider": Kind(_RIDER, rider_features, _rider_possible),
    "thing": Kind(_THING, thing_features, _thing_possible),
}

# Large vehicles: length (low, high), top over ground (m), weight among them.
_LARGE_KINDS: dict[str, tuple[tuple[float, float], tuple[float, float], float]] = {
    "truck": ((4.5, 9.0), (2.0, 3.8), 1.0),
    "bus": ((8.5, 13.5), (2.7, 3.8), 0.5),
    "trailer": ((7.0, 15.0), (3.0, 4.2), 0.2),
    "construction_vehicle": ((4.0, 8.0), (2.2, 3.6), 0.2),
}
# Things about which a cloud says little: length, width, top over ground (m), weight beside `unknown`.
_STREET: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float], float]] = {
    "traffic_cone": ((0.1, 0.5), (0.1, 0.5), (0.5, 1.1), 0.15),
    "barrier": ((1.0, 3.5), (0.2, 0.8), (0.7, 1.2), 0.1),
}
# A bare plate of these sides is far rather the front or rear of a car, of which no more is seen, than a board.
_FACE_M, _FACE_DEPTH_M, _FACE_TOP_M, _FACE_WEIGHT = (1.5, 2.1), (0.0, 0.3), (1.2, 1.9), 9.0
# A node that may be a thing and whose parts or whole may be something else is rather that.
_THING_QUALITY = 0.5
_NONE = 1e-6


def kind_columns(kind: str, boxes: FittedBoxes) -> dict[str, F64]:
    """What the weights of a kind are fitted on: its columns, and `possible` (0 or 1)."""
    one = KINDS[kind]
    return {**one.columns(boxes), "possible": one.possible(boxes).astype(np.float64)}


def kind_probabilities(boxes: FittedBoxes) -> dict[str, F64]:
    """(M,) probability of each node being one whole car, large vehicle, person, rider, thing; each on its own."""
    return {name: kind.probability(boxes) for name, kind in KINDS.items()}


def quality(boxes: FittedBoxes) -> F64:
    """(M,) plausibility 0..1 of each node as one whole object of some kind."""
    kinds = kind_probabilities(boxes)
    named = 1 - (1 - kinds["person"]) * (1 - kinds["rider"])
    thing = kinds["thing"] * (_THING_QUALITY + (1 - _THING_QUALITY) * named)
    return np.asarray(np.maximum.reduce([kinds["car"], kinds["large"], thing, np.full(len(boxes), 0.05)]))


def classify(boxes: FittedBoxes) -> tuple[F64, F64]:
    """Class probabilities (M, 11), rows sum to one, and scores (M,) in 0..1."""
    kinds = kind_probabilities(boxes)
    evidence = np.full((len(boxes), NUM_LABELS), _NONE)
    evidence[:, LABEL_INDEX["car"]] += _odds(kinds["car"])
    _share_out(evidence, kinds["large"], _large_shares(boxes))
    # Small things: that one stands there, and which.
    person, rider = kinds["person"], kinds["rider"]
    shares = {
        **{name: rider * (1 - person) * share for name, share in _rider_shares(boxes).items()},
        **{name: (1 - rider) * (1 - person) * share for name, share in _thing_shares(boxes).items()},
        "pedestrian": person,
    }
    _share_out(evidence, kinds["thing"], shares)
    total = evidence.sum(axis=1)
    return evidence / total[:, None], np.asarray(total / (1 + total))


def _share_out(evidence: F64, probability: F64, shares: Mapping[str, F64]) -> None:
    total = sum(shares.values(), np.zeros(len(probability))) + _NONE
    for name, share in shares.items():
        evidence[:, LABEL_INDEX[name]] += _odds(probability) * share / total


def _large_shares(boxes: FittedBoxes) -> dict[str, F64]:
    return {
        name: weight * np.exp(-outside(boxes["length"], length, 1.0) - outside(boxes["top"], height, 0.4))
        for name, (length, height, weight) in _LARGE_KINDS.items()
    }


def _rider_shares(boxes: FittedBoxes) -> dict[str, F64]:
    """A bicycle with its rider is taller and narrower than a parked motorcycle."""
    tall = 1 / (1 + np.exp(-(boxes["top"] - 1.45) / 0.1))
    return {"bicycle": 0.1 + 0.8 * tall, "motorcycle": 0.9 - 0.8 * tall}


def _thing_shares(boxes: FittedBoxes) -> dict[str, F64]:
    """Of what a cloud says little: a thing of the size of a cone, a barrier or the face of a car may be one."""
    shares = {"unknown": np.ones(len(boxes))}
    for name, (length, width, height, weight) in _STREET.items():
        misfit = outside(boxes["small_length"], length, 0.35) + outside(boxes["small_width"], width, 0.25)
        shares[name] = weight * np.exp(-misfit - outside(boxes["top"], height, 0.25))
    misfit = outside(boxes["small_length"], _FACE_M, 0.2) + outside(boxes["small_width"], _FACE_DEPTH_M, 0.1)
    face = (boxes["vehicle"] > 0) * np.exp(-misfit - outside(boxes["top"], _FACE_TOP_M, 0.15))
    shares["car"] = np.asarray(_FACE_WEIGHT * face)
    total = sum(shares.values(), np.zeros(len(boxes)))
    return {name: share / total for name, share in shares.items()}


def _odds(p: F64) -> F64:
    return np.asarray(p / np.maximum(1 - p, 1e-3))
