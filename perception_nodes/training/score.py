"""Average precision of a detector on stored frames, with the metrics of `evaluation`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABEL_INDEX
from perception_nodes.detection.learned_decode import DecodedBoxes
from perception_nodes.evaluation import BoxFrame
from perception_nodes.evaluation.detection import NuscenesDetectionConfig, nuscenes_detection

from .store import Frames, StoredFrame

Detect = Callable[[StoredFrame], DecodedBoxes]
RANGE_M: Final = 50.0
MIN_POINTS: Final = 5
CLASSES: Final = ("car", "pedestrian", "bicycle", "motorcycle", "truck", "bus")


@dataclass(frozen=True)
class ClassScore:
    """One class: mean AP over 0.5, 1, 2, 4 m, AP at each, how many true objects there were."""

    name: str
    ap: float
    at_m: dict[float, float]
    objects: int
    errors: dict[str, float]


def score_frames(
    truth: Sequence[BoxFrame], found: Sequence[BoxFrame], range_m: float = RANGE_M
) -> dict[str, ClassScore]:
    """Scores by class within `range_m`; truth with fewer than `MIN_POINTS` points is left out."""
    config = NuscenesDetectionConfig(class_range_m=dict.fromkeys(CLASSES, range_m))
    asked = [f.select(f.num_points >= MIN_POINTS) for f in truth]
    result = nuscenes_detection(asked, found, config)
    return {
        name: ClassScore(name, one.mean_ap, dict(one.ap), one.num_truth, dict(one.errors))
        for name, one in result.classes.items()
        if one.num_truth
    }


def score_store(store: Frames, detect: Detect, frames: Iterable[int] | None = None) -> dict[str, ClassScore]:
    """Scores of a detector on stored frames (all, or those named)."""
    return score_frames(*detect_all(store, detect, frames))


def detect_all(
    store: Frames, detect: Detect, frames: Iterable[int] | None = None
) -> tuple[list[BoxFrame], list[BoxFrame]]:
    """True boxes and what a detector finds in stored frames (all, or those named)."""
    truth, found = [], []
    for index in range(len(store)) if frames is None else frames:
        frame = store[index]
        truth.append(truth_frame(frame, index))
        found.append(found_frame(detect(frame), index))
    return truth, found


def truth_frame(frame: StoredFrame, stamp_ns: int) -> BoxFrame:
    """The true boxes of a stored frame, as the metrics take them."""
    b = frame.boxes
    return BoxFrame(
        stamp_ns, np.arange(len(b)), b["label"].astype(np.int64), np.full(len(b), np.nan), _f64(b["center_m"]),
        _f64(b["lwh_m"]), _f64(b["yaw_rad"]), _f64(b["velocity_mps"]), b["num_points"].astype(np.int64), np.zeros(2),
    )  # fmt: skip


def found_frame(found: DecodedBoxes, stamp_ns: int) -> BoxFrame:
    """Decoded boxes, as the metrics take them."""
    n = len(found)
    return BoxFrame(
        stamp_ns, np.arange(n), found.label.astype(np.int64), found.score, found.center_m, found.lwh_m,
        found.yaw_rad, found.velocity_mps, np.full(n, -1), np.zeros(2),
    )  # fmt: skip


def as_cars(frame: BoxFrame, names: Sequence[str]) -> BoxFrame:
    """The frame with the named classes counted as cars."""
    label = frame.label.copy()
    label[np.isin(label, [LABEL_INDEX[n] for n in names])] = LABEL_INDEX["car"]
    return replace(frame, label=label)


def _f64(values: Any) -> npt.NDArray[np.float64]:
    return np.asarray(values, np.float64)
