"""Object classes: the ten nuScenes detection classes, and `unknown` for what is there but has no class."""

from __future__ import annotations

from typing import Final

TAXONOMY: Final = "nuscenes_detection_2019+unknown"

LABELS: Final[tuple[str, ...]] = (
    "car",
    "truck",
    "bus",
    "trailer",
    "construction_vehicle",
    "motorcycle",
    "bicycle",
    "pedestrian",
    "traffic_cone",
    "barrier",
    "unknown",
)
NUM_LABELS: Final = len(LABELS)
LABEL_INDEX: Final[dict[str, int]] = {name: index for index, name in enumerate(LABELS)}
UNKNOWN: Final = LABEL_INDEX["unknown"]

VEHICLES: Final = frozenset(
    LABEL_INDEX[n] for n in ("car", "truck", "bus", "trailer", "construction_vehicle")
)
TWO_WHEELERS: Final = frozenset(LABEL_INDEX[n] for n in ("motorcycle", "bicycle"))
PEDESTRIAN: Final = LABEL_INDEX["pedestrian"]
CAR: Final = LABEL_INDEX["car"]
