"""Map elements: polylines with a type, a per-point standard deviation and a life."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .checks import check_shape, check_stamp, freeze
from .enums import ElementChange, ElementSource, ElementType

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MapElement:
    """One lane divider, boundary, crossing, sign, ... in the frame of its collection.

    points_m (N, 3); lateral_std_m (N,) standard deviation across the line; confidence (N,) 0..1;
    type_probabilities (8,) over `ElementType`; subtype e.g. "solid", "dashed", "curb"; value e.g. "50 km/h".
    """

    id: int
    type: ElementType
    points_m: F64
    lateral_std_m: F64
    confidence: F64
    type_probabilities: F64
    existence_probability: float = float("nan")
    closed: bool = False
    subtype: str = ""
    value: str = ""
    predecessors: tuple[int, ...] = ()
    successors: tuple[int, ...] = ()
    left: int = 0
    right: int = 0
    source: ElementSource = ElementSource.ONLINE
    prior_id: str = ""
    change: ElementChange = ElementChange.NOT_EVALUATED
    change_probability: float = float("nan")
    age_s: float = float("nan")
    time_since_update_s: float = float("nan")

    def __post_init__(self) -> None:
        n = len(self.points_m)
        check_shape("MapElement", "points_m", self.points_m, None, 3)
        check_shape("MapElement", "lateral_std_m", self.lateral_std_m, n)
        check_shape("MapElement", "confidence", self.confidence, n)
        check_shape("MapElement", "type_probabilities", self.type_probabilities, len(ElementType))
        freeze(self, "points_m", "lateral_std_m", "confidence", "type_probabilities")


@dataclass(frozen=True, eq=False)
class MapElements:
    """All elements known at `stamp_ns` in `frame_id` (odom), valid inside the rectangle around the ego.

    rectangle_m: (4, 2) corners in `frame_id`, counter-clockwise, or None when nothing has been seen yet.
    """

    stamp_ns: int
    frame_id: str
    elements: tuple[MapElement, ...] = ()
    rectangle_m: F64 | None = None
    prior_map_id: str = ""

    def __post_init__(self) -> None:
        check_stamp("MapElements", self.stamp_ns)
        if self.rectangle_m is not None:
            check_shape("MapElements", "rectangle_m", self.rectangle_m, 4, 2)
            freeze(self, "rectangle_m")

    def __len__(self) -> int:
        return len(self.elements)


def one_hot_type(kind: ElementType) -> F64:
    """(8,) probabilities that say `kind` with certainty."""
    out = np.zeros(len(ElementType))
    out[kind] = 1.0
    return out
