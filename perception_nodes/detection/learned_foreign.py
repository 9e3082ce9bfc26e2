"""Lidar models of others: a CenterPoint with pillars in the two-file layout that Autoware publishes.

A folder holds `*voxel_encoder*.onnx` ((V, P, 9) pillars -> (V, 1, C)), `*backbone_neck_head*.onnx` ((1, C, H, W) ->
heatmap, reg, height, dim, rot, vel) and a parameter file `*.param.yaml` (class_names, point_cloud_range, voxel_size,
downsample_factor, max_voxel_size). Source of the layout: the documentation and the parameter files of the package
autoware_lidar_centerpoint. Pillar features: A. Lang et al., PointPillars, CVPR 2019.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.datatypes import (
    NUM_LABELS,
    TWO_WHEELERS,
    VEHICLES,
    Detections3D,
    ModelError,
    Orientation,
    PointCloud,
    SourceMask,
)
from perception_nodes.geometry import iou_bev, points_in_boxes, wrap_angle

from .foreign_config import HEADS, ForeignConfig, find_files, read_config
from .learned_config import DecodeConfig, LearnedConfig
from .learned_points import prepare
from .lidar import LidarFrame, practice_sweep
from .runtime import open_session

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_FEATURES: Final = 9


@dataclass(frozen=True, eq=False)
class Pillars:
    """V pillars: features (V, P, 9), zero where there is no point; cell (V, 2) column x and row y of each."""

    features: F32
    cell: I64


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
        self._most = shape[0] if self._fixed else self.config.max_pillars
        self._points = shape[1] if isinstance(shape[1], int) else self.config.points
        self.model_id = folder.name
        digest = hashlib.sha256(encoder.read_bytes() + head.read_bytes() + parameters.read_bytes())
        self.model_hash = digest.hexdigest()[:16]

    def warm(self) -> None:
        """Compile (or load) the kernels and run once, so that the first real frame is not the slow one."""
        self.detect(*practice_sweep())

    def describe(self) -> str:
        """What runs, for the log."""
        c = self.config
        return (
            f"{self.model_id}: CenterPoint of {len(c.labels)} classes, {c.width} x {c.height} pillars, fp32"
        )

    def detect(self, cloud: PointCloud, origins_m: F64) -> LidarFrame:
        """Objects of one sweep; arguments and errors as of `LearnedLidarDetector.detect`."""
        points, ground, kept = prepare(cloud, origins_m, self.settings.points)
        height = np.full(len(cloud), np.nan, np.float32)
        height[kept] = points.xyh_m[:, 2]
        maps = self._run(self.pillars(cloud, kept))
        found = decode_heads(maps, self.config, self.settings.decode)
        return LidarFrame(_detections(cloud, found), ground, height, self.settings.points.object_min_height_m)

    def pillars(self, cloud: PointCloud, rows: I64) -> Pillars:
        """The points of the given rows as the encoder takes them."""
        c = self.config
        fourth = np.zeros(len(rows), np.float32)
        if c.fourth == "intensity" and cloud.intensity is not None:
            fourth = np.ascontiguousarray(cloud.intensity[rows], np.float32) * np.float32(c.intensity_scale)
        xyz = np.ascontiguousarray(cloud.xyz_m[rows], np.float32)
        features = np.zeros((self._most, self._points, _FEATURES), np.float32)
        cell, count = np.zeros((self._most, 2), np.int64), np.zeros(self._most, np.int64)
        grid = (c.low_m, c.high_m, c.voxel_m, c.width, c.height)
        used = _fill(xyz, fourth, grid, features, cell, count)
        return Pillars(features if self._fixed else features[: max(used, 1)], cell[:used])

    def _run(self, pillars: Pillars) -> dict[str, F32]:
        encoded = self._encoder.run(None, {self._encoder.get_inputs()[0].name: pillars.features})[0]
        c = self.config
        canvas = np.zeros((1, encoded.shape[-1], c.height, c.width), np.float32)
        x, y = pillars.cell.T
        canvas[0, :, y, x] = encoded[: len(x)].reshape(len(x), encoded.shape[-1])
        values = self._head.run(list(self._outputs), {self._head.get_inputs()[0].name: canvas})
        return {name: value[0] for name, value in zip(self._outputs, values, strict=True)}


@dataclass(frozen=True, eq=False)
class ForeignBoxes:
    """N boxes by falling score, base frame; probabilities (N, 11)."""

    center_m: F64
    lwh_m: F64
    yaw_rad: F64
    label: npt.NDArray[np.uint8]
    score: F64
    probabilities: F64


def decode_heads(maps: dict[str, F32], config: ForeignConfig, decode: DecodeConfig) -> ForeignBoxes:
    """Boxes of the head's maps (k, rows y, columns x); one class a cell, its best."""
    heat = 1.0 / (1.0 + np.exp(-np.clip(maps["heatmap"].astype(np.float64), -60.0, 60.0)))
    best = heat.max(axis=0)
    rows, columns = np.nonzero((best >= decode.min_score) & (best >= _neighbours(best)))
    order = np.argsort(-best[rows, columns], kind="stable")[: decode.max_detections]
    i, j = rows[order], columns[order]

    def at(name: str) -> F64:
        return np.asarray(maps[name][:, i, j].T, np.float64)

    cell = np.array(config.voxel_m[:2]) * config.downsample
    center = np.empty((len(i), 3))
    center[:, :2] = (np.stack([j, i], axis=1) + at("reg")[:, :2]) * cell + config.low_m[:2]
    center[:, 2] = at("height")[:, 0]
    lwh = np.exp(np.clip(at("dim")[:, [1, 0, 2]], -5.0, 4.0))  # given as width, length, height
    said = np.arctan2(at("rot")[:, 0], at("rot")[:, 1])
    yaw = said if config.yaw == "ros" else -said - np.pi / 2
    probabilities = np.zeros((len(i), NUM_LABELS))
    np.add.at(probabilities.T, np.array(config.labels), heat[:, i, j])
    probabilities /= np.maximum(probabilities.sum(axis=1, keepdims=True), 1e-12)
    label = np.array(config.labels, np.uint8)[heat[:, i, j].argmax(axis=0)]
    boxes = (center, lwh, np.asarray(wrap_angle(yaw)), label, best[i, j], probabilities)
    finite = np.isfinite(np.column_stack([center, lwh, yaw])).all(axis=1)
    found = ForeignBoxes(*(v[finite] for v in boxes))
    keep = _apart(found, decode.overlap)
    return ForeignBoxes(*(v[keep] for v in vars(found).values()))


