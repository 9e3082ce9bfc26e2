"""Drawn scenes: objects that move along given paths, seen as detections."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS, Detections3D, Orientation, Tracks, TrackState
from perception_nodes.geometry import Transform
from perception_nodes.tracking import MultiObjectTracker, TrackerConfig

STEP_NS = 100_000_000
LWH = {
    "car": (4.5, 1.9, 1.6),
    "truck": (6.5, 2.4, 2.8),
    "bus": (14.0, 2.9, 3.6),
    "bicycle": (1.8, 0.7, 1.6),
    "pedestrian": (0.7, 0.7, 1.75),
}


def detections(stamp_ns: int, boxes: list[tuple], labels: list[str], **known: np.ndarray) -> Detections3D:
    """Boxes (x, y, yaw) of the classes' sizes on the ground z = 0, as a geometric detector would give them."""
    n = len(boxes)
    lwh = np.array([LWH[name] for name in labels]).reshape(n, 3)
    pose = np.array(boxes, float).reshape(n, 3)
    index = np.array([LABEL_INDEX[name] for name in labels], int)
    probabilities = np.full((n, NUM_LABELS), 0.0)
    probabilities[np.arange(n), index] = 0.85
    probabilities[:, -1] += 0.15
    values = {
        "label": index.astype(np.uint8),
        "class_probabilities": probabilities,
        "score": np.full(n, 0.8),
        "orientation": np.full(n, Orientation.SIGN_UNKNOWN, np.uint8),
        "num_points": np.full(n, 100, np.int32),
        "source_mask": np.ones(n, np.uint8),
        "visibility": np.ones(n),
    }
    values.update(known)
    center = np.column_stack([pose[:, :2], lwh[:, 2] / 2])
    return Detections3D.of(stamp_ns, "odom", "lidar", center, lwh, pose[:, 2], **values)


@dataclass
class Drive:
    """Feeds a tracker frame by frame with noisy boxes and keeps what came out."""

    tracker: MultiObjectTracker
    noise_m: float = 0.1
    seed: int = 1
    ego: Transform = field(default_factory=Transform.identity)
    outputs: list[Tracks] = field(default_factory=list)
    frame: int = 0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def step(self, *boxes: tuple, labels: list[str] | None = None, **known: np.ndarray) -> Tracks:
        """One frame: boxes (x, y, yaw); the yaw is given modulo half a turn."""
        names = labels or ["car"] * len(boxes)
        noisy = [
            (x + self.rng.normal(0, self.noise_m), y + self.rng.normal(0, self.noise_m), _folded(yaw))
            for x, y, yaw in boxes
        ]
        self.outputs.append(
            self.tracker.step(detections(self.frame * STEP_NS, noisy, names, **known), self.ego)
        )
        self.frame += 1
        return self.outputs[-1]

    def live(self) -> Tracks:
        """The last output without tentative and ended tracks."""
        return _published(self.outputs[-1])

    def published_ids(self, first: int = 0) -> set[int]:
        """Ids of confirmed and coasting tracks from the `first` frame on."""
        return {int(i) for tracks in self.outputs[first:] for i in _published(tracks).id}

    def nearest(self, x: float, y: float) -> Tracks:
        """The published track nearest to a point (one row)."""
        live = self.live()
        assert len(live), "no track"
        return live.select(np.array([np.linalg.norm(live.center_m[:, :2] - (x, y), axis=1).argmin()]))


def _published(tracks: Tracks) -> Tracks:
    return tracks.select((tracks.state == TrackState.CONFIRMED) | (tracks.state == TrackState.COASTING))


def _folded(yaw: float) -> float:
    return (yaw + np.pi / 2) % np.pi - np.pi / 2


@pytest.fixture
def drive() -> Drive:
    return Drive(MultiObjectTracker())


@pytest.fixture
def make_drive():
    def make(noise_m: float = 0.1, seed: int = 1, **config) -> Drive:
        return Drive(MultiObjectTracker(TrackerConfig(**config)), noise_m=noise_m, seed=seed)

    return make


@pytest.fixture
def make_detections():
    return detections
