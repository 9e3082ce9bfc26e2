"""Rigid transforms named `target_from_source`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import MalformedMessage

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Transform:
    """p_target = rotation @ p_source + translation_m. Written `target_from_source`; `@` chains them.

    rotation (3, 3) orthonormal, translation_m (3,).
    """

    rotation: F64
    translation_m: F64

    def __post_init__(self) -> None:
        if self.rotation.shape != (3, 3) or self.translation_m.shape != (3,):
            shapes = f"{self.rotation.shape}, {self.translation_m.shape}"
            raise MalformedMessage(f"Transform: wanted shapes (3, 3), (3,), got {shapes}")
        finite = np.isfinite(self.rotation).all() and np.isfinite(self.translation_m).all()
        if not finite:
            raise MalformedMessage("Transform: rotation or translation is not finite")

    @classmethod
    def identity(cls) -> Transform:
        """The transform of a frame to itself (never a stand-in for a missing one)."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def from_quaternion(cls, translation_m: Any, quaternion_xyzw: Any) -> Transform:
        """From a translation (3,) m and a quaternion (x, y, z, w), normalised here; raises if its norm is 0."""
        x, y, z, w = (float(v) for v in quaternion_xyzw)
        norm = x * x + y * y + z * z + w * w
        if not norm > 1e-12:
            raise MalformedMessage(f"quaternion of norm {norm**0.5 if norm >= 0 else norm}: wanted 1")
        s = 2.0 / norm
        rotation = np.array(
            [
                [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
                [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
                [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
            ]
        )
        return cls(rotation, np.asarray(translation_m, np.float64).reshape(3).copy())

    @classmethod
    def from_matrix(cls, matrix: Any) -> Transform:
        """From a (4, 4) homogeneous matrix."""
        m = np.asarray(matrix, np.float64)
        return cls(m[:3, :3].copy(), m[:3, 3].copy())

    @classmethod
    def from_xyz_rpy(cls, xyz_m: Any, rpy_rad: Any) -> Transform:
        """From a translation and fixed-axis roll, pitch, yaw (REP-103): R = Rz(yaw) Ry(pitch) Rx(roll)."""
        r, p, y = (float(v) for v in rpy_rad)
        cr, sr, cp, sp, cy, sy = np.cos(r), np.sin(r), np.cos(p), np.sin(p), np.cos(y), np.sin(y)
        rotation = np.array(
            [
                [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
                [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
                [-sp, cp * sr, cp * cr],
            ]
        )
        return cls(rotation, np.asarray(xyz_m, np.float64).reshape(3).copy())

    def __matmul__(self, other: Transform) -> Transform:
        """a_from_c = a_from_b @ b_from_c."""
        rotation = self.rotation @ other.rotation
        return Transform(rotation, self.rotation @ other.translation_m + self.translation_m)

    def inverse(self) -> Transform:
        """source_from_target."""
        return Transform(self.rotation.T.copy(), -(self.rotation.T @ self.translation_m))

    def apply(self, xyz_m: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Points (N, 3) of the source frame in the target frame, in the dtype they came in."""
        rotation = self.rotation.astype(xyz_m.dtype, copy=False)
        out: npt.NDArray[Any] = xyz_m @ rotation.T + self.translation_m.astype(xyz_m.dtype, copy=False)
        return out

    def rotate(self, xyz: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Directions (N, 3) of the source frame in the target frame."""
        out: npt.NDArray[Any] = xyz @ self.rotation.T
        return out

    @property
    def matrix(self) -> F64:
        """(4, 4) homogeneous matrix."""
        out = np.eye(4)
        out[:3, :3], out[:3, 3] = self.rotation, self.translation_m
        return out

    @property
    def yaw_rad(self) -> float:
        """Rotation about +z of the x axis, in (-pi, pi]."""
        return float(np.arctan2(self.rotation[1, 0], self.rotation[0, 0]))

    @property
    def quaternion_xyzw(self) -> F64:
        """(x, y, z, w), w >= 0. Source: S. W. Shepperd, Quaternion from rotation matrix, JGCD 1(3), 1978."""
        m = self.rotation
        four = np.array([*(2 * np.diagonal(m) - np.trace(m)), np.trace(m)]) + 1.0
        k = int(np.argmax(four))
        q = np.empty(4)
        q[k] = np.sqrt(four[k]) / 2
        d = 4 * q[k]
        if k == 3:
            q[0], q[1], q[2] = (m[2, 1] - m[1, 2]) / d, (m[0, 2] - m[2, 0]) / d, (m[1, 0] - m[0, 1]) / d
        else:
            i, j = (k + 1) % 3, (k + 2) % 3
            q[i], q[j] = (m[i, k] + m[k, i]) / d, (m[j, k] + m[k, j]) / d
            q[3] = (m[j, i] - m[i, j]) / d
        return q if q[3] >= 0 else -q


def interpolate(start: Transform, end: Transform, fraction: float) -> Transform:
    """Transform between two: translation linear, rotation along the shortest arc (slerp); 0 = start, 1 = end."""
    delta = start.rotation.T @ end.rotation
    rotation = start.rotation @ rotation_from_vector(rotation_vector(delta) * fraction)
    translation = start.translation_m + (end.translation_m - start.translation_m) * fraction
    return Transform(rotation, translation)


def rotation_vector(rotation: F64) -> F64:
    """(3,) axis times angle [0, pi] of a rotation matrix."""
    q = Transform(rotation, np.zeros(3)).quaternion_xyzw
    length = float(np.linalg.norm(q[:3]))
    if length < 1e-12:
        return 2.0 * q[:3]
    return np.asarray(q[:3] / length * (2.0 * np.arctan2(length, q[3])))


def rotation_from_vector(vector: F64) -> F64:
    """(3, 3) rotation matrix of an axis times angle (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    k = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    out: F64 = np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k)
    return out


def wrap_angle(angle_rad: Any) -> Any:
    """Angle in [-pi, pi)."""
    return (np.asarray(angle_rad) + np.pi) % (2 * np.pi) - np.pi
