"""The files and the parameters of a CenterPoint of others, and what the parameters of all foreign models have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from perception_nodes.datatypes import LABEL_INDEX, UNKNOWN, ModelError

from .foreign_pillars import PillarGrid

HEADS: Final = ("heatmap", "reg", "height", "dim", "rot")
# Their class names, in capitals, that are not ours.
_CLASSES: Final = {"MOTORBIKE": "motorcycle", "CONE": "traffic_cone", "CYCLIST": "bicycle"}
_POINTS: Final = 32
# What a file of parameters that are missing or of other kinds raises.
UNREADABLE: Final = (
    OSError, yaml.YAMLError, AttributeError, KeyError, StopIteration, TypeError, ValueError, OverflowError,
)  # fmt: skip


@dataclass(frozen=True)
class ForeignConfig:
    """What a model was trained for.

    labels: taxonomy index of each class; downsample: cells of the answer are so many pillars wide; fourth: what the
    fourth number of a point is, time_lag (0: one sweep) or intensity, times intensity_scale; yaw: mmdet3d (before its
    version 1: clockwise from -y) or ros (counter-clockwise from +x).
    """

    labels: tuple[int, ...]
    grid: PillarGrid
    downsample: int
    fourth: str = "time_lag"
    intensity_scale: float = 1.0
    yaw: str = "mmdet3d"


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
        own = dict(parameters.get("perception_nodes", {}))
        grid = read_grid(model, int(model["max_voxel_size"]), int(own.pop("points", _POINTS)))
        if model.get("encoder_in_feature_size", 9) != 9 or model.get("has_variance", False):
            raise ModelError(f"{path}: wanted encoder_in_feature_size 9 and no variances: not of this layout")
        labels = tuple(label_of(str(n), path) for n in model["class_names"])
        config = ForeignConfig(labels, grid, int(model["downsample_factor"]), **own)
    except UNREADABLE as error:
        raise ModelError(f"{path}: not the parameters of a CenterPoint: {said(error)}") from error
    if config.fourth not in ("time_lag", "intensity") or config.yaw not in ("mmdet3d", "ros"):
        raise ModelError(f"{path}: perception_nodes: fourth: time_lag or intensity, yaw: mmdet3d or ros")
    if not labels or config.downsample <= 0:
        raise ModelError(f"{path}: class_names, downsample_factor: wanted a class and more than 0")
    return config


def read_grid(model: Mapping[str, Any], max_pillars: int, points: int) -> PillarGrid:
    """`point_cloud_range` and `voxel_size`; raises KeyError, TypeError or ValueError where they are none."""
    low, high = model["point_cloud_range"][:3], model["point_cloud_range"][3:]
    grid = PillarGrid(three(low), three(high), three(model["voxel_size"]), max_pillars, points)
    if min(*grid.voxel_m, max_pillars, points) <= 0 or min(grid.width, grid.height) <= 0:
        raise ValueError("point_cloud_range, voxel_size, pillars and their points: wanted more than 0")
    return grid


def label_of(name: str, path: Path) -> int:
    """Taxonomy index of a class by the name that others give it; raises ModelError."""
    ours = _CLASSES.get(name.upper(), name.lower())
    if ours not in LABEL_INDEX or LABEL_INDEX[ours] == UNKNOWN:
        raise ModelError(f"{path}: class {name!r}: wanted one of {sorted(LABEL_INDEX)}")
    return LABEL_INDEX[ours]


def three(values: Any) -> tuple[float, float, float]:
    """Three numbers; raises TypeError or ValueError for anything else."""
    x, y, z = (float(v) for v in values)
    return x, y, z


def said(error: Exception) -> str:
    """Kind and words of an error in one line: YAML's say where in the file."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
