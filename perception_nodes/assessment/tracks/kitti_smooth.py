"""KITTI tracks with what came later: smoothed in odom, whatever frame they were tracked in, and seen by the camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import Tracks
from perception_nodes.evaluation.kitti_objects import KittiObjects
from perception_nodes.geometry import Transform, transform_detections, wrap_angle

from .kitti import VEHICLE_FRAME, KittiTracker, Seen, results
from .smooth import Frame, SmoothConfig, smoothed

F64 = npt.NDArray[np.float64]


def offline(
    seen: Sequence[Seen], tracker: KittiTracker, poses: Sequence[Transform] | None, drifts: bool
) -> list[KittiObjects]:
    """What is written of one pass when it is smoothed. poses: odom_from_base, None: nothing is known of the vehicle's
    motion, all is smoothed in its frame; drifts: they are estimates, so that nothing keeps its place in odom.
    """
    known = poses or [Transform.identity()] * len(seen)
    frames = [_in_odom(s, pose) for s, pose in zip(seen, known, strict=True)]
    out = smoothed(frames, SmoothConfig(still_m=0.0 if drifts else SmoothConfig.still_m, whole_boxes=True))
    views = [
        tracker.seen(tracks, f.detections, pose.inverse(), None)
        for tracks, f, pose in zip(out, frames, known, strict=True)
    ]
    return results(views, tracker.label, tracker.config)


def _in_odom(seen: Seen, odom_from_base: Transform) -> Frame:
    if seen.tracks.frame_id != VEHICLE_FRAME:
        return Frame(seen.tracks, seen.detections, odom_from_base)
    detections = transform_detections(seen.detections, "odom", odom_from_base)
    return Frame(_moved(seen.tracks, odom_from_base), detections, odom_from_base)


def _moved(tracks: Tracks, odom_from_base: Transform) -> Tracks:
    """Place and heading; motion and covariances, which smoothing does not look at, stay."""
    center_m = np.asarray(odom_from_base.apply(tracks.center_m), np.float64)
    yaw_rad = np.asarray(wrap_angle(tracks.yaw_rad + odom_from_base.yaw_rad), np.float64)
    return replace(tracks, frame_id="odom", center_m=center_m, yaw_rad=yaw_rad)
