"""The profiles of /tf and /tf_static."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile

TF_TOPIC = "/tf"
TF_STATIC_TOPIC = "/tf_static"


def moving() -> QoSProfile:
    """Reliable, volatile, 100 deep."""
    return QoSProfile(depth=100, durability=DurabilityPolicy.VOLATILE, history=HistoryPolicy.KEEP_LAST)


def latched(depth: int) -> QoSProfile:
    """Reliable, kept for late subscribers."""
    return QoSProfile(
        depth=depth, durability=DurabilityPolicy.TRANSIENT_LOCAL, history=HistoryPolicy.KEEP_LAST
    )
