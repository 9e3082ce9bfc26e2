"""How recorded detections of one class are tracked and ranked: the tracker's own numbers and those around it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from perception_nodes.datatypes import ConfigurationError, check_ranges, param
from perception_nodes.tracking import TrackerConfig


@dataclass(frozen=True)
class TrackConfig:
    """Tracker, meaning of the detector's scores, and what is written of a track with which score."""

    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    ego_motion: bool = param(
        False, "Where there are no poses, the vehicle's motion is estimated from what is detected"
    )
    score_even: float = param(2.0, "Score at which a detection at range 0 is as likely true as false")
    score_slope: float = param(0.7, "Log odds of being true per unit of the detector's score", low=0.01)
    score_per_m: float = param(
        0.0, "What a metre of range is worth in score: what is far scores low though it is true, 1/m"
    )
    prior_score: float = param(
        -2.1, "Log odds of a track before it has been seen: lower puts short tracks behind long ones"
    )
    prior_weight: float = param(4.0, "Detections that the prior score counts for", low=0.0)
    coast_s: float = param(0.5, "Longest time without a detection in which a track is written, s", low=0.0)
    coast_existence: float = param(
        0.0, "A coasting box is written if it exists with at least this probability", low=0.0, high=1.0
    )
    coast_cost_per_s: float = param(
        3.5, "Log odds that a written box loses per second without a detection, 1/s", low=0.0
    )
    visible_share: float = param(
        0.3, "A coasting box is written if at least this share lies in the image", low=0.0, high=1.0
    )
    support_overlap: float = param(
        0.5, "IoU in the image at which a 2D detection supports a track", low=0.05, high=1.0
    )
    support_score: float = param(0.7, "Log odds that full support by a 2D detection adds", low=0.0)
    support_least: float = param(
        0.5, "Score of a 2D detection from which it bridges a missing 3D one", low=0.0, high=1.0
    )

    def __post_init__(self) -> None:
        check_ranges(self)


# Life times longer than those of the nodes: scores rank what is written, so a doubtful track costs little. Set by
# hand on the development sequences; `perception tune tracker` finds nothing clearly better there (docs/tracking.md).
_PATIENT: Final = TrackerConfig(
    low_score=0.15, coast_visible_s=1.5, detection_probability=0.6, coast_per_seen=2.0, tentative_misses=4
)
CLASSES: Final[dict[str, TrackConfig]] = {
    # Meaning of the scores: `perception tune scores`. With it existence says which coasting boxes are worth writing.
    "Car": TrackConfig(
        tracker=replace(_PATIENT, low_score=0.4, detection_probability=0.7),
        score_even=5.52,
        score_slope=0.987,
        score_per_m=0.0847,
        coast_s=1.5,
        coast_existence=0.2,
        coast_cost_per_s=0.0,
        ego_motion=True,
    ),
    "Pedestrian": TrackConfig(tracker=_PATIENT),
    # Most cyclist detections are false: good ones begin tracks, and a longer row of them is asked for. (Found by the
    # search, with every sequence left out in turn.)
    "Cyclist": TrackConfig(tracker=replace(_PATIENT, low_score=0.3), prior_weight=10.0),
}


def class_config(label: str) -> TrackConfig:
    """The tuned parameters of a KITTI class. Raises ConfigurationError for a class that has none."""
    if label not in CLASSES:
        raise ConfigurationError(f"class {label!r}: wanted one of {list(CLASSES)}")
    return CLASSES[label]
