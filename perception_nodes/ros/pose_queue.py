"""Messages of one input, in order, each until the vehicle's pose at its stamp is known."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from perception_nodes.datatypes import DropReason, TransformUnavailable
from perception_nodes.geometry import Transform

from .convert import from_msg
from .node import PerceptionNode
from .transforms import TransformStore

_PATIENCE_S = 0.2


class PoseQueue:
    """Of the messages of the account with this name; their poses are in `frame_id`."""

    def __init__(self, node: PerceptionNode, name: str, frame_id: str, transforms: TransformStore) -> None:
        self._node, self._name = node, name
        self._frame, self._transforms = frame_id, transforms
        self._waiting: deque[tuple[Any, int]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, message: Any, received_ns: int) -> None:
        """It has come at this monotonic time."""
        self._waiting.append((message, received_ns))

    @property
    def stamp_ns(self) -> int:
        """Of the oldest message."""
        return from_msg.stamp_ns(self._waiting[0][0].header)

    def take(self) -> tuple[Any, int, Transform] | None:
        """The oldest message, when it came, and the pose of its frame; None: its transform may still come.

        Raises TransformUnavailable where it has been waited for long enough; the message is taken out then too.
        """
        message, received_ns = self._waiting[0]
        try:
            pose = self._transforms.lookup(self._frame, message.header.frame_id, self.stamp_ns)
        except TransformUnavailable:
            if time.monotonic_ns() - received_ns < self._node.wait_ns(_PATIENCE_S):
                return None
            self._waiting.popleft()
            raise
        self._waiting.popleft()
        return message, received_ns, pose

    def clear(self, reason: DropReason) -> None:
        """Drop what waits."""
        while self._waiting:
            account = self._node.accounts[self._name]
            self._node.drop(account, self.stamp_ns, reason, "waiting for a transform")
            self._waiting.popleft()
