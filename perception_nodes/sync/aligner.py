"""The synchroniser: one frame set for each message of the reference sensor, every other message used or dropped.

A set closes as soon as all sensors that are due have arrived; else after `timeout_s`, or when the next reference
comes. Offsets (a camera that is stamped 50 ms before the end of a sweep) are estimated as the median residual.
Differs from message_filters' approximate time: nothing is searched over products of queues, and every message that is
not used has a reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from perception_nodes.datatypes import (
    ConfigurationError,
    Drop,
    DropReason,
    FrameSet,
    Qualifier,
    SensorReason,
    SensorSpec,
    SensorStatus,
    Trigger,
)

from .config import AlignerConfig
from .stream import Stream


@dataclass(frozen=True)
class AlignerOutput:
    """What one call brought about."""

    frame_sets: tuple[FrameSet, ...] = ()
    drops: tuple[Drop, ...] = ()


@dataclass
class _Result:
    frame_sets: list[FrameSet] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)

    def frozen(self) -> AlignerOutput:
        return AlignerOutput(tuple(self.frame_sets), tuple(self.drops))


class Aligner:
    """`now_ns` is any clock that runs with the wall; stamps are compared with stamps only."""

    def __init__(self, config: AlignerConfig, sensors: Iterable[SensorSpec], reference: str) -> None:
        self.config = config
        ordered = sorted(sensors, key=lambda s: s.name != reference)
        if not ordered or ordered[0].name != reference:
            raise ConfigurationError(
                f"aligner: reference {reference!r}: wanted one of {[s.name for s in ordered]}"
            )
        self._streams = {spec.name: Stream(spec, config) for spec in ordered}
        self._reference = self._streams[reference]
        self._open: tuple[int, int] | None = None  # reference stamp, arrival
        self._closed_ns = -1
        self._sequence = 0
        self._first_arrival_ns: int | None = None

    def add(self, sensor: str, stamp_ns: int, now_ns: int) -> AlignerOutput:
        """A message of `sensor` has arrived. Raises ConfigurationError for a sensor that the rig does not have."""
        if sensor not in self._streams:
            raise ConfigurationError(f"aligner: no sensor {sensor!r}: wanted one of {sorted(self._streams)}")
        result = _Result()
        stream = self._streams[sensor]
        stream.received += 1
        if stamp_ns <= 0:  # 0 is how a FrameSet says "missing"
            self._drop(result, stream, stamp_ns, DropReason.MALFORMED, "its stamp is not set")
            return result.frozen()
        if self._first_arrival_ns is None:
            self._first_arrival_ns = now_ns
        if stream is self._reference and stamp_ns < stream.last_stamp_ns - self.config.jump_s * 1e9:
            self._forget(result, DropReason.TIME_JUMP)
        if stamp_ns <= stream.last_stamp_ns:
            self._drop(
                result, stream, stamp_ns, DropReason.OUT_OF_ORDER, f"newest was {stream.last_stamp_ns} ns"
            )
            return result.frozen()
        stream.push(stamp_ns, now_ns)
        if stream is self._reference:
            if self._open is not None:
                self._close(result, Trigger.NEXT_REFERENCE)
            self._open = (stamp_ns, now_ns)
        elif self._too_late(stream, stamp_ns):
            stream.queue.pop()
            age = (self._closed_ns - stamp_ns) * 1e-9
            self._drop(result, stream, stamp_ns, DropReason.STALE, "its frame is closed", age)
        if len(stream.queue) > self.config.queue_size:
            oldest, _ = stream.queue.popleft()
            self._drop(
                result,
                stream,
                oldest,
                DropReason.QUEUE_OVERFLOW,
                f"more than {self.config.queue_size} waiting",
            )
        self._close_if_complete(result)
        return result.frozen()

    def poll(self, now_ns: int) -> AlignerOutput:
        """Close a set whose time is up; go on without a reference that has fallen silent. Call every 10 ms or so."""
        result = _Result()
        if self._open is not None:
            if now_ns - self._open[1] >= self.config.timeout_s * 1e9:
                self._close(result, Trigger.TIMEOUT)
        else:
            self._pace_without_reference(result, now_ns)
        return result.frozen()

    def flush(self, now_ns: int) -> AlignerOutput:
        """The end: close the open set, drop what is waiting (SHUTDOWN)."""
        result = _Result()
        if self._open is not None:
            self._close(result, Trigger.FLUSH)
        self._forget(result, DropReason.SHUTDOWN)
        return result.frozen()

    def reset(self, now_ns: int) -> AlignerOutput:
        """After a jump of the clock: drop what is waiting (TIME_JUMP), forget offsets and order."""
        result = _Result()
        self._forget(result, DropReason.TIME_JUMP)
        return result.frozen()

    def status(self, now_ns: int) -> tuple[SensorStatus, ...]:
        """State of every sensor, the reference first."""
        return tuple(self._status(s, now_ns) for s in self._streams.values())

    @property
    def waiting(self) -> int:
        """Messages that are neither used nor dropped yet."""
        return sum(len(s.queue) for s in self._streams.values())

    def _status(self, stream: Stream, now_ns: int) -> SensorStatus:
        qualifier, reason = Qualifier.AVAILABLE, SensorReason.NORMAL
        age_s = (now_ns - stream.last_arrival_ns) * 1e-9 if stream.last_stamp_ns >= 0 else float("nan")
        if stream.last_stamp_ns < 0:
            started = self._first_arrival_ns is not None and now_ns - self._first_arrival_ns > 2e9
            qualifier = Qualifier.NOT_AVAILABLE
            reason = SensorReason.INPUT_MISSING if started else SensorReason.STARTING
        elif age_s > max(0.2, 2.0 * stream.period_s):
            qualifier, reason = Qualifier.NOT_AVAILABLE, SensorReason.STALE
        return SensorStatus(
            name=stream.spec.name,
            modality=stream.spec.modality,
            qualifier=qualifier,
            reason=reason,
            measurement_time_ns=max(0, stream.last_stamp_ns),
            age_s=age_s,
            rate_hz=1.0 / stream.period_s if stream.last_stamp_ns >= 0 else float("nan"),
            expected_rate_hz=stream.spec.rate_hz,
            received=stream.received,
            used=stream.used,
            dropped=stream.dropped,
            estimated_offset_s=stream.offset_s
            if stream.offset_known or stream is self._reference
            else float("nan"),
        )

    def _others(self) -> list[Stream]:
        return [s for s in self._streams.values() if s is not self._reference]

    def _too_late(self, stream: Stream, stamp_ns: int) -> bool:
        """Whether the frame that the message belongs to has been closed, and it is nearer to that than to the next."""
        if self._closed_ns < 0:
            return False
        return stream.distance_s(stamp_ns, self._closed_ns) < min(
            0.5 * self._reference.period_s, stream.tolerance_s
        )

    def _close_if_complete(self, result: _Result) -> None:
        if self._open is None:
            return
        reference_ns = self._open[0]
        if all(s.match(reference_ns) is not None or not s.due(reference_ns) for s in self._others()):
            self._close(result, Trigger.ALL_ARRIVED)

    def _pace_without_reference(self, result: _Result, now_ns: int) -> None:
        """Frames at the reference's pace from the other sensors, once it has been silent for long enough."""
        period_s = self._reference.period_s
        silence_ns = round((self.config.silence_periods * period_s + self.config.timeout_s) * 1e9)
        if self._reference.last_stamp_ns >= 0:
            since = max(self._reference.last_arrival_ns, 0)
            last_ns = max(self._closed_ns, self._reference.last_stamp_ns)
            reference_ns = self._next_without_reference(last_ns, period_s)
        elif self._first_arrival_ns is not None:
            since, silence_ns = self._first_arrival_ns, silence_ns + 1_000_000_000
            oldest = min((s.queue[0][0] for s in self._others() if s.queue), default=None)
            if oldest is None:
                return
            reference_ns = max(oldest, self._closed_ns + round(period_s * 1e9))
        else:
            return
        newest = max((s.queue[-1][0] for s in self._others() if s.queue), default=-1)
        if now_ns - since >= silence_ns and newest >= reference_ns:
            self._open = (reference_ns, now_ns)
            self._close(result, Trigger.TIMEOUT)

    def _next_without_reference(self, last_ns: int, period_s: float) -> int:
        """The first stamp of another sensor that is about a period later; none: a period later."""
        after_ns = last_ns + round(0.5 * period_s * 1e9)
        later = (t for s in self._others() for t, _ in s.queue if t > after_ns)
        return min(later, default=last_ns + round(period_s * 1e9))

    def _close(self, result: _Result, trigger: Trigger) -> None:
        assert self._open is not None
        reference_ns = self._open[0]
        self._open = None
        self._closed_ns = reference_ns
        stamps, residuals, arrivals, complete = [], [], [], True
        for stream in self._streams.values():
            is_reference = stream is self._reference
            found = self._take(stream, reference_ns)
            if found is None:
                missing = is_reference or stream.due(reference_ns)
                complete = complete and not (missing and stream.spec.required)
            else:
                stream.used += 1
            stamps.append(found[0] if found else 0)
            arrivals.append(found[1] if found else 0)
            residuals.append(stream.distance_s(found[0], reference_ns) if found else float("nan"))
            if found and not is_reference:
                stream.note_match(found[0], reference_ns)
            self._drop_passed(result, stream, reference_ns)
        result.frame_sets.append(
            FrameSet(
                sequence=self._sequence,
                reference_ns=reference_ns,
                sensors=tuple(self._streams),
                stamp_ns=tuple(stamps),
                residual_s=tuple(residuals),
                complete=complete,
                trigger=trigger,
                received_ns=tuple(arrivals),
            )
        )
        self._sequence += 1

    def _take(self, stream: Stream, reference_ns: int) -> tuple[int, int] | None:
        if stream is self._reference:
            found = next((m for m in stream.queue if m[0] == reference_ns), None)
        else:
            found = stream.match(reference_ns)
        if found is not None:
            stream.queue.remove(found)
        return found

    def _drop_passed(self, result: _Result, stream: Stream, reference_ns: int) -> None:
        """Messages that can belong to no later reference."""
        limit_s = min(0.5 * self._reference.period_s, stream.tolerance_s)
        while stream.queue and stream.distance_s(stream.queue[0][0], reference_ns) < limit_s:
            stamp, _ = stream.queue.popleft()
            age = (reference_ns - stamp) * 1e-9
            self._drop(
                result, stream, stamp, DropReason.NO_MATCH, "no reference near it", age, stream.tolerance_s
            )

    def _forget(self, result: _Result, reason: DropReason) -> None:
        for stream in self._streams.values():
            for stamp in stream.clear():
                self._drop(result, stream, stamp, reason, "waiting when the synchroniser was reset")
        self._open = None
        self._closed_ns = -1
        self._first_arrival_ns = None

    def _drop(
        self,
        result: _Result,
        stream: Stream,
        stamp_ns: int,
        reason: DropReason,
        detail: str,
        age_s: float = float("nan"),
        limit_s: float = float("nan"),
    ) -> None:
        stream.dropped += 1
        topic = stream.spec.topic
        result.drops.append(Drop(stamp_ns, stream.spec.frame, topic, reason, age_s, limit_s, detail))
