"""Networks, model files and the geometric detector on stored frames, all with one call."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from perception_nodes.datatypes import PointCloud
from perception_nodes.detection.beams import Beams, sort_beams
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.learned import LearnedLidarDetector
from perception_nodes.detection.learned_config import DecodeConfig
from perception_nodes.detection.learned_decode import DecodedBoxes, decode
from perception_nodes.detection.lidar import GeometricLidarDetector
from perception_nodes.detection.raster import RasterConfig, rasterize
from perception_nodes.detection.second_look import SecondLook
from perception_nodes.networks.bev import BevDetector

from .export import output_cell
from .score import Detect
from .store import Frames, StoredFrame


def of_network(model: BevDetector, raster: RasterConfig, config: DecodeConfig | None = None) -> Detect:
    """A network as it is in training, in the precision that it is trained in."""
    device = next(model.parameters()).device
    settings = config or DecodeConfig()
    picture = np.empty((1, model.config.channels, raster.cells, raster.cells), np.float32)

    def detect(frame: StoredFrame) -> DecodedBoxes:
        rasterize(frame.points, raster, picture[0])
        value = torch.from_numpy(picture).to(device).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            logits, boxes = model(value)
        return decode(
            logits[0].float().cpu().numpy(), boxes[0].float().cpu().numpy(), output_cell(raster), settings
        )

    return detect


def of_file(detector: LearnedLidarDetector) -> Detect:
    """A model file."""
    return lambda frame: detector.boxes(frame.points, frame.origin_m[2:].astype(np.float64))


def looked_again(detect: Detect, about: Mapping[str, Any]) -> Detect:
    """With the second look that a model's metadata ask for, as the node takes it."""
    second = SecondLook.of(about, about.get("name", "this run"))
    if second is None:
        return detect
    return lambda frame: second(detect(frame), beams_of(frame))


def beams_of(frame: StoredFrame) -> Beams:
    """Of a stored frame's sweep."""
    return sort_beams(frame.points, frame.origin_m[2:].astype(np.float64))


def of_geometric(config: GeometricConfig | None = None) -> Detect:
    """The geometric detector; it sees the same points, on the ground made flat."""
    detector = GeometricLidarDetector(replace(config or GeometricConfig(), min_score=0.0))

    def detect(frame: StoredFrame) -> DecodedBoxes:
        cloud = PointCloud(0, "base_link", frame.points.xyh_m, source=frame.points.source)
        found = detector.detect(cloud, frame.origin_m[None].astype(np.float64)).detections
        n = len(found)
        return DecodedBoxes(
            found.center_m, found.lwh_m, found.yaw_rad, np.full(n, 0.5), np.zeros((n, 2)), found.label,
            found.class_probabilities, found.score, np.zeros((n, 5)),
        )  # fmt: skip

    return detect


def median_ms(detect: Detect, store: Frames, frames: int = 50) -> float:
    """Median time from prepared points to boxes, ms."""
    picked = [store[k] for k in range(0, len(store), max(1, len(store) // frames))][:frames]
    detect(picked[0])
    times: list[Any] = []
    for frame in picked:
        began = time.perf_counter()
        detect(frame)
        times.append(time.perf_counter() - began)
    return 1e3 * float(np.median(times))