def _neighbours(best: F64) -> F64:
    """(H, W) the greatest of the eight cells around each."""
    padded = np.pad(best, 1, constant_values=-np.inf)
    n, m = best.shape
    around = [padded[a : a + n, b : b + m] for a in range(3) for b in range(3) if (a, b) != (1, 1)]
    return np.asarray(np.max(around, axis=0))


def _apart(found: ForeignBoxes, overlap: float) -> npt.NDArray[np.bool_]:
    """(N,) false for boxes that overlap a better one."""
    box = (found.center_m, found.lwh_m, found.yaw_rad)
    clash = np.triu(iou_bev(box, box) > overlap, 1) if len(found.score) else np.zeros((0, 0), bool)
    keep = np.ones(len(found.score), bool)
    for k in range(len(keep)):
        if keep[k]:
            keep &= ~clash[k]
    return keep


def _detections(cloud: PointCloud, found: ForeignBoxes) -> Detections3D:
    n = len(found.score)
    counts = points_in_boxes(cloud.xyz_m, found.center_m, found.lwh_m, found.yaw_rad, 0.1)
    # Which end is the front such a network often mistakes; of the others only bicycles and motorcycles have one.
    long = np.isin(found.label, list(VEHICLES | TWO_WHEELERS))
    orientation = np.where(long, Orientation.SIGN_UNKNOWN, Orientation.AVAILABLE).astype(np.uint8)
    return Detections3D.of(
        cloud.stamp_ns, cloud.frame_id, "lidar", found.center_m, found.lwh_m, found.yaw_rad, orientation=orientation,
        label=found.label, class_probabilities=found.probabilities, score=found.score, num_points=counts,
        source_mask=np.full(n, SourceMask.LIDAR, np.uint8),
    )  # fmt: skip


def _checked(encoder: Any, head: Any, config: ForeignConfig, folder: Path) -> tuple[str, ...]:
    """The head's outputs that are used; raises ModelError where a shape or a name is another."""
    given = encoder.get_inputs()[0].shape
    if len(given) != 3 or given[2] != _FEATURES:
        raise ModelError(f"{folder}: encoder input {given}: wanted (pillars, points, {_FEATURES})")
    picture = head.get_inputs()[0].shape
    wanted = [config.height, config.width]
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


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fill(xyz: Any, fourth: Any, grid: Any, features: Any, cell: Any, count: Any) -> int:
    """Sort points into pillars, then their distance from the pillar's mean and middle; returns how many pillars."""
    low, high, size, width, height = grid
    where = np.full(width * height, -1, np.int64)
    used, most = 0, features.shape[1]
    for k in range(len(xyz)):
        x, y, z = xyz[k, 0], xyz[k, 1], xyz[k, 2]
        if not (low[0] <= x < high[0] and low[1] <= y < high[1] and low[2] <= z < high[2]):
            continue
        i, j = int((x - low[0]) / size[0]), int((y - low[1]) / size[1])
        if i >= width or j >= height:
            continue
        v = where[j * width + i]
        if v < 0:
            if used == len(features):
                continue
            v = used
            where[j * width + i] = v
            cell[v, 0], cell[v, 1] = i, j
            used += 1
        if count[v] < most:
            f = features[v, count[v]]
            f[0], f[1], f[2], f[3] = x, y, z, fourth[k]
            count[v] += 1
    for v in range(used):
        n = count[v]
        mean_x, mean_y, mean_z = 0.0, 0.0, 0.0
        for p in range(n):
            mean_x += features[v, p, 0] / n
            mean_y += features[v, p, 1] / n
            mean_z += features[v, p, 2] / n
        middle_x, middle_y = low[0] + (cell[v, 0] + 0.5) * size[0], low[1] + (cell[v, 1] + 0.5) * size[1]
        for p in range(n):
            f = features[v, p]
            f[4], f[5], f[6] = f[0] - mean_x, f[1] - mean_y, f[2] - mean_z
            f[7], f[8] = f[0] - middle_x, f[1] - middle_y
    return used
