"""One frame, start to end, without ROS: the file to read first.

The nodes call the same stage objects in the same order, each in its own process; a test asserts that both give the
same tracks on the same recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .datatypes import Detections2D, Detections3D, Image, MapElements, PointCloud, Tracks
from .detection.camera import YoloxDetector
from .detection.camera_config import YoloxConfig
from .detection.config import GeometricConfig
from .detection.learned_choice import GEOMETRIC, open_detector
from .detection.learned_config import LearnedConfig
from .fusion import CameraView, FusionConfig, ObjectFusion, fused_model
from .geometry import CameraModel, Transform, transform_detections
from .mapping import MapBuilder, MapConfig
from .tracking import ExistenceCalibrations, Look, MultiObjectTracker, Sight, Source, TrackerConfig


@dataclass(frozen=True)
class CameraInput:
    """One picture of the frame with its calibration; `optical_from_base` includes the ego motion since its stamp."""

    name: str
    image: Image
    model: CameraModel
    optical_from_base: Transform


@dataclass(frozen=True)
class FrameInput:
    """All sensors of one frame: the merged, compensated cloud in base_link, origins (K, 3) m of its sensors (0: no
    lidar took part), pictures, and who has seen something (None: one detector all around).
    """

    cloud: PointCloud
    origins_m: npt.NDArray[np.float64]
    odom_from_base: Transform
    cameras: Sequence[CameraInput] = ()
    looks: Sequence[Look] | None = None


@dataclass(frozen=True)
class FrameOutput:
    """What each stage said about the frame; lidar and map say nothing without a sweep."""

    lidar: Detections3D | None
    cameras: tuple[Detections2D, ...]
    fused: Detections3D
    tracks: Tracks
    elements: MapElements | None


@dataclass(frozen=True)
class PipelineConfig:
    """The parameters of all stages; lidar_model, existence: as `model` and `existence_calibration` of the nodes."""

    lidar_model: str = GEOMETRIC
    lidar: GeometricConfig = field(default_factory=GeometricConfig)
    camera: YoloxConfig = field(default_factory=YoloxConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    existence: str = "auto"
    mapping: MapConfig = field(default_factory=MapConfig)


class Pipeline:
    """Detect, fuse, track, map."""

    def __init__(self, config: PipelineConfig, tracking_frame: str, camera_model: Path | None = None) -> None:
        self.tracking_frame = tracking_frame
        self.lidar = open_detector(config.lidar_model, LearnedConfig(config.lidar))
        self.camera = YoloxDetector(camera_model, config.camera) if camera_model is not None else None
        self.fusion = ObjectFusion(config.fusion)
        self.tracker = MultiObjectTracker(config.tracker)
        self.sight = Sight()
        models = fused_model(self.lidar.model_id, [] if self.camera is None else [self.camera.model_id])
        self.source, known = (
            Source(models, self.lidar.model_hash),
            ExistenceCalibrations.read(config.existence),
        )
        self.tracker.calibration = known.find(self.source, config.tracker)
        self.mapping = MapBuilder(replace(config.mapping, frame_id=tracking_frame))

    def process(self, frame: FrameInput) -> FrameOutput:
        """One frame; frames must come in the order of their stamps."""
        swept = len(frame.origins_m) > 0
        lidar = self.lidar.detect(frame.cloud, frame.origins_m).detections if swept else None
        views = [] if self.camera is None else [self._view(self.camera, c) for c in frame.cameras]
        fused = self.fusion.fuse(lidar, views, frame.cloud.stamp_ns, frame.cloud.frame_id)
        in_odom = transform_detections(fused, self.tracking_frame, frame.odom_from_base)
        tracks = self.tracker.step(in_odom, frame.odom_from_base, frame.looks)
        tracks = self.sight.published(tracks, frame.looks is None or len(frame.looks) > 0)
        if swept and self.tracking_frame == frame.cloud.frame_id:
            self.mapping.reset()  # without ego motion sweeps do not lie on each other
        elements = self.mapping.update(frame.cloud, frame.odom_from_base) if swept else None
        return FrameOutput(lidar, tuple(v.detections for v in views), fused, tracks, elements)

    @staticmethod
    def _view(camera: YoloxDetector, one: CameraInput) -> CameraView:
        return CameraView(camera.detect(one.image, one.name), one.model, one.optical_from_base)
