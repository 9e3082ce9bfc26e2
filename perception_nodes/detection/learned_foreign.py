"""Lidar models of others: a CenterPoint with pillars in the two-file layout that Autoware publishes.

A folder holds `*voxel_encoder*.onnx` ((V, P, 9) pillars -> (V, 1, C)), `*backbone_neck_head*.onnx` ((1, C, H, W) ->
heatmap, reg, height, dim, rot, vel) and a parameter file `*.param.yaml` (class_names, point_cloud_range, voxel_size,
downsample_factor, max_voxel_size). Source of the layout: the documentation and the parameter files of the package
autoware_lidar_centerpoint. Pillar features: A. Lang et al., PointPillars, CVPR 2019.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ModelError, PointCloud
from perception_nodes.geometry import wrap_angle

from .foreign_boxes import ForeignBoxes, apart, detections, shares, sigmoid
from .foreign_config import HEADS, ForeignConfig, find_files, read_config
from .foreign_pillars import Pillars, fill_pillars
from .learned_config import DecodeConfig, LearnedConfig
from .learned_points import prepare
from .lidar import LidarFrame
from .runtime import open_session

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_FEATURES: Final = 9


class ForeignLidarDetector:
    """One merged, motion-compensated cloud of the base frame in, boxes and ground out."""

    def __init__(self, folder: Path, config: LearnedConfig | None = None) -> None:
        """Load both files. Raises ModelError if one is missing or of another layout."""
        self.settings = config or LearnedConfig()
        encoder, head, parameters = find_files(folder)
        self.config = read_config(parameters)
        runtime = self.settings.runtime
        threads = runtime.threads or 1
        self._encoder, self._head = (open_session(f, runtime.providers, threads) for f in (encoder, head))
        self.providers: list[str] = list(self._head.get_providers())
        self._outputs = _checked(self._encoder, self._head, self.config, folder)
        shape = self._encoder.get_inputs()[0].shape
        # A file with fixed sizes says how many pillars and points it takes.
        self._fixed = isinstance(shape[0], int)
        given = self.config.grid
        most = shape[0] if self._fixed else given.max_pillars
        points = shape[1] if isinstance(shape[1], int) else given.points
        self._grid = replace(given, max_pillars=most, points=points)
        self.model_id = folder.name
        digest = hashlib.sha256(encoder.read_bytes() + head.read_bytes() + parameters.read_bytes())
        self.model_hash = digest.hexdigest()[:16]

    def describe(self) -> str:
        """What runs, for the log."""
        grid = f"{self._grid.width} x {self._grid.height} pillars"
        return f"{self.model_id}: CenterPoint of {len(self.config.labels)} classes, {grid}, fp32"

    def detect(self, cloud: PointCloud, origins_m: F64) -> LidarFrame:
        """Objects of one sweep; arguments and errors as of `LearnedLidarDetector.detect`."""
        points, ground, kept = prepare(cloud, origins_m, self.settings.points)
        height = np.full(len(cloud), np.nan, np.float32)
        height[kept] = points.xyh_m[:, 2]
        maps = self._run(self.pillars(cloud, kept))
        found = decode_heads(maps, self.config, self.settings.decode)
        return LidarFrame(detections(cloud, found), ground, height, self.settings.points.object_min_height_m)

    def pillars(self, cloud: PointCloud, rows: I64) -> Pillars:
        """The points of the given rows as the encoder takes them."""
        c = self.config
        fourth = np.zeros(len(rows), np.float32)
        if c.fourth == "intensity" and cloud.intensity is not None:
            fourth = np.ascontiguousarray(cloud.intensity[rows], np.float32) * np.float32(c.intensity_scale)
        return fill_pillars(cloud.xyz_m[rows], fourth, self._grid, offsets=True)

    def _run(self, pillars: Pillars) -> dict[str, F32]:
        # At least one, and as many as a file with fixed sizes wants.
        wanted = self._grid.max_pillars if self._fixed else max(1, len(pillars.cell))
        features = np.zeros((wanted, *pillars.features.shape[1:]), np.float32)
        features[: len(pillars.cell)] = pillars.features
        encoded = self._encoder.run(None, {self._encoder.get_inputs()[0].name: features})[0]
        canvas = np.zeros((1, encoded.shape[-1], self._grid.height, self._grid.width), np.float32)
        x, y = pillars.cell.T
        canvas[0, :, y, x] = encoded[: len(x)].reshape(len(x), encoded.shape[-1])
        values = self._head.run(list(self._outputs), {self._head.get_inputs()[0].name: canvas})
        return {name: value[0] for name, value in zip(self._outputs, values, strict=True)}


def decode_heads(maps: dict[str, F32], config: ForeignConfig, decode: DecodeConfig) -> ForeignBoxes:
    """Boxes of the head's maps (k, rows y, columns x); one class a cell, its best."""
    heat = sigmoid(maps["heatmap"])
    best = heat.max(axis=0)
    rows, columns = np.nonzero((best >= decode.min_score) & (best >= _neighbours(best)))
    order = np.argsort(-best[rows, columns], kind="stable")[: decode.max_detections]
    i, j = rows[order], columns[order]

    def at(name: str) -> F64:
        return np.asarray(maps[name][:, i, j].T, np.float64)

    cell = np.array(config.grid.voxel_m[:2]) * config.downsample
    center = np.empty((len(i), 3))
    center[:, :2] = (np.stack([j, i], axis=1) + at("reg")[:, :2]) * cell + config.grid.low_m[:2]
    center[:, 2] = at("height")[:, 0]
    lwh = np.exp(np.clip(at("dim")[:, [1, 0, 2]], -5.0, 4.0))  # given as width, length, height
    said = np.arctan2(at("rot")[:, 0], at("rot")[:, 1])
    yaw = said if config.yaw == "ros" else -said - np.pi / 2
    label, probabilities = shares(heat[:, i, j].T, config.labels)
    # Which end is the front such a network often mistakes.
    unsure = np.zeros(len(i), bool)
    found = ForeignBoxes(center, lwh, np.asarray(wrap_angle(yaw)), label, best[i, j], probabilities, unsure)
    return apart(found, decode)


