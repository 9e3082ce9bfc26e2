"""message_filters' approximate-time policy behind the aligner's interface."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import rclpy.time
from std_msgs.msg import Header

from perception_nodes import compat
from perception_nodes.datatypes import Drop, DropReason, FrameSet, SensorSpec, Trigger
from perception_nodes.sync import Aligner, AlignerConfig, AlignerOutput

compat.install()

import message_filters  # noqa: E402 - the drop-ins must be on the path first


class _Stamp:
    """The least that message_filters needs of a message."""

    def __init__(self, stamp_ns: int) -> None:
        self.header = Header(stamp=rclpy.time.Time(nanoseconds=stamp_ns).to_msg())
        self.stamp_ns = stamp_ns


class ApproximateTime(Aligner):
    """Sets only when every sensor has a message within `window_s`; counters and reasons as in the aligner.

    A message older than its sensor's newest matched one can never match: NO_MATCH.
    """

    def __init__(self, config: AlignerConfig, sensors: Iterable[SensorSpec], reference: str) -> None:
        super().__init__(config, sensors, reference)
        self._filters = {name: message_filters.SimpleFilter() for name in self._streams}
        self._matched: list[tuple[Any, ...]] = []
        self._join()

    def _join(self) -> None:
        self._policy = message_filters.ApproximateTimeSynchronizer(
            list(self._filters.values()), self.config.queue_size, self.config.window_s
        )
        self._policy.registerCallback(lambda *found: self._matched.append(found))

    def add(self, sensor: str, stamp_ns: int, now_ns: int) -> AlignerOutput:
        """As in the aligner; `residual_s` is not corrected by an offset."""
        stream = self._streams[sensor]
        stream.received += 1
        if stamp_ns <= max(0, stream.last_stamp_ns):
            stream.dropped += 1
            detail = f"newest was {stream.last_stamp_ns} ns" if stamp_ns > 0 else "its stamp is not set"
            reason = DropReason.OUT_OF_ORDER if stamp_ns > 0 else DropReason.MALFORMED
            drop = Drop(stamp_ns, stream.spec.frame, stream.spec.topic, reason, detail=detail)
            return AlignerOutput((), (drop,))
        stream.push(stamp_ns, now_ns)
        self._filters[sensor].signalMessage(_Stamp(stamp_ns))
        sets, drops = [], []
        for found in self._matched:
            sets.append(self._set([m.stamp_ns for m in found]))
            drops += self._passed([m.stamp_ns for m in found])
        self._matched.clear()
        drops += self._overflow()
        return AlignerOutput(tuple(sets), tuple(drops))

    def poll(self, now_ns: int) -> AlignerOutput:
        """This policy knows no time-out."""
        return AlignerOutput()

    def reset(self, now_ns: int) -> AlignerOutput:
        self._filters = {name: message_filters.SimpleFilter() for name in self._streams}
        self._join()
        return super().reset(now_ns)

    def _set(self, stamps_ns: list[int]) -> FrameSet:
        reference_ns = stamps_ns[0]
        arrivals = []
        for stream, stamp in zip(self._streams.values(), stamps_ns, strict=True):
            found = next(m for m in stream.queue if m[0] == stamp)
            stream.queue.remove(found)
            stream.used += 1
            arrivals.append(found[1])
        self._sequence += 1
        return FrameSet(
            sequence=self._sequence - 1,
            reference_ns=reference_ns,
            sensors=tuple(self._streams),
            stamp_ns=tuple(stamps_ns),
            residual_s=tuple((s - reference_ns) * 1e-9 for s in stamps_ns),
            complete=True,
            trigger=Trigger.ALL_ARRIVED,
            received_ns=tuple(arrivals),
        )

    def _passed(self, stamps_ns: list[int]) -> list[Drop]:
        drops = []
        for stream, stamp in zip(self._streams.values(), stamps_ns, strict=True):
            while stream.queue and stream.queue[0][0] < stamp:
                drops.append(self._unmatched(stream, DropReason.NO_MATCH, "a newer message has matched"))
        return drops

    def _overflow(self) -> list[Drop]:
        drops = []
        for stream in self._streams.values():
            while len(stream.queue) > self.config.queue_size:
                drops.append(self._unmatched(stream, DropReason.QUEUE_OVERFLOW, "no match while it was kept"))
        return drops

    @staticmethod
    def _unmatched(stream: Any, reason: DropReason, detail: str) -> Drop:
        stamp, _ = stream.queue.popleft()
        stream.dropped += 1
        return Drop(stamp, stream.spec.frame, stream.spec.topic, reason, detail=detail)
