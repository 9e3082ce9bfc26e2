"""Class guess of a box from its size and shape, with probabilities that say how little that is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS, UNKNOWN

from .boxes import FittedBoxes

F64 = npt.NDArray[np.float64]

# name: seen length (low, high), seen width, top over ground (m); weight against `unknown`.
_SHAPES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float], float]] = {
    "car": ((3.2, 5.4), (1.2, 2.2), (1.25, 2.0), 6.0),
    "truck": ((4.5, 9.0), (1.6, 2.9), (2.2, 3.8), 1.5),
    "bus": ((8.5, 13.5), (2.0, 3.2), (2.7, 3.8), 1.0),
    "trailer": ((7.0, 15.0), (2.0, 3.2), (3.0, 4.2), 0.3),
    "construction_vehicle": ((4.0, 8.0), (2.0, 3.2), (2.4, 3.6), 0.2),
    "motorcycle": ((1.6, 2.4), (0.4, 1.0), (1.1, 1.7), 0.5),
    "bicycle": ((1.4, 2.0), (0.3, 0.8), (1.1, 1.9), 0.7),
    "pedestrian": ((0.3, 1.0), (0.2, 0.9), (1.4, 2.0), 1.5),
    "traffic_cone": ((0.1, 0.5), (0.1, 0.5), (0.5, 1.1), 0.3),
    "barrier": ((1.0, 3.5), (0.2, 0.8), (0.7, 1.2), 0.3),
}


def classify(boxes: FittedBoxes) -> tuple[F64, F64]:
    """Class probabilities (M, 11), rows sum to one, and scores (M,) in 0..1."""
    length, width = boxes["seen_length"].copy(), boxes["seen_width"].copy()
    flip = width > length
    seen_long, seen_short = np.where(flip, width, length), np.where(flip, length, width)
    top = boxes["top"]
    evidence = np.zeros((len(boxes), NUM_LABELS))
    for name, (long_range, short_range, top_range, weight) in _SHAPES.items():
        vehicle = long_range[1] > 2.5
        a, b = (boxes["length"], boxes["width"]) if vehicle else (seen_long, seen_short)
        fit = _inside(a, long_range, 0.35) + _inside(b, short_range, 0.25) + _inside(top, top_range, 0.25)
        evidence[:, LABEL_INDEX[name]] = weight * np.exp(-fit)
    evidence[:, UNKNOWN] = 0.6
    probabilities = evidence / evidence.sum(axis=1, keepdims=True)
    seen = 1 - np.exp(-boxes["points"] / 15.0)
    tight = np.clip(-boxes["cost"] + 0.35, 0.2, 1.0)
    score = np.clip((1 - probabilities[:, UNKNOWN]) * seen * tight, 0.0, 1.0)
    return probabilities, score


def _inside(value: F64, limits: tuple[float, float], slack: float) -> F64:
    """0 within the limits, else half the squared distance from them in units of `slack`."""
    outside = np.maximum(limits[0] - value, 0) + np.maximum(value - limits[1], 0)
    return np.asarray(0.5 * (outside / slack) ** 2)