def _neighbours(best: F64) -> F64:
    """(H, W) the greatest of the eight cells around each."""
    padded = np.pad(best, 1, constant_values=-np.inf)
    n, m = best.shape
    around = [padded[a : a + n, b : b + m] for a in range(3) for b in range(3) if (a, b) != (1, 1)]
    return np.asarray(np.max(around, axis=0))


def _checked(encoder: Any, head: Any, config: ForeignConfig, folder: Path) -> tuple[str, ...]:
    """The head's outputs that are used; raises ModelError where a shape or a name is another."""
    given = encoder.get_inputs()[0].shape
    if len(given) != 3 or given[2] != _FEATURES:
        raise ModelError(f"{folder}: encoder input {given}: wanted (pillars, points, {_FEATURES})")
    picture = head.get_inputs()[0].shape
    wanted = [config.grid.height, config.grid.width]
    if len(picture) != 4 or any(
        isinstance(a, int) and a != b for a, b in zip(picture[2:], wanted, strict=True)
    ):
        raise ModelError(f"{folder}: head input {picture}: wanted (1, channels, {wanted[0]}, {wanted[1]})")
    outputs = {o.name: o.shape for o in head.get_outputs()}
    if missing := [name for name in HEADS if name not in outputs]:
        raise ModelError(
            f"{folder}: head output {missing[0]!r} is missing: wanted {list(HEADS)}, got {list(outputs)}"
        )
    classes = outputs["heatmap"][1]
    if isinstance(classes, int) and classes != len(config.labels):
        raise ModelError(f"{folder}: heatmap of {classes} classes: class_names has {len(config.labels)}")
    return HEADS
