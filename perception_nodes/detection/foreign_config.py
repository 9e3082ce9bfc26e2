"""The files and the parameters of a foreign lidar model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from perception_nodes.datatypes import LABEL_INDEX, UNKNOWN, ModelError

HEADS: Final = ("heatmap", "reg", "height", "dim", "rot")
# Their class names, in capitals, that are not ours.
_CLASSES: Final = {"MOTORBIKE": "motorcycle", "CONE": "traffic_cone"}
_POINTS: Final = 32


@dataclass(frozen=True)
class ForeignConfig:
    """What a model was trained for.

    labels: taxonomy index of each class; low_m, high_m: of the grid, base frame; voxel_m; downsample: cells of the
    answer are so many pillars wide; fourth: what the fourth number of a point is, time_lag (0: one sweep) or intensity,
    times intensity_scale; yaw: mmdet3d (before its version 1: clockwise from -y) or ros (counter-clockwise from +x).
    """

    labels: tuple[int, ...]
    low_m: tuple[float, float, float]
    high_m: tuple[float, float, float]
    voxel_m: tuple[float, float, float]
    downsample: int
    max_pillars: int
    points: int = _POINTS
    fourth: str = "time_lag"
    intensity_scale: float = 1.0
    yaw: str = "mmdet3d"

    @property
    def width(self) -> int:
        """Pillars along x."""
        return round((self.high_m[0] - self.low_m[0]) / self.voxel_m[0])

    @property
    def height(self) -> int:
        """Pillars along y."""
        return round((self.high_m[1] - self.low_m[1]) / self.voxel_m[1])


def find_files(folder: Path) -> tuple[Path, Path, Path]:
    """Encoder, head and parameter file of a folder. Raises ModelError naming what is missing or there twice."""
    out = []
    for pattern in ("*voxel_encoder*.onnx", "*backbone_neck_head*.onnx", "*ml_package*.param.yaml"):
        found = sorted(folder.glob(pattern))
        if len(found) != 1:
            raise ModelError(f"lidar model {folder}: wanted one {pattern}, got {[f.name for f in found]}")
        out.append(found[0])
    return out[0], out[1], out[2]


def read_config(path: Path) -> ForeignConfig:
    """`/**: ros__parameters: model_params:`, and beside it `perception_nodes:` where a default does not fit.

    Raises ModelError naming file and key.
    """
    try:
        data = yaml.safe_load(path.read_text())
        parameters = next(iter(data.values()))["ros__parameters"]
        model: Mapping[str, Any] = parameters["model_params"]
        own: Mapping[str, Any] = parameters.get("perception_nodes", {})
        low, high = model["point_cloud_range"][:3], model["point_cloud_range"][3:]
        if model.get("encoder_in_feature_size", 9) != 9 or model.get("has_variance", False):
            raise ModelError(f"{path}: wanted encoder_in_feature_size 9 and no variances: not of this layout")
        config = ForeignConfig(
            tuple(_label(str(n), path) for n in model["class_names"]), _three(low), _three(high),
            _three(model["voxel_size"]), int(model["downsample_factor"]), int(model["max_voxel_size"]), **own,
        )  # fmt: skip
    except (OSError, yaml.YAMLError, AttributeError, KeyError, StopIteration, TypeError, ValueError) as error:
        raise ModelError(f"{path}: not the parameters of a CenterPoint: {error!r}") from error
    if config.fourth not in ("time_lag", "intensity") or config.yaw not in ("mmdet3d", "ros"):
        raise ModelError(f"{path}: perception_nodes: fourth: time_lag or intensity, yaw: mmdet3d or ros")
    if min(*config.voxel_m, config.width, config.height, config.downsample, config.max_pillars) <= 0:
        raise ModelError(
            f"{path}: point_cloud_range, voxel_size, downsample_factor, max_voxel_size: wanted > 0"
        )
    return config


def _label(name: str, path: Path) -> int:
    ours = _CLASSES.get(name.upper(), name.lower())
    if ours not in LABEL_INDEX or LABEL_INDEX[ours] == UNKNOWN:
        raise ModelError(f"{path}: class {name!r}: wanted one of {sorted(LABEL_INDEX)}")
    return LABEL_INDEX[ours]


def _three(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z
