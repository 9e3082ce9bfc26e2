"""QoS of every topic, in one table. Measured reasons are in docs/architecture.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy

_LEASE: Final = Duration(nanoseconds=300_000_000)


def sensor_input(reliable: bool | None, depth: int = 2) -> QoSProfile:
    """Clouds, images, camera info: the newest one or two, old ones are of no use.

    None: best effort to begin with, which hears every publisher; `PerceptionNode.listen` then follows what they offer.
    """
    reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(depth=depth, reliability=reliability, durability=DurabilityPolicy.VOLATILE)


def stamps_input(reliable: bool | None) -> QoSProfile:
    """Messages of which only the stamp is read: deep, because every one is accounted for."""
    return sensor_input(reliable, depth=20)


def detections() -> QoSProfile:
    """Frame sets and detections: reliable, a few kept so that a join does not lose one."""
    return QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


def objects() -> QoSProfile:
    """Objects and map elements for planners: the newest, with an automatic sign of life."""
    return QoSProfile(
        depth=5,
        reliability=ReliabilityPolicy.RELIABLE,
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
        liveliness_lease_duration=_LEASE,
    )


def health() -> QoSProfile:
    """Heartbeats: lost liveliness means that a node hangs or has died."""
    return QoSProfile(
        depth=10,
        reliability=ReliabilityPolicy.RELIABLE,
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
        liveliness_lease_duration=_LEASE,
    )


def latched(depth: int = 1) -> QoSProfile:
    """The last message for those who come late."""
    return QoSProfile(
        depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
    )


def events() -> QoSProfile:
    """Drops and diagnostics."""
    return QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)


def describe(profile: Any) -> str:
    """One line about a profile, for messages about mismatches."""
    words: Sequence[str] = (
        profile.reliability.name,
        profile.durability.name,
        f"depth {profile.depth}",
        profile.liveliness.name,
    )
    return ", ".join(words)
