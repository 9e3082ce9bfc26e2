"""`BufferClient` is not part of the drop-in."""

from typing import Any


class BufferClient:
    """Lookups in another process's buffer through the action tf2_msgs/LookupTransform: not supported."""

    def __init__(self, *_arguments: Any, **_named: Any) -> None:
        raise NotImplementedError(
            "tf2_ros.BufferClient (action tf2_msgs/LookupTransform) is not part of the drop-in of perception_nodes: "
            "use Buffer and TransformListener, or install tf2_ros"
        )
