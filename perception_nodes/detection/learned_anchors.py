"""Lidar models of others: a PointPillars with anchors as MMDeploy exports one from MMDetection3D 1.x to ONNX.

A folder holds one ONNX file (voxels (V, P, 4), num_points (V,), coors (V, 4) -> cls_score, bbox_pred, dir_cls_pred)
and `anchors.param.yaml` (`foreign_anchors`). Source of the layout: MMDeploy's documentation of MMDetection3D and its
configurations of voxel detection (sorting into pillars and boxes from maps are not part of the file).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ModelError, PointCloud

from .foreign_anchors import MAPS, AnchorConfig, anchor_boxes, decode_anchors, read_anchor_config
from .foreign_boxes import detections
from .foreign_pillars import Pillars, fill_pillars
from .learned_config import LearnedConfig
from .learned_points import prepare
from .lidar import LidarFrame
from .runtime import open_session

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
PARAMETERS: Final = "anchors.param.yaml"
INPUTS: Final = ("voxels", "num_points", "coors")
_TYPES: Final = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(int64)": np.int64}


class AnchorLidarDetector:
    """One merged, motion-compensated cloud of the base frame in, boxes and ground out."""

    def __init__(self, folder: Path, config: LearnedConfig | None = None) -> None:
        """Load the model and run it once. Raises ModelError if a file is missing or of another layout."""
        self.settings = config or LearnedConfig()
        files = sorted(folder.glob("*.onnx"))
        if len(files) != 1:
            raise ModelError(f"lidar model {folder}: wanted one *.onnx, got {[f.name for f in files]}")
        self.config = read_anchor_config(folder / PARAMETERS)
        runtime = self.settings.runtime
        self._session = open_session(files[0], runtime.providers, runtime.threads or 1)
        self.providers: list[str] = list(self._session.get_providers())
        self._types, self._fixed, most, points = _inputs(self._session, folder)
        self._grid = replace(
            self.config.grid,
            max_pillars=most or self.config.grid.max_pillars,
            points=points or self.config.grid.points,
        )
        try:
            maps = self._run(_one_pillar(self._grid.points))
        except Exception as error:  # onnxruntime's own error classes have no public common base
            raise ModelError(f"{files[0]}: cannot be run on one pillar: {error}") from error
        self._anchors = anchor_boxes(self.config, *_checked(maps, self.config, folder))
        self.model_id = folder.name
        digest = hashlib.sha256(files[0].read_bytes() + (folder / PARAMETERS).read_bytes())
        self.model_hash = digest.hexdigest()[:16]

    def describe(self) -> str:
        """What runs, for the log."""
        rows, columns, anchors, _ = self._anchors.shape
        count = f"{len(self.config.labels)} classes, {rows} x {columns} x {anchors} anchors"
        return f"{self.model_id}: PointPillars of {count}, fp32"

    def detect(self, cloud: PointCloud, origins_m: F64) -> LidarFrame:
        """Objects of one sweep; arguments and errors as of `LearnedLidarDetector.detect`."""
        points, ground, kept = prepare(cloud, origins_m, self.settings.points)
        height = np.full(len(cloud), np.nan, np.float32)
        height[kept] = points.xyh_m[:, 2]
        origin = np.asarray(origins_m, np.float64).reshape(-1, 3)[0] if self.config.in_lidar else np.zeros(3)
        intensity = np.zeros(len(kept), np.float32)
        if cloud.intensity is not None:
            intensity = cloud.intensity[kept] * np.float32(self.config.intensity_scale)
        pillars = fill_pillars((cloud.xyz_m[kept] - origin).astype(np.float32), intensity, self._grid)
        found = decode_anchors(self._run(pillars), self._anchors, self.config, self.settings.decode)
        found = replace(found, center_m=found.center_m + origin)
        return LidarFrame(detections(cloud, found), ground, height, self.settings.points.object_min_height_m)

    def _run(self, pillars: Pillars) -> dict[str, F32]:
        pillars = pillars if len(pillars.cell) else _one_pillar(self._grid.points)
        # A file with fixed sizes is given the first pillar again: that changes nothing where it is put.
        rows = np.arange(len(pillars.cell))
        if self._fixed:
            rows = np.concatenate([rows, np.zeros(self._grid.max_pillars - len(rows), np.int64)])
        x, y = pillars.cell[rows].T
        zeros = np.zeros_like(x)
        given: tuple[npt.NDArray[Any], ...] = (
            pillars.features[rows], pillars.count[rows], np.stack([zeros, zeros, y, x], axis=1)
        )  # fmt: skip
        feed = {n: v.astype(self._types[n]) for n, v in zip(INPUTS, given, strict=True)}
        values = self._session.run(list(MAPS), feed)
        return {name: value[0] for name, value in zip(MAPS, values, strict=True)}


def _one_pillar(points: int) -> Pillars:
    """One point in the corner of the grid, where the model is shown nothing: no pillar without a point divides by 0."""
    return Pillars(np.zeros((1, points, 4), np.float32), np.ones(1, np.int64), np.zeros((1, 2), np.int64))


def _inputs(session: Any, folder: Path) -> tuple[dict[str, Any], bool, int, int]:
    """Type of each input, whether sizes are fixed, and how many pillars and points then (0: any)."""
    given = {i.name: i for i in session.get_inputs()}
    outputs = [o.name for o in session.get_outputs()]
    if set(given) != set(INPUTS) or not set(MAPS) <= set(outputs):
        wanted = f"inputs {list(INPUTS)} and outputs {list(MAPS)}"
        raise ModelError(f"{folder}: wanted {wanted}, got {list(given)} and {outputs}")
    shape = given["voxels"].shape
    if len(shape) != 3 or (isinstance(shape[2], int) and shape[2] != 4):
        raise ModelError(f"{folder}: input voxels {shape}: wanted (pillars, points, 4)")
    if unknown := [i.type for i in given.values() if i.type not in _TYPES]:
        raise ModelError(f"{folder}: input of type {unknown[0]}: wanted one of {sorted(_TYPES)}")
    sizes = [n if isinstance(n, int) and n > 0 else 0 for n in shape[:2]]
    return {n: _TYPES[i.type] for n, i in given.items()}, sizes[0] > 0, sizes[0], sizes[1]


def _checked(maps: dict[str, F32], config: AnchorConfig, folder: Path) -> tuple[int, int]:
    """Rows and columns of the maps; raises ModelError where one has other channels than the parameters say."""
    for name, channels in config.channels().items():
        if maps[name].shape[0] != channels:
            raise ModelError(
                f"{folder}: {name} of {maps[name].shape[0]} channels: wanted {channels} for"
                f" {len(config.labels)} classes, {len(config.sizes_m)} sizes, {len(config.rotations_rad)} rotations"
            )
    if len({value.shape[1:] for value in maps.values()}) != 1:
        raise ModelError(f"{folder}: maps of {[v.shape for v in maps.values()]}: wanted one size")
    rows, columns = maps["cls_score"].shape[1:]
    return rows, columns
