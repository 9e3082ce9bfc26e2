"""Velocities from two poses."""

from math import acos, sqrt

from perception_compat.rigid import Quaternion, Rigid, Vector, conjugate, multiply

Twist = tuple[Vector, Vector]


def mean_twist(start: Rigid, end: Rigid, seconds: float) -> Twist:
    """(linear, angular) mean velocity of a frame's origin, in the frame that the poses are given in."""
    turned = _rotation_vector(multiply(end[1], conjugate(start[1])))
    return _scaled(subtract(end[0], start[0]), 1.0 / seconds), _scaled(turned, 1.0 / seconds)


def at_lever(twist: Twist, lever: Vector) -> Vector:
    """The linear velocity of the point that lies `lever` from the one whose twist is given."""
    (vx, vy, vz), (wx, wy, wz) = twist
    x, y, z = lever
    return (vx + wy * z - wz * y, vy + wz * x - wx * z, vz + wx * y - wy * x)


def subtract(a: Vector, b: Vector) -> Vector:
    """`a` minus `b`."""
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def _scaled(a: Vector, factor: float) -> Vector:
    return (a[0] * factor, a[1] * factor, a[2] * factor)


def _rotation_vector(q: Quaternion) -> Vector:
    """Axis times angle, the angle in [0, pi]."""
    x, y, z, w = q if q[3] >= 0.0 else (-q[0], -q[1], -q[2], -q[3])
    length = sqrt(x * x + y * y + z * z)
    scale = 2.0 if length == 0.0 else 2.0 * acos(min(w, 1.0)) / length
    return (x * scale, y * scale, z * scale)
