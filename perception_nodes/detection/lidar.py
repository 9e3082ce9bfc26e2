"""Geometric lidar detector: ground, clusters, boxes, class guess. No learning, no state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.datatypes import (
    UNKNOWN,
    VEHICLES,
    Detections3D,
    MalformedMessage,
    Orientation,
    PointCloud,
    SourceMask,
)
from perception_nodes.geometry import wrap_angle

from .boxes import FittedBoxes, finish, fit_boxes
from .classify import classify, quality
from .clustering import SegmentTree, build_tree
from .config import GeometricConfig
from .ground import GroundGrid, estimate_ground, heights_over_ground
from .select import choose, suppress
from .space import map_space

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
# Beyond this height over or under the base frame there is nothing to detect.
_MAX_Z_M = 30.0


@dataclass(frozen=True, eq=False)
class LidarFrame:
    """What one merged cloud gave, all in the cloud's frame.

    detections: the boxes; ground: height grid; height_m (N,) float32 height of each input point over the ground, NaN
    for points out of range or on the own vehicle; ground_band_m: points at most this high are ground, kerbs included.
    A map builder takes intensity and height steps from the points that `on_ground` marks.
    """

    detections: Detections3D
    ground: GroundGrid
    height_m: F32
    ground_band_m: float

    @property
    def on_ground(self) -> npt.NDArray[np.bool_]:
        """(N,) true for input points on the ground surface."""
        return np.asarray(np.abs(self.height_m) <= self.ground_band_m)


@dataclass(frozen=True, eq=False)
class FittedSweep:
    """What is known of a sweep before it is said what the objects are.

    kept (N,): which points of the cloud are used; height_m (N,) over the ground; tree and boxes: its nodes, row by row.
    """

    kept: npt.NDArray[np.int64]
    height_m: F32
    ground: GroundGrid
    tree: SegmentTree
    boxes: FittedBoxes


def practice_sweep() -> tuple[PointCloud, F64]:
    """A sweep of the base frame and its sensor's place, to run a detector once before the first real one."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-8, 8, (2000, 3)).astype(np.float32)
    xyz[:1500, 2] = 0.0
    cloud = PointCloud(0, "base_link", xyz, source=np.zeros(len(xyz), np.uint8))
    return cloud, np.array([[0.0, 0.0, 1.8]])


class GeometricLidarDetector:
    """Stateless: one merged, motion-compensated cloud of the base frame in, boxes and ground out."""

    def __init__(self, config: GeometricConfig | None = None) -> None:
        self.config = config or GeometricConfig()

    def detect(self, cloud: PointCloud, origins_m: F64) -> LidarFrame:
        """Objects of one sweep.

        cloud: base frame, motion compensated; `cloud.source` (absent: all 0) is the row of `origins_m` (K, 3), the
        sensors' positions in the base frame.
        Raises MalformedMessage if a point names a sensor without an origin.
        """
        fitted = self.fit(cloud, origins_m)
        boxes = fitted.boxes.pick(choose(fitted.tree, quality(fitted.boxes)))
        height = np.full(len(cloud), np.nan, np.float32)
        height[fitted.kept] = fitted.height_m
        found = _detections(cloud, boxes, self.config)
        return LidarFrame(found, fitted.ground, height, self.config.object_min_height_m)

    def fit(self, cloud: PointCloud, origins_m: F64) -> FittedSweep:
        """The tree of segments with a box for each node, arguments as of `detect`."""
        origins = np.ascontiguousarray(origins_m, np.float64).reshape(-1, 3)
        source = cloud.source if cloud.source is not None else np.zeros(len(cloud), np.uint8)
        if len(origins) == 0 or int(source.max(initial=0)) >= len(origins):
            wanted = int(source.max(initial=0)) + 1
            raise MalformedMessage(f"lidar detector: origins_m: wanted {wanted} rows, got {len(origins)}")
        kept, xyz, source = self._usable(cloud.xyz_m, source)
        ground = estimate_ground(xyz, self.config)
        height = heights_over_ground(xyz, ground)
        tree = build_tree(xyz, height, self.config)
        space = map_space(xyz, height, source, origins, ground.height_at(origins[:, :2]))
        nodes = fit_boxes(xyz, height, source, tree, origins, space, self.config.max_length_m)
        return FittedSweep(kept, height, ground, tree, nodes)

    def _usable(
        self, xyz_m: F32, source: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.int64], F32, npt.NDArray[np.uint8]]:
        """Points in range and outside of the own vehicle: their indices, positions and sources."""
        c = self.config
        own = (c.ego_center_x_m, c.ego_center_y_m, c.ego_length_m / 2, c.ego_width_m / 2)
        kept = np.empty(len(xyz_m), np.int64)
        xyz, of = np.empty((len(xyz_m), 3), np.float32), np.empty(len(xyz_m), np.uint8)
        n = _select(xyz_m, source, c.range_m, _MAX_Z_M, own, kept, xyz, of)
        return kept[:n], xyz[:n], of[:n]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _select(xyz: Any, source: Any, reach: float, max_z: float, own: Any, kept: Any, out: Any, of: Any) -> int:
    n = 0
    for k in range(len(xyz)):
        x, y, z = xyz[k, 0], xyz[k, 1], xyz[k, 2]
        inside = abs(x) < reach and abs(y) < reach and abs(z) < max_z
        if inside and not (abs(x - own[0]) <= own[2] and abs(y - own[1]) <= own[3]):
            kept[n], of[n] = k, source[k]
            out[n, 0], out[n, 1], out[n, 2] = x, y, z
            n += 1
    return n


