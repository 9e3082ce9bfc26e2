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

# The kind that each class belongs to, in the order of LABELS; "" has none.
PARENTS: Final[tuple[str, ...]] = (
    *(["vehicle"] * 5),
    *(["two_wheeler"] * 2),
    "person",
    "object",
    "object",
    "",
)

VEHICLES: Final = frozenset(
    LABEL_INDEX[n] for n in ("car", "truck", "bus", "trailer", "construction_vehicle")
)
TWO_WHEELERS: Final = frozenset(LABEL_INDEX[n] for n in ("motorcycle", "bicycle"))
PEDESTRIAN: Final = LABEL_INDEX["pedestrian"]
CAR: Final = LABEL_INDEX["car"]

# Typical length, width, height (m) and their spread between objects of a class.
# Source of the means: the nuScenes anchor sizes published with OpenPCDet and mmdetection3d; the spreads are ours.
SIZE_MEAN_LWH_M: Final[tuple[tuple[float, float, float], ...]] = (
    (4.63, 1.97, 1.74),
    (6.93, 2.51, 2.84),
    (10.5, 2.94, 3.47),
    (12.29, 2.90, 3.87),
    (6.37, 2.85, 3.19),
    (2.11, 0.77, 1.47),
    (1.70, 0.60, 1.28),
    (0.73, 0.67, 1.77),
    (0.41, 0.41, 1.07),
    (0.50, 2.53, 0.98),
    (1.50, 1.00, 1.50),
)
SIZE_STD_LWH_M: Final[tuple[tuple[float, float, float], ...]] = (
    (0.45, 0.15, 0.20),
    (2.0, 0.25, 0.5),
    (2.0, 0.2, 0.3),
    (3.0, 0.3, 0.5),
    (1.5, 0.5, 0.6),
    (0.3, 0.15, 0.2),
    (0.25, 0.15, 0.2),
    (0.2, 0.15, 0.15),
    (0.1, 0.1, 0.2),
    (0.2, 0.6, 0.2),
    (1.5, 1.0, 1.0),
)
