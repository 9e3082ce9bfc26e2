"""Rigid transforms of plain floats: for one transform at a time, tuples are ten times faster than arrays.

Quaternions are (x, y, z, w). A transform is (translation, rotation) and maps child coordinates to parent ones.
"""

from math import acos, sin, sqrt

import numpy as np
from numpy.typing import NDArray

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
Rigid = tuple[Vector, Quaternion]

IDENTITY: Rigid = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))

# Above this cosine of the half angle between two rotations, sin() in slerp loses more digits than linear weights.
_NEARLY_PARALLEL = 1.0 - 1e-9


def multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    """The rotation `b` followed by the rotation `a`."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def conjugate(q: Quaternion) -> Quaternion:
    """The inverse of a unit quaternion."""
    x, y, z, w = q
    return (-x, -y, -z, w)


def normalized(q: Quaternion) -> Quaternion:
    """`q` scaled to unit length.

    Raises:
        ValueError: it has no length.
    """
    x, y, z, w = q
    square = x * x + y * y + z * z + w * w
    if square == 0.0:
        raise ValueError("a quaternion of zeros is not a rotation")
    scale = 1.0 / sqrt(square)
    return (x * scale, y * scale, z * scale, w * scale)


def rotate(q: Quaternion, v: Vector) -> Vector:
    """The vector `v` turned by the unit quaternion `q`."""
    x, y, z, w = q
    vx, vy, vz = v
    tx = 2.0 * (y * vz - z * vy)
    ty = 2.0 * (z * vx - x * vz)
    tz = 2.0 * (x * vy - y * vx)
    return (
        vx + w * tx + y * tz - z * ty,
        vy + w * ty + z * tx - x * tz,
        vz + w * tz + x * ty - y * tx,
    )


def apply(rigid: Rigid, point: Vector) -> Vector:
    """The point in parent coordinates."""
    (tx, ty, tz), rotation = rigid
    x, y, z = rotate(rotation, point)
    return (x + tx, y + ty, z + tz)


def compose(a_from_b: Rigid, b_from_c: Rigid) -> Rigid:
    """a_from_c."""
    return apply(a_from_b, b_from_c[0]), multiply(a_from_b[1], b_from_c[1])


def inverse(a_from_b: Rigid) -> Rigid:
    """b_from_a."""
    rotation = conjugate(a_from_b[1])
    x, y, z = rotate(rotation, a_from_b[0])
    return (-x, -y, -z), rotation


def slerp(a: Quaternion, b: Quaternion, ratio: float) -> Quaternion:
    """From `a` (0) to `b` (1) at constant rate on the shorter arc (`b` and `-b` are the same rotation)."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    cosine = ax * bx + ay * by + az * bz + aw * bw
    sign = 1.0
    if cosine < 0.0:
        cosine, sign = -cosine, -1.0
    if cosine > _NEARLY_PARALLEL:
        wa, wb = 1.0 - ratio, ratio * sign
        return normalized((wa * ax + wb * bx, wa * ay + wb * by, wa * az + wb * bz, wa * aw + wb * bw))
    angle = acos(cosine)
    scale = 1.0 / sin(angle)
    wa, wb = sin((1.0 - ratio) * angle) * scale, sin(ratio * angle) * scale * sign
    return (wa * ax + wb * bx, wa * ay + wb * by, wa * az + wb * bz, wa * aw + wb * bw)


def interpolate(a: Rigid, b: Rigid, ratio: float) -> Rigid:
    """From `a` (0) to `b` (1): translation linearly, rotation by `slerp`."""
    (ax, ay, az), qa = a
    (bx, by, bz), qb = b
    translation = (ax + (bx - ax) * ratio, ay + (by - ay) * ratio, az + (bz - az) * ratio)
    return translation, slerp(qa, qb, ratio)


def rotation_matrix(q: Quaternion) -> NDArray[np.float64]:
    """(3, 3) matrix of a quaternion of any length but zero."""
    x, y, z, w = normalized(q)
    columns = [rotate((x, y, z, w), axis) for axis in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))]
    matrix: NDArray[np.float64] = np.array(columns).T
    return matrix
