"""The sweeps of all lidars as one compensated cloud in the base frame: what every cloud consumer needs first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import PointCloud, Rig, SensorSpec
from perception_nodes.geometry import Transform, deskew, merge_clouds

Lookup = Callable[[str, str, int], Transform]

# A lidar that gives fewer points in a sweep sees nothing: it is covered, or its receiver is dead. No points are no
# free space.
BLIND_POINTS = 64


@dataclass(frozen=True)
class SweepFrames:
    """Frames of a rig, and whether its motion is known (else sweeps cannot be compensated)."""

    base: str
    odom: str
    has_motion: bool

    @classmethod
    def of(cls, rig: Rig, tracking_frame: str) -> SweepFrames:
        """Tracking in the base frame means that the ego motion is not known."""
        return cls(rig.base_frame, rig.odom_frame, tracking_frame != rig.base_frame)


def merged_sweep(
    sweeps: Sequence[tuple[SensorSpec, PointCloud]], reference_ns: int, frames: SweepFrames, lookup: Lookup
) -> tuple[PointCloud, npt.NDArray[np.float64]]:
    """All sweeps in the base frame at `reference_ns`, and the sensors' origins (K, 3) m.

    `lookup(target, source, stamp_ns)` raises TransformUnavailable; that is passed on.
    """
    parts = []
    for spec, cloud in sweeps:
        pose = base_from_sensor(frames, cloud.frame_id, cloud.stamp_ns, reference_ns, lookup)
        parts.append((compensated(spec, cloud, frames, lookup), pose))
    return merge_clouds(parts, reference_ns, frames.base)


def compensated(spec: SensorSpec, cloud: PointCloud, frames: SweepFrames, lookup: Lookup) -> PointCloud:
    """The sweep as if measured at its stamp, where it carries times and the rig does not say that it is already."""
    if spec.motion_compensated or not frames.has_motion or cloud.time_s is None or not len(cloud):
        return cloud
    start_s, end_s = float(cloud.time_s.min()), float(cloud.time_s.max())
    if end_s <= start_s:
        return cloud
    # Poses are known to the stamp at the latest when the sweep arrives; a sweep stamped at its start reaches beyond.
    odom_from_start = lookup(frames.odom, cloud.frame_id, cloud.stamp_ns + round(start_s * 1e9))
    odom_from_end = lookup(frames.odom, cloud.frame_id, cloud.stamp_ns + round(end_s * 1e9))
    return deskew(cloud, odom_from_end.inverse() @ odom_from_start, start_s, end_s)


def base_from_sensor(
    frames: SweepFrames, sensor_frame: str, stamp_ns: int, reference_ns: int, lookup: Lookup
) -> Transform:
    """base_link at the reference stamp from a sensor's frame at its own stamp, the ego motion between included."""
    mount = lookup(frames.base, sensor_frame, stamp_ns)
    if stamp_ns == reference_ns or not frames.has_motion:
        return mount
    odom_from_base_then = lookup(frames.odom, frames.base, stamp_ns)
    odom_from_base_now = lookup(frames.odom, frames.base, reference_ns)
    return odom_from_base_now.inverse() @ odom_from_base_then @ mount
