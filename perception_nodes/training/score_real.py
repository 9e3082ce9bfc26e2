"""`perception train score`: a model and the geometric detector side by side on real sweeps with labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from perception_nodes.datasets.rigs import known_rig
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.learned import LearnedLidarDetector
from perception_nodes.detection.learned_config import LearnedConfig, RuntimeConfig
from perception_nodes.detection.runtime import int8_path

from .picture import write_picture
from .real import Detector, RealScore, geometric, real_boxes, real_frames, score_boxes
from .report import tell_real


def score_and_tell(
    model: Path, recordings: Sequence[Path], console: Console, pictures: Path | None = None
) -> dict[str, dict[str, RealScore]]:
    """Print and return the scores by recording and detector; every precision that the model has.

    pictures: folder for a picture of each recording's first sweep.
    """
    out = {}
    for path in recordings:
        kind, frames = real_frames(path)
        rig = known_rig(kind)
        points = GeometricConfig().with_vehicle(rig.vehicle_lwh_m, rig.base_to_center_m)
        detectors = {"geometric": geometric(points), **_learned(model, points)}
        kept = list(frames)
        boxes = {name: real_boxes(kept, detector) for name, detector in detectors.items()}
        scores = {name: score_boxes(*of) for name, of in boxes.items()}
        if pictures is not None:
            write_picture(pictures / f"{path.name}.jpg", kept[0], boxes)
        tell_real(f"{kind} ({path.name})", scores, console)
        out[path.name] = scores
    return out


def plain(scores: dict[str, dict[str, RealScore]]) -> str:
    """The scores as JSON."""
    return json.dumps({k: {n: asdict(s) for n, s in v.items()} for k, v in scores.items()}, indent=1)


def _learned(model: Path, points: GeometricConfig) -> dict[str, Detector]:
    out: dict[str, Detector] = {}
    files = {"float32": model, **({"int8": int8_path(model)} if int8_path(model).is_file() else {})}
    for name, file in files.items():
        config = LearnedConfig(points, runtime=RuntimeConfig(precision="int8" if name == "int8" else "fp32"))
        detector = LearnedLidarDetector(file, config)
        out[name] = boxes_of(detector)
    return out


def boxes_of(detector: LearnedLidarDetector) -> Detector:
    """Only the boxes of what a detector says."""
    return lambda cloud, origins: detector.detect(cloud, origins).detections
