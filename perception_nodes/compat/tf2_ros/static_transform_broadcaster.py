"""Publishes transforms of frames that are fixed in their parent."""

from collections.abc import Iterable

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from tf2_msgs.msg import TFMessage

from .qos import TF_STATIC_TOPIC, latched
from .transform_broadcaster import as_list


class StaticTransformBroadcaster:
    """Publishes on /tf_static, latched: each message repeats all transforms so far, the newest of each child."""

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        self._by_child: dict[str, TransformStamped] = {}
        self.pub_tf = node.create_publisher(
            TFMessage, TF_STATIC_TOPIC, latched(depth=1) if qos is None else qos
        )

    def sendTransform(self, transform: TransformStamped | Iterable[TransformStamped]) -> None:  # noqa: N802
        """Add or replace transforms and publish all of them."""
        self._by_child.update({item.child_frame_id: item for item in as_list(transform)})
        self.pub_tf.publish(TFMessage(transforms=list(self._by_child.values())))
