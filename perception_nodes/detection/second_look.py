"""A second look at the boxes of the network: laid against the points, and weighed by what beams and points say of them.

On sweeps unlike those of its training a network is surer than right. What makes a car a car in a point cloud - sides
where beams end, nothing behind them, nothing that goes on above - is the same everywhere, so it is asked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABEL_INDEX, VEHICLES, ModelError
from perception_nodes.geometry import wrap_angle

from .alignment import align
from .beams import EVIDENCE, Beams, evidence
from .learned_decode import DecodedBoxes

F64 = npt.NDArray[np.float64]
# Columns that count for a box, and those that may count either way; all others count against it.
FOR: Final = ("hit",)
EITHER: Final = ("hidden", "range")
# Log odds beyond which a score says no more.
_MOST_ODDS: Final = 30.0
_COMMON: Final = (
    "range", "hit", "free", "hidden", "through", "scatter", "sparse", "upper", "floating", "below_top", "over_top",
    "short", "narrow", "tall",
)  # fmt: skip
# Columns by class. A tree may stand over a car.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "car": _COMMON, "pedestrian": (*_COMMON, "above", "low", "wide", "slender"),
}  # fmt: skip


def reasons(boxes: F64, seen: F64) -> dict[str, F64]:
    """(N,) columns by name of boxes (N, 7) and their evidence (N, E); 0 where nothing is remarkable."""
    e = dict(zip(EVIDENCE, seen.T, strict=True))
    length, width, height = boxes[:, 3:6].T
    top = boxes[:, 2] + height / 2
    one, stopped = np.maximum(e["points"], 1.0), np.maximum(e["stopped"], 1.0)
    sectors = np.maximum(e["hit"] + e["free"] + e["hidden"], 1.0)
    any_point = e["points"] > 0
    reach_u, reach_v = np.maximum(e["rear"] - e["front"], 0.0), np.maximum(e["right"] - e["left"], 0.0)
    points = np.log(np.maximum(e["points"], 0.5)) + 2.0 * np.log(np.maximum(e["range"], 8.0))
    spread = np.sqrt(np.maximum(e["depth2"] / stopped - (e["depth"] / stopped) ** 2, 0.0))
    return {
        "range": e["range"] / 50.0,
        "hit": e["hit"] / sectors,
        "free": e["free"] / sectors,
        "hidden": e["hidden"] / sectors,
        "through": e["passed"] / np.maximum(e["passed"] + e["stopped"], 1.0),
        "scatter": _over(spread, 0.1),
        # Points fall with the square of the distance: fewer than any lidar gives on a solid surface.
        "sparse": _over(7.5, points - np.log(np.maximum(length + width, 0.5))),
        "upper": _over(e["upper"] / one, 0.3),
        "floating": _over(np.minimum(e["bottom"], 2.0), 0.4),
        "below_top": any_point * _over(top - 0.25, e["top"]),
        "over_top": any_point * _over(e["most"], top),
        "short": _over(0.6, reach_u / length),
        "narrow": _over(0.6, reach_v / width),
        "tall": _over(height, 1.9),
        "above": np.minimum(e["above"] / one, 3.0),
        "low": any_point * _over(1.3, e["most"]),
        "wide": _over(reach_u, 1.0),
        "slender": (e["points"] > 4) * _over(0.3, np.maximum(reach_u, reach_v)),
    }


@dataclass(frozen=True, eq=False)
class SecondLook:
    """weights: by class the bias and the weight of each of its columns, in log odds; other classes stay as they are."""

    weights: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, about: Mapping[str, Any], model: object) -> SecondLook | None:
        """Of a model's metadata; None where it has none.

        Raises ModelError, naming `model`, for classes or columns not known.
        """
        kept = about.get("second_look")
        if kept is None:
            return None
        try:
            weights = {str(k): {str(n): float(w) for n, w in v.items()} for k, v in kept["weights"].items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{model}: second look: wanted weights by class and column: {error!r}"
            ) from error
        for name, columns in weights.items():
            if name not in COLUMNS or set(columns) != {"bias", *COLUMNS[name]}:
                raise ModelError(
                    f"{model}: second look: {name!r} with columns {sorted(columns)}: made for another version:"
                    f" wanted {list(COLUMNS)}, fitted anew by perception train second-look"
                )
        return cls(weights)

    def __call__(self, found: DecodedBoxes, beams: Beams) -> DecodedBoxes:
        """The boxes laid against the points, with new scores, by falling score."""
        boxes = laid(found, beams)
        odds = log_odds(found.score)
        for name, weights in self.weights.items():
            rows = np.flatnonzero(found.label == LABEL_INDEX[name])
            columns = reasons(boxes[rows], evidence(beams, boxes[rows]))
            odds[rows] += weights["bias"] + sum(weights[n] * columns[n] for n in COLUMNS[name])
        score = 1.0 / (1.0 + np.exp(-np.clip(odds, -_MOST_ODDS, _MOST_ODDS)))
        new = replace(
            found,
            center_m=boxes[:, :3],
            yaw_rad=np.asarray(wrap_angle(boxes[:, 6])),
            score=np.asarray(score),
        )
        order = np.argsort(-new.score, kind="stable")
        return DecodedBoxes(**{name: value[order] for name, value in vars(new).items()})


def look(found: DecodedBoxes, beams: Beams) -> tuple[F64, dict[str, F64]]:
    """The boxes (N, 7) laid against the points, and the columns of `reasons`."""
    boxes = laid(found, beams)
    return boxes, reasons(boxes, evidence(beams, boxes))


def laid(found: DecodedBoxes, beams: Beams) -> F64:
    """The boxes (N, 7), those of vehicles laid against the points."""
    boxes = as_rows(found)
    vehicles = np.isin(found.label, list(VEHICLES))
    boxes[vehicles] = align(beams, boxes[vehicles])
    return boxes


def as_rows(found: DecodedBoxes) -> F64:
    """(N, 7) x, y, z over the ground, l, w, h, yaw."""
    return np.column_stack([found.center_m, found.lwh_m, found.yaw_rad])


def log_odds(score: F64) -> F64:
    """Of scores in 0..1, finite at both ends."""
    inside = np.clip(score, 1e-4, 1.0 - 1e-4)
    return np.asarray(np.log(inside / (1.0 - inside)))


def _over(value: Any, limit: Any) -> F64:
    return np.asarray(np.maximum(value - limit, 0.0))