def _detections(cloud: PointCloud, boxes: FittedBoxes, config: GeometricConfig) -> Detections3D:
    probabilities, score = classify(boxes)
    fits = (boxes["points"] >= config.min_points) & (boxes["small_length"] < config.max_length_m)
    fits &= (boxes["top"] > 0.4) & (boxes["small_width"] < 6.0) & (score >= config.min_score)
    sure = (score >= config.min_unknown_score) & (boxes["range"] < config.unknown_range_m)
    fits &= sure | (probabilities.argmax(axis=1) != UNKNOWN)
    keep = np.flatnonzero(fits)
    keep = keep[np.argsort(-score[keep], kind="stable")][: config.max_detections]
    probabilities, score = probabilities[keep], score[keep]
    label = probabilities.argmax(axis=1).astype(np.uint8) if len(keep) else np.zeros(0, np.uint8)
    vehicle = np.isin(label, list(VEHICLES))
    picked = finish(boxes.pick(keep), vehicle)
    tall = np.maximum(picked["top"], 0.2)
    center = np.stack([picked["x"], picked["y"], picked["ground_z"] + tall / 2], axis=1)
    lwh = np.stack([np.maximum(picked["length"], 0.1), np.maximum(picked["width"], 0.1), tall], axis=1)
    found = Detections3D.of(
        cloud.stamp_ns,
        cloud.frame_id,
        "lidar",
        center,
        lwh,
        wrap_angle(picked["yaw"]),
        orientation=np.full(len(keep), Orientation.SIGN_UNKNOWN, np.uint8),
        label=label,
        class_probabilities=probabilities,
        score=score,
        covariance=_covariance(picked),
        num_points=picked["points"].astype(np.int32),
        visibility=_visibility(picked),
        source_mask=np.full(len(keep), SourceMask.LIDAR, np.uint8),
    )
    return found.select(suppress(center, lwh, picked["yaw"], score, vehicle))


def _visibility(boxes: FittedBoxes) -> F64:
    """Share of the completed box's length that was seen, lowered for ends that something else hides."""
    share = np.clip(boxes["seen_length"] / np.maximum(boxes["length"], 0.1), 0.1, 1.0)
    return np.asarray(np.clip(share, 0.0, 1.0))


def _covariance(boxes: FittedBoxes) -> F64:
    """(M, 9, 9): what was seen is known to the point spacing, what was completed to the spread of vehicle sizes."""
    n = len(boxes)
    grown_l = np.maximum(boxes["length"] - boxes["seen_length"], 0)
    grown_w = np.maximum(boxes["width"] - boxes["seen_width"], 0)
    spacing = 0.1 + 0.003 * boxes["range"] + 0.3 / np.sqrt(np.maximum(boxes["points"], 1))
    along, across = np.hypot(spacing, 0.35 * grown_l), np.hypot(spacing, 0.25 * grown_w)
    c, s = np.cos(boxes["yaw"]), np.sin(boxes["yaw"])
    out = np.full((n, 9, 9), np.nan)
    out[:, :7, :7] = 0.0
    out[:, 0, 0] = (along * c) ** 2 + (across * s) ** 2
    out[:, 1, 1] = (along * s) ** 2 + (across * c) ** 2
    out[:, 0, 1] = out[:, 1, 0] = (along**2 - across**2) * c * s
    out[:, 2, 2] = spacing**2
    out[:, 3, 3] = (0.05 + 0.6 / np.sqrt(np.maximum(boxes["points"], 1))) ** 2
    out[:, 4, 4] = np.hypot(2 * spacing, 0.5 * grown_l) ** 2
    out[:, 5, 5] = np.hypot(2 * spacing, 0.3 * grown_w) ** 2
    out[:, 6, 6] = (2 * spacing) ** 2
    # Centre and extent err together, by the sides that are seen: the tracker knows which.
    out[:, :2, 4:6] = out[:, 4:6, :2] = np.nan
    return out
