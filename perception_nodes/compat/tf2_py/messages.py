"""Transforms out of and into messages."""

from math import isfinite
from typing import Any

from geometry_msgs.msg import TransformStamped
from perception_compat.rigid import Quaternion, Rigid, normalized

from .cache import NS_PER_S

_NO_ROTATION = 1e-12
_ROUNDING_TOLERANCE = 1e-9


def rigid_of(transform: Any) -> Rigid:
    """(translation, rotation) of a message, as it is."""
    t, q = transform.translation, transform.rotation
    return (float(t.x), float(t.y), float(t.z)), (float(q.x), float(q.y), float(q.z), float(q.w))


def unit(q: Quaternion) -> Quaternion:
    """The quaternion, normalised unless only rounding keeps it from unit length."""
    square = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]
    return q if abs(square - 1.0) < _ROUNDING_TOLERANCE else normalized(q)


def fault(parent: str, child: str, authority: str, rigid: Rigid) -> str:
    """Why the transform cannot be used, in tf2's words; empty where it can."""
    if not child:
        return (
            f'TF_NO_CHILD_FRAME_ID: Ignoring transform from authority "{authority}": child_frame_id not set'
        )
    if not parent:
        return (
            f'TF_NO_FRAME_ID: Ignoring transform of "{child}" from authority "{authority}": frame_id not set'
        )
    if child == parent:
        return f'TF_SELF_TRANSFORM: Ignoring transform from authority "{authority}" of "{child}" to itself'
    (x, y, z), (qx, qy, qz, qw) = rigid
    square = qx * qx + qy * qy + qz * qz + qw * qw
    if not isfinite(x + y + z + square):
        return (
            f'TF_NAN_INPUT: Ignoring transform of "{child}" from authority "{authority}": not finite: {rigid}'
        )
    if square < _NO_ROTATION:
        return (
            f'TF_DENORMALIZED_QUATERNION: Ignoring transform of "{child}" from authority "{authority}": '
            "its quaternion has no length"
        )
    return ""


def stamped(target: str, source: str, stamp_ns: int, rigid: Rigid) -> TransformStamped:
    """The message of target_from_source."""
    message = TransformStamped()
    header, transform = message.header, message.transform
    header.frame_id = target
    header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, NS_PER_S)
    message.child_frame_id = source
    translation, rotation = transform.translation, transform.rotation
    translation.x, translation.y, translation.z = rigid[0]
    rotation.x, rotation.y, rotation.z, rotation.w = rigid[1]
    return message
