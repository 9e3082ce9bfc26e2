"""Ego-motion compensation of a sweep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import MalformedMessage, PointCloud

from .transforms import Transform, rotation_vector


def deskew(cloud: PointCloud, end_from_start: Transform, start_s: float, end_s: float) -> PointCloud:
    """The sweep as if every point had been measured at `cloud.stamp_ns`.

    end_from_start: motion of the sensor between two times (s relative to the stamp), in the sensor's frame: a point at
    rest seen at `start_s` has the coordinates `end_from_start.apply(p)` at `end_s`. Constant velocity and rotation
    rate are assumed between them and extrapolated to the points' times and to the stamp.
    Raises MalformedMessage if the cloud has no per-point times.
    """
    if cloud.time_s is None:
        raise MalformedMessage("deskew: the cloud has no per-point times")
    if end_s <= start_s:
        raise MalformedMessage(f"deskew: wanted end_s > start_s, got {end_s} <= {start_s}")
    # Motion per second; a point of time t is moved by the motion from t to 0.
    omega = (rotation_vector(end_from_start.rotation) / (end_s - start_s)).astype(np.float32)
    velocity = (end_from_start.translation_m / (end_s - start_s)).astype(np.float32)
    dt = -cloud.time_s
    return replace(cloud, xyz_m=_move(cloud.xyz_m, dt, omega, velocity), time_s=np.zeros_like(cloud.time_s))


def _move(
    xyz_m: npt.NDArray[np.float32],
    dt_s: npt.NDArray[np.float32],
    omega_rps: npt.NDArray[np.float32],
    velocity_mps: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Rotate each point by omega * dt (Rodrigues' formula) and shift it by velocity * dt."""
    rate = float(np.linalg.norm(omega_rps))
    moved = xyz_m + dt_s[:, None] * velocity_mps
    if rate < 1e-9:
        return moved
    axis = omega_rps / np.float32(rate)
    angle = (dt_s * np.float32(rate))[:, None]
    sin, cos = np.sin(angle), np.cos(angle)
    cross = np.cross(axis, xyz_m).astype(np.float32)
    along = (xyz_m @ axis)[:, None] * axis
    rotated = xyz_m * cos + cross * sin + along * (1 - cos)
    out: npt.NDArray[np.float32] = (rotated + dt_s[:, None] * velocity_mps).astype(np.float32)
    return out
