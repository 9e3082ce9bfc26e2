"""The transform tree: what tf2's C++ `BufferCore` offers to Python."""

import threading
from typing import Any

import rclpy.logging
from geometry_msgs.msg import TransformStamped
from perception_compat.rigid import IDENTITY, Rigid, Vector, apply, compose, inverse, rotate
from perception_compat.stamps import duration_ns, time_ns
from rclpy.duration import Duration
from rclpy.time import Time

from . import describe
from .cache import NS_PER_S, Edge, StaticCache, TimeCache, seconds_text
from .exceptions import InvalidArgumentException, LookupException, TransformException
from .messages import fault, rigid_of, stamped, unit
from .tree import Caches, common_time, path
from .twist import Twist, at_lever, mean_twist, subtract

_DEFAULT_WINDOW_NS = 10 * NS_PER_S


class BufferCore:
    """Stores transforms by child frame and answers lookups between any two connected frames.

    Quaternions are normalised when stored. Differs from the C++ class: infinite values are refused like NaN, only the
    edges between the two frames are asked for the time (C++ at times goes up to the root), and velocities are those
    of the reference point. Safe to use from several threads.
    """

    def __init__(self, cache_time: Duration | None = None) -> None:
        self._window_ns = _DEFAULT_WINDOW_NS if cache_time is None else duration_ns(cache_time)
        # Every known frame in order of appearance; roots, known only as parents, have no cache.
        self._caches: Caches = {}
        self._authorities: dict[str, str] = {}
        self._tree_lock = threading.Lock()

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Add one sample of a moving frame; a bad one is ignored with an error in the log."""
        self._insert(transform, authority, is_static=False)

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Fix a frame in its parent; a bad transform is ignored with an error in the log."""
        self._insert(transform, authority, is_static=True)

    def _insert(self, transform: TransformStamped, authority: str, *, is_static: bool) -> None:
        header = transform.header
        parent, child = header.frame_id.removeprefix("/"), transform.child_frame_id.removeprefix("/")
        rigid = rigid_of(transform.transform)
        reason = fault(parent, child, authority, rigid)
        if reason:
            _logger().error(reason)
            return
        edge = Edge(parent, (rigid[0], unit(rigid[1])))
        stamp_ns = time_ns(header.stamp)
        with self._tree_lock:
            cache = self._caches.get(child)
            if cache is None or cache.is_static != is_static:
                cache = self._caches[child] = StaticCache() if is_static else TimeCache(self._window_ns)
            self._caches.setdefault(parent, None)
            accepted = cache.insert(stamp_ns, edge)
            if accepted:
                self._authorities[child] = authority
        if not accepted:
            _logger().warning(
                f"TF_OLD_DATA ignoring data from the past for frame {child} at time {seconds_text(stamp_ns)} "
                f"according to authority {authority}"
            )

    def lookup_transform_core(self, target_frame: str, source_frame: str, time: Time) -> TransformStamped:
        """target_from_source at a time (0: the newest time at which the whole chain is known).

        Raises:
            InvalidArgumentException: a frame name is empty or begins with a slash.
            LookupException: a frame does not exist, or the tree has a loop.
            ConnectivityException: the frames are in different trees.
            ExtrapolationException: part of the chain is not known at that time.
        """
        stamp_ns, rigid = self._lookup("lookupTransform", target_frame, source_frame, time_ns(time))
        return stamped(target_frame, source_frame, stamp_ns, rigid)

    def lookup_transform_full_core(
        self, target_frame: str, target_time: Time, source_frame: str, source_time: Time, fixed_frame: str
    ) -> TransformStamped:
        """Target at `target_time` from source at `source_time`, with `fixed_frame` at rest in between.

        Raises:
            TransformException: as `lookup_transform_core`.
        """
        times = time_ns(target_time), time_ns(source_time)
        stamp_ns, rigid = self._lookup_full("lookupTransform", target_frame, source_frame, fixed_frame, times)
        return stamped(target_frame, source_frame, stamp_ns, rigid)

    def can_transform_core(self, target_frame: str, source_frame: str, time: Time) -> tuple[bool, str]:
        """Whether `lookup_transform_core` would succeed, and if not, why."""
        try:
            self._lookup("canTransform", target_frame, source_frame, time_ns(time))
        except TransformException as error:
            return False, str(error)
        return True, ""

    def can_transform_full_core(
        self, target_frame: str, target_time: Time, source_frame: str, source_time: Time, fixed_frame: str
    ) -> tuple[bool, str]:
        """Whether `lookup_transform_full_core` would succeed, and if not, why."""
        times = time_ns(target_time), time_ns(source_time)
        try:
            self._lookup_full("canTransform", target_frame, source_frame, fixed_frame, times)
        except TransformException as error:
            return False, str(error)
        return True, ""

    def _lookup(self, caller: str, target: str, source: str, stamp_ns: int) -> tuple[int, Rigid]:
        with self._tree_lock:
            self._require(caller, target_frame=target, source_frame=source)
            if stamp_ns == 0:
                stamp_ns = common_time(self._caches, target, source)
            if target == source:
                return stamp_ns, IDENTITY
            to_source, to_target = path(self._caches, target, source, stamp_ns)
        # Samples are immutable: the arithmetic needs no lock.
        meeting_from_source = _along([sample.rigid() for sample in to_source])
        meeting_from_target = _along([sample.rigid() for sample in to_target])
        if meeting_from_target is None:
            return stamp_ns, meeting_from_source or IDENTITY
        target_from_meeting = inverse(meeting_from_target)
        if meeting_from_source is None:
            return stamp_ns, target_from_meeting
        return stamp_ns, compose(target_from_meeting, meeting_from_source)

    def _lookup_full(
        self, caller: str, target: str, source: str, fixed: str, times_ns: tuple[int, int]
    ) -> tuple[int, Rigid]:
        with self._tree_lock:
            self._require(caller, target_frame=target, source_frame=source, fixed_frame=fixed)
        target_ns, source_ns = times_ns
        _, fixed_from_source = self._lookup(caller, fixed, source, source_ns)
        stamp_ns, target_from_fixed = self._lookup(caller, target, fixed, target_ns)
        if target == fixed:
            return stamp_ns, fixed_from_source
        return stamp_ns, compose(target_from_fixed, fixed_from_source)

    def _require(self, caller: str, **frames: str) -> None:
        for argument, frame in frames.items():
            if frame in self._caches:
                continue
            if not frame or frame.startswith("/"):
                rule = "start with a '/'" if frame else "be empty"
                raise InvalidArgumentException(
                    f'Invalid argument "{frame}" passed to {caller} argument {argument} '
                    f"- in tf2 frame_ids cannot {rule}"
                )
            raise LookupException(f'"{frame}" passed to {caller} argument {argument} does not exist. ')

    def get_latest_common_time(self, target_frame: str, source_frame: str) -> Time:
        """The newest time at which the chain between the frames is known; 0 where it is static.

        Raises:
            TransformException: as `lookup_transform_core`.
        """
        with self._tree_lock:
            self._require("get_latest_common_time", target_frame=target_frame, source_frame=source_frame)
            return Time(nanoseconds=common_time(self._caches, target_frame, source_frame))

    def clear(self) -> None:
        """Forget all moving transforms; static ones stay, for nobody sends them again."""
        with self._tree_lock:
            for cache in self._caches.values():
                if cache is not None:
                    cache.clear()

    def lookupVelocityCore(  # noqa: N802
        self, tracking_frame: str, observation_frame: str, time: Time, averaging_interval: Duration
    ) -> Twist:
        """(linear, angular) velocity of the origin of a frame, seen from and expressed in another."""
        return self.lookupVelocityFullCore(
            tracking_frame,
            observation_frame,
            observation_frame,
            (0.0, 0.0, 0.0),
            tracking_frame,
            time,
            averaging_interval,
        )

    def lookupVelocityFullCore(  # noqa: N802, PLR0913
        self,
        tracking_frame: str,
        observation_frame: str,
        reference_frame: str,
        reference_point: Vector,
        reference_point_frame: str,
        time: Time,
        averaging_interval: Duration,
    ) -> Twist:
        """(linear, angular) velocity of a point carried by `tracking_frame`, expressed in `reference_frame`.

        Differs: for a turning frame upstream gives the velocity at the origin of the reference frame and multiplies
        the lever arm element by element; this is the velocity of the reference point, as documented there.

        Raises:
            TransformException: as `lookup_transform_core`.
        """
        stamp_ns, interval_ns = time_ns(time), duration_ns(averaging_interval)
        latest_ns = time_ns(self.get_latest_common_time(observation_frame, tracking_frame))
        end_ns = min(stamp_ns + interval_ns // 2, latest_ns)
        start_ns = max(end_ns - interval_ns, min(10_000, end_ns))  # 0 would mean the latest
        if end_ns <= start_ns:
            raise InvalidArgumentException(f"no time to average over before {seconds_text(end_ns)}")
        seconds = (end_ns - start_ns) / NS_PER_S
        _, start = self._lookup("lookupVelocity", observation_frame, tracking_frame, start_ns)
        _, end = self._lookup("lookupVelocity", observation_frame, tracking_frame, end_ns)
        linear, angular = mean_twist(start, end, seconds)

        _, at_point = self._lookup("lookupVelocity", observation_frame, reference_point_frame, stamp_ns)
        _, at_origin = self._lookup("lookupVelocity", observation_frame, tracking_frame, stamp_ns)
        linear = at_lever((linear, angular), subtract(apply(at_point, reference_point), at_origin[0]))
        _, expressed = self._lookup("lookupVelocity", reference_frame, observation_frame, stamp_ns)
        return rotate(expressed[1], linear), rotate(expressed[1], angular)

    def all_frames_as_yaml(self, time: Time | None = None) -> str:
        """Every frame that has data: parent, broadcaster, rate, age."""
        with self._tree_lock:
            return describe.as_yaml(self._caches, self._authorities, 0 if time is None else time_ns(time))

    def all_frames_as_string(self) -> str:
        """A sentence for each frame and its parent."""
        with self._tree_lock:
            return describe.as_sentences(self._caches)

    def _allFramesAsDot(self, time: Time | None = None) -> str:  # noqa: N802
        with self._tree_lock:
            return describe.as_dot(self._caches, self._authorities)

    def _frameExists(self, frame_id: str) -> bool:  # noqa: N802
        with self._tree_lock:
            return frame_id in self._caches

    def _getFrameStrings(self) -> list[str]:  # noqa: N802
        with self._tree_lock:
            return list(self._caches)

    def _chain(self, *_arguments: Any, **_named: Any) -> list[str]:
        raise NotImplementedError("tf2_py.BufferCore._chain is not part of the drop-in of perception_nodes")


def _logger() -> Any:
    return rclpy.logging.get_logger("tf2_buffer")


def _along(links: list[Rigid]) -> Rigid | None:
    """top_from_bottom of links given from the bottom up; None for no links."""
    if not links:
        return None
    result = links[0]
    for link in links[1:]:
        result = compose(link, result)
    return result
