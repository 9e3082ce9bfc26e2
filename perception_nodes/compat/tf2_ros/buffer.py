"""The buffer of a node: the tree, lookups that wait, futures, and what a time jump does to it."""

import threading
import time as wall
from collections.abc import Callable
from functools import partial
from typing import Any

import rclpy.logging
from geometry_msgs.msg import TransformStamped
from perception_compat.stamps import duration_ns
from rclpy.clock import Clock, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.task import Future
from rclpy.time import Time
from tf2_py import BufferCore

from .buffer_interface import NO_WAIT, BufferInterface

try:
    from tf2_msgs.srv import FrameGraph
except ImportError:
    FrameGraph = None

Check = Callable[[], tuple[bool, str]]
Lookup = Callable[[], TransformStamped]

_JUMP = JumpThreshold(min_forward=None, min_backward=Duration(seconds=-1), on_clock_change=True)


class Buffer(BufferCore, BufferInterface):
    """`BufferCore` with timeouts, futures and message transforms.

    Given a node, it is cleared when the node's clock jumps back by a second or more or changes its source, and it
    offers the service `tf2_frames` where tf2_msgs has FrameGraph.

    A lookup with a timeout blocks its thread, so something else must feed the buffer: a `TransformListener` with
    `spin_thread=True`, or another executor thread. Differs from upstream: waiting ends at the transform that makes
    the lookup possible, not at the next poll, is measured on a monotonic clock, and futures are completed outside of
    any lock.
    """

    def __init__(self, cache_time: Duration | None = None, node: Node | None = None) -> None:
        BufferCore.__init__(self, *(() if cache_time is None else (cache_time,)))
        BufferInterface.__init__(self)
        self._changed = threading.Condition()
        self._pending: list[tuple[Future[Any], Check, Lookup]] = []
        self.clock = Clock() if node is None else node.get_clock()
        self.jump_handle = self.clock.create_jump_callback(_JUMP, post_callback=self.time_jump_callback)
        self.srv = None
        if node is not None and FrameGraph is not None:
            self.srv = node.create_service(FrameGraph, "tf2_frames", self._frames_service)

    def _frames_service(self, _request: Any, response: Any) -> Any:
        response.frame_yaml = self.all_frames_as_yaml()
        return response

    def time_jump_callback(self, time_jump: TimeJump) -> None:
        """Forget the moving transforms: their stamps belong to another time."""
        rclpy.logging.get_logger("tf2_buffer").warning("Detected jump back in time. Clearing tf buffer.")
        self.clear()

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Add one sample of a moving frame and wake those who wait for it."""
        super().set_transform(transform, authority)
        self._announce()

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Fix a frame in its parent and wake those who wait for it."""
        super().set_transform_static(transform, authority)
        self._announce()

    def lookup_transform(
        self, target_frame: str, source_frame: str, time: Time, timeout: Duration = NO_WAIT
    ) -> TransformStamped:
        """target_from_source at a time (0: the newest common one), waiting up to `timeout` for it.

        Raises:
            TransformException: as `BufferCore.lookup_transform_core`.
        """
        if duration_ns(timeout) > 0:
            self._wait(partial(self.can_transform_core, target_frame, source_frame, time), timeout)
        return self.lookup_transform_core(target_frame, source_frame, time)

    def lookup_transform_full(
        self,
        target_frame: str,
        target_time: Time,
        source_frame: str,
        source_time: Time,
        fixed_frame: str,
        timeout: Duration = NO_WAIT,
    ) -> TransformStamped:
        """Target at one time from source at another, by way of `fixed_frame`, waiting up to `timeout` for it.

        Raises:
            TransformException: as `BufferCore.lookup_transform_core`.
        """
        query = (target_frame, target_time, source_frame, source_time, fixed_frame)
        if duration_ns(timeout) > 0:
            self._wait(partial(self.can_transform_full_core, *query), timeout)
        return self.lookup_transform_full_core(*query)

    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time,
        timeout: Duration = NO_WAIT,
        return_debug_tuple: bool = False,
    ) -> bool | tuple[bool, str]:
        """Whether `lookup_transform` would succeed within the timeout; with its reason if that is asked for."""
        result = self._wait(partial(self.can_transform_core, target_frame, source_frame, time), timeout)
        return result if return_debug_tuple else result[0]

    def can_transform_full(
        self,
        target_frame: str,
        target_time: Time,
        source_frame: str,
        source_time: Time,
        fixed_frame: str,
        timeout: Duration = NO_WAIT,
        return_debug_tuple: bool = False,
    ) -> bool | tuple[bool, str]:
        """Whether `lookup_transform_full` would succeed within the timeout; with its reason if that is asked for."""
        query = (target_frame, target_time, source_frame, source_time, fixed_frame)
        result = self._wait(partial(self.can_transform_full_core, *query), timeout)
        return result if return_debug_tuple else result[0]

    def wait_for_transform_async(self, target_frame: str, source_frame: str, time: Time) -> "Future[Any]":
        """A future of the transform, done as soon as it is known."""
        query = (target_frame, source_frame, time)
        return self._future(
            partial(self.can_transform_core, *query), partial(self.lookup_transform_core, *query)
        )

    def wait_for_transform_full_async(
        self, target_frame: str, target_time: Time, source_frame: str, source_time: Time, fixed_frame: str
    ) -> "Future[Any]":
        """A future of the transform between two times, done as soon as it is known."""
        query = (target_frame, target_time, source_frame, source_time, fixed_frame)
        return self._future(
            partial(self.can_transform_full_core, *query), partial(self.lookup_transform_full_core, *query)
        )

    async def lookup_transform_async(
        self, target_frame: str, source_frame: str, time: Time
    ) -> TransformStamped:
        """`lookup_transform` that waits without blocking."""
        await self.wait_for_transform_async(target_frame, source_frame, time)
        return self.lookup_transform_core(target_frame, source_frame, time)

    async def lookup_transform_full_async(
        self, target_frame: str, target_time: Time, source_frame: str, source_time: Time, fixed_frame: str
    ) -> TransformStamped:
        """`lookup_transform_full` that waits without blocking."""
        query = (target_frame, target_time, source_frame, source_time, fixed_frame)
        await self.wait_for_transform_full_async(*query)
        return self.lookup_transform_full_core(*query)

    def _wait(self, check: Check, timeout: Duration) -> tuple[bool, str]:
        timeout_ns = duration_ns(timeout)
        if timeout_ns <= 0:
            return check()
        deadline_ns = wall.monotonic_ns() + timeout_ns
        with self._changed:
            while not (result := check())[0]:
                left_ns = deadline_ns - wall.monotonic_ns()
                if left_ns <= 0 or not self._changed.wait(left_ns / 1e9):
                    return check()
            return result

    def _future(self, check: Check, lookup: Lookup) -> "Future[Any]":
        future: Future[Any] = Future()
        # Registered before the check: a transform that arrives in between is not missed.
        with self._changed:
            self._pending.append((future, check, lookup))
        future.add_done_callback(self._forget)
        self._complete_pending()
        return future

    def _forget(self, future: "Future[Any]") -> None:
        """Also when the owner cancels it."""
        with self._changed:
            self._pending = [entry for entry in self._pending if entry[0] is not future]

    def _announce(self) -> None:
        with self._changed:
            self._changed.notify_all()
        if self._pending:
            self._complete_pending()

    def _complete_pending(self) -> None:
        for entry in tuple(self._pending):
            future, check, lookup = entry
            if not check()[0]:
                continue
            with self._changed:
                if entry not in self._pending:
                    continue  # another thread completes it, or it was cancelled
                self._pending.remove(entry)
            try:
                transform = lookup()
            except Exception as error:  # noqa: BLE001  (handed to whoever awaits it)
                future.set_exception(error)
            else:
                future.set_result(transform)
