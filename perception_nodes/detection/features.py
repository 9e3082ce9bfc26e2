"""Measurable reasons for and against a fitted box being a vehicle or a person, as non-negative columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .boxes import FittedBoxes

F64 = npt.NDArray[np.float64]
# Nearer things reach below the lowest beam: how many points they give does not grow any more.
_NEAR_M = 8.0
# What has less depth may be a wall. The rear or the front of a lorry seen alone is a slab too: as wide as a lorry,
# clear of everything around, and with room for the lorry behind it that no beam has crossed. Without it a lorry
# straight ahead is not there.
_SLAB_M, _FACE_WIDTH_M, _FACE_TOP_M, _FACE_DEPTH_M = 1.2, (2.0, 2.65), (2.4, 4.2), 1.8


def vehicle_features(boxes: FittedBoxes) -> dict[str, F64]:
    """(M,) columns by name; each but `dense` speaks against a vehicle (and is 0 for a flawless one)."""
    seen_length, seen_width, top = boxes["seen_length"], boxes["seen_width"], boxes["top"]
    points = np.log(np.maximum(boxes["points"], 1.0))
    face = np.maximum(seen_length + seen_width, 0.3)
    return {
        "dense": points,
        "range": boxes["range"] / 50.0,
        "free": boxes["free"],
        "attached": boxes["attached"],
        "flat": _under(top, 1.3),
        "high": _over(top, 2.0),
        "floating": _over(boxes["bottom"], 0.5),
        "short": _under(seen_length, 3.3) / 3.3,
        "narrow": _under(seen_width, 1.4) / 1.4,
        "thin": _under(boxes["small_width"], 0.4) / 0.4,
        "long": _over(boxes["small_length"], 5.2),
        "tall": boxes["tall"],
        "scatter": boxes["scatter"],
        "continued": boxes["continued"],
        "foreign": boxes["foreign"],
        "misfit": boxes["size_misfit"],
        "upper": 1.0 - boxes["low_share"],
        # Points fall with the square of the distance: far fewer than any lidar gives on a solid surface.
        "sparse": _under(points + 2 * np.log(np.maximum(boxes["range"], _NEAR_M)) - np.log(face), 9.0),
    }


def large_features(boxes: FittedBoxes) -> dict[str, F64]:
    """(M,) columns of a lorry, bus or trailer: those of a vehicle, `slab` and, for it, `face`."""
    face = _lorry_face(boxes)
    slab = (1.0 - face) * np.maximum(_SLAB_M - boxes["small_width"], 0.0)
    return {**vehicle_features(boxes), "slab": np.asarray(slab), "face": face}


def person_features(boxes: FittedBoxes) -> dict[str, F64]:
    """(M,) columns by name from the tight box; each but `dense` speaks against a single upright person."""
    points = np.log(np.maximum(boxes["points"], 1.0))
    return {
        "dense": points,
        "range": boxes["range"] / 50.0,
        "attached": boxes["small_attached"],
        "low": _under(boxes["top"], 1.5),
        "tiny": _under(boxes["top"], 1.0),
        "high": _over(boxes["top"], 1.95),
        "boxy": _over(boxes["crown"], 0.5),
        "floating": _over(boxes["bottom"], 0.6),
        "long": _over(boxes["small_length"], 0.7),
        "wide": _over(boxes["small_width"], 0.6),
        "slender": _under(boxes["small_length"], 0.35) / 0.35,
        "thin": _under(boxes["small_width"], 0.25) / 0.25,
        "sparse": _under(points + 2 * np.log(np.maximum(boxes["range"], 4.0)), 9.0),
    }


def rider_features(boxes: FittedBoxes) -> dict[str, F64]:
    """(M,) columns by name from the tight box; each but `dense` speaks against a bicycle or motorcycle."""
    points = np.log(np.maximum(boxes["points"], 1.0))
    return {
        "dense": points,
        "range": boxes["range"] / 50.0,
        "attached": boxes["small_attached"],
        "low": _under(boxes["top"], 1.1),
        "high": _over(boxes["top"], 1.9),
        "boxy": _over(boxes["crown"], 0.4),
        "floating": _over(boxes["bottom"], 0.6),
        "short": _under(boxes["small_length"], 1.4),
        "long": _over(boxes["small_length"], 2.1),
        "wide": _over(boxes["small_width"], 0.7),
        "thin": _under(boxes["small_width"], 0.3) / 0.3,
        "sparse": _under(points + 2 * np.log(np.maximum(boxes["range"], 4.0)), 9.0),
    }


def thing_features(boxes: FittedBoxes) -> dict[str, F64]:
    """(M,) columns by name from the tight box; each but `dense` speaks against a small thing that stands alone."""
    points = np.log(np.maximum(boxes["points"], 1.0))
    return {
        "dense": points,
        "range": boxes["range"] / 50.0,
        "attached": boxes["small_attached"],
        "high": _over(boxes["top"], 1.3),
        "floating": _over(boxes["bottom"], 0.5),
        "long": _over(boxes["small_length"], 1.0),
        "wide": _over(boxes["small_width"], 0.8),
        "narrowing": _under(boxes["crown"], 0.5),
    }


def _lorry_face(boxes: FittedBoxes) -> F64:
    """(M,) 0..1: how much a slab looks like the rear or front of a lorry."""
    misfit = outside(boxes["small_length"], _FACE_WIDTH_M, 0.12) + outside(boxes["top"], _FACE_TOP_M, 0.2)
    misfit = misfit + (np.maximum(boxes["small_width"] - _FACE_DEPTH_M, 0.0) / 0.3) ** 2
    # Its own deck or bumper may stand before it.
    alone = np.clip(1.3 - 4.0 * np.maximum(boxes["attached"], boxes["small_attached"]), 0.0, 1.0)
    return np.asarray(alone * np.clip(1.0 - 4.0 * boxes["free"], 0.0, 1.0) * np.exp(-misfit))


def outside(value: F64, limits: tuple[float, float], slack: float) -> F64:
    """0 within the limits, else half the squared distance from them in units of `slack`."""
    outside = np.maximum(limits[0] - value, 0) + np.maximum(value - limits[1], 0)
    return np.asarray(0.5 * (outside / slack) ** 2)


def _over(value: F64, limit: float) -> F64:
    return np.asarray(np.maximum(value - limit, 0.0))


def _under(value: F64, limit: float) -> F64:
    return np.asarray(np.maximum(limit - value, 0.0))
