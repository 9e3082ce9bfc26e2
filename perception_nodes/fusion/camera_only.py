"""Objects that only a camera sees: depth from the class's height and from the ground, with honest covariance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import (
    COVARIANCE_STATE,
    SIZE_MEAN_LWH_M,
    SIZE_STD_LWH_M,
    Detections3D,
    Orientation,
    SourceMask,
)
from perception_nodes.geometry import wrap_angle

from .config import FusionConfig
from .projection import CameraView

F64 = npt.NDArray[np.float64]
# A yaw of which nothing is known: standard deviation of the uniform distribution over a turn.
_YAW_STD_RAD = np.pi / np.sqrt(3.0)


def depth_of_boxes(view: CameraView, index: npt.NDArray[np.int64], config: FusionConfig) -> tuple[F64, F64]:
    """Depth and its std (K,) m along the optical axis of the picked boxes; NaN where neither cue is usable.

    Two cues, combined by inverse variance: the height of the class over the height of the box in pixels (not for a
    box cut off at the top or bottom), and the ground below the box's lower edge (not for one cut off at the bottom).
    """
    box = view.detections.box_px[index]
    label = view.detections.label[index]
    cut_top = box[:, 1] <= config.border_px
    cut_bottom = box[:, 3] >= view.model.height_px - config.border_px
    height_m = np.array(SIZE_MEAN_LWH_M)[label, 2]
    height_std_m = np.array(SIZE_STD_LWH_M)[label, 2]
    height_px = np.maximum(box[:, 3] - box[:, 1], 1.0)
    by_size = view.model.fy_px * height_m / height_px
    relative = np.hypot(height_std_m / height_m, np.sqrt(2) * config.box_edge_std_px / height_px)
    by_size_var = np.where(cut_top | cut_bottom, np.inf, (by_size * relative) ** 2)
    by_ground, by_ground_std = _ground_depth(view, box, config)
    by_ground_var = np.where(cut_bottom | ~np.isfinite(by_ground), np.inf, by_ground_std**2)
    weight_size, weight_ground = 1 / by_size_var, 1 / by_ground_var
    total = weight_size + weight_ground
    with np.errstate(invalid="ignore", divide="ignore"):
        ground_term = np.where(weight_ground > 0, by_ground * weight_ground, 0.0)
        depth = np.where(total > 0, (by_size * weight_size + ground_term) / total, np.nan)
        std = np.where(total > 0, 1 / np.sqrt(total), np.nan)
    return depth, std


def _ground_depth(view: CameraView, box: F64, config: FusionConfig) -> tuple[F64, F64]:
    """Where the ray through the middle of the lower edge meets the plane of the road: depth and std, NaN above the
    horizon.
    """
    bottom = np.stack([(box[:, 0] + box[:, 2]) / 2, box[:, 3]], axis=1)
    base_from_optical = view.optical_from_base.inverse()
    rays = base_from_optical.rotate(view.model.rays(bottom))
    height = base_from_optical.translation_m[2] - config.ground_z_m
    down = -rays[:, 2]
    usable = (down > 1e-3) & (height > 0.1)
    depth = np.where(usable, height / np.where(usable, down, 1.0), np.nan)
    # d(depth) = depth / height * d(height) + depth / down * d(down): road height, slope, pixel.
    slope = np.hypot(config.ground_slope_std, config.box_edge_std_px / view.model.fy_px)
    std = depth * np.hypot(config.ground_z_std_m / max(height, 0.1), slope / np.maximum(down, 1e-3))
    return depth, std


def camera_only_objects(
    view: CameraView, index: npt.NDArray[np.int64], stamp_ns: int, frame_id: str, config: FusionConfig
) -> Detections3D:
    """The picked camera boxes as objects in the base frame; those without a usable depth are left out."""
    depth, depth_std = depth_of_boxes(view, index, config)
    base_from_optical = view.optical_from_base.inverse()
    box = view.detections.box_px[index]
    middle = np.stack([(box[:, 0] + box[:, 2]) / 2, (box[:, 1] + box[:, 3]) / 2], axis=1)
    rays = view.model.rays(middle)
    label = view.detections.label[index]
    lwh = np.array(SIZE_MEAN_LWH_M)[label]
    # The depth is that of the visible side; the centre lies half the object's width behind it.
    center = base_from_optical.apply(rays * (depth + lwh[:, 1] / 2)[:, None])
    distance = np.linalg.norm(center[:, :2], axis=1)
    keep = np.isfinite(depth) & (depth > 1.0) & (distance <= config.camera_only_range_m)
    kept = np.flatnonzero(keep)
    detections = view.detections
    covariance = _covariance(view, center[kept], depth[kept], depth_std[kept], label[kept], config)
    count = len(kept)
    return Detections3D.of(
        stamp_ns,
        frame_id,
        "fusion",
        center[kept],
        lwh[kept],
        np.asarray(wrap_angle(np.arctan2(center[kept, 1], center[kept, 0]))),
        orientation=np.full(count, Orientation.UNAVAILABLE, np.uint8),
        label=label[kept],
        class_probabilities=detections.class_probabilities[index][kept],
        score=detections.score[index][kept] * config.camera_only_discount,
        covariance=covariance,
        source_mask=np.full(count, SourceMask.CAMERA, np.uint8),
    )


def _covariance(
    view: CameraView,
    center_m: F64,
    depth_m: F64,
    depth_std_m: F64,
    label: npt.NDArray[np.uint8],
    config: FusionConfig,
) -> F64:
    """(K, 9, 9): long along the ray, short across, class spread in the size, nothing known of yaw."""
    size_std = np.array(SIZE_STD_LWH_M)[label]
    origin = view.optical_from_base.inverse().translation_m
    bearing = np.arctan2(center_m[:, 1] - origin[1], center_m[:, 0] - origin[0])
    across = depth_m * config.box_edge_std_px / view.model.fx_px + 0.25 * size_std[:, 0]
    along = np.hypot(depth_std_m, size_std[:, 0])
    c, s = np.cos(bearing), np.sin(bearing)
    rotation = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], axis=1)
    diagonal = np.zeros((len(depth_m), 2, 2))
    diagonal[:, 0, 0], diagonal[:, 1, 1] = along**2, across**2
    out = np.full((len(depth_m), 9, 9), np.nan)
    out[:, :7, :7] = 0.0
    out[:, :2, :2] = rotation @ diagonal @ rotation.transpose(0, 2, 1)
    z_std = np.hypot(config.ground_z_std_m, config.ground_slope_std * depth_m)
    out[:, 2, 2] = z_std**2
    out[:, 3, 3] = _YAW_STD_RAD**2
    for k, name in enumerate("lwh"):
        row = COVARIANCE_STATE.index(name)
        out[:, row, row] = size_std[:, k] ** 2
    # The centre lies behind the seen side by the class's width: it errs with the extent, but the yaw is not known.
    out[:, :2, 4:6] = out[:, 4:6, :2] = np.nan
    return out
