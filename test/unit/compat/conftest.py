"""The drop-ins, or a real installation where there is one: the same tests hold for both."""

from collections.abc import Callable
from typing import Any

import pytest

from perception_nodes import compat

PROVIDERS = compat.install()

from geometry_msgs.msg import TransformStamped  # noqa: E402
from rclpy.time import Time  # noqa: E402

MakeTransform = Callable[..., TransformStamped]


@pytest.fixture
def drop_ins_only() -> None:
    """Skip what a real installation does differently."""
    if "installed" in PROVIDERS.values():
        pytest.skip("a real tf2 or message_filters is installed and comes first")


@pytest.fixture
def make_transform() -> MakeTransform:
    """(parent, child, seconds, xyz, xyzw) -> TransformStamped."""

    def make(
        parent: str,
        child: str,
        seconds: float = 1.0,
        xyz: Any = (0.0, 0.0, 0.0),
        xyzw: Any = (0.0, 0.0, 0.0, 1.0),
    ) -> TransformStamped:
        message = TransformStamped(child_frame_id=child)
        message.header.frame_id = parent
        message.header.stamp = Time(seconds=seconds).to_msg()
        translation, rotation = message.transform.translation, message.transform.rotation
        translation.x, translation.y, translation.z = map(float, xyz)
        rotation.x, rotation.y, rotation.z, rotation.w = map(float, xyzw)
        return message

    return make
