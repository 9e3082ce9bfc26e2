"""Messages of several filters that belong to one time."""

import threading
from collections.abc import Sequence
from typing import Any

from rclpy.duration import Duration
from rclpy.time import Time

from .simple import SimpleFilter, stamp_of

Queue = dict[int, Any]


class TimeSynchronizer(SimpleFilter):
    """Passes on one message of each filter when all have the same stamp.

    `queues` holds what waits, by stamp (ns). Differs from upstream: callbacks run after the lock is released, so they
    may feed the synchroniser or raise.
    """

    def __init__(self, fs: Sequence[SimpleFilter], queue_size: int) -> None:
        super().__init__()
        self.queue_size = queue_size
        self.lock = threading.Lock()
        self.connectInput(fs)

    def connectInput(self, fs: Sequence[SimpleFilter]) -> None:  # noqa: N802
        """Take what the filters give."""
        self.queues: list[Queue] = [{} for _ in fs]
        self.input_connections = [
            f.registerCallback(self.add, queue, index)
            for index, (f, queue) in enumerate(zip(fs, self.queues, strict=True))
        ]

    def add(self, msg: Any, my_queue: Queue, my_queue_index: int | None = None) -> None:
        """Put a message into a queue and pass on what is complete.

        Raises:
            ValueError: the message has no stamp.
        """
        stamp = stamp_of(msg, allow_headerless=False)
        if stamp is None:
            raise ValueError(f"TimeSynchronizer: {type(msg).__name__} has no header.stamp")
        with self.lock:
            self._enqueue(msg, my_queue, stamp.nanoseconds)
            common = sorted(set.intersection(*(set(queue) for queue in self.queues)))
            complete = [[queue.pop(stamp_ns) for queue in self.queues] for stamp_ns in common]
        for messages in complete:
            self.signalMessage(*messages)

    def _enqueue(self, msg: Any, queue: Queue, stamp_ns: int) -> None:
        queue[stamp_ns] = msg
        while len(queue) > self.queue_size:
            del queue[min(queue)]


class ApproximateTimeSynchronizer(TimeSynchronizer):
    """Passes on one message of each filter when their stamps lie within `slop` seconds (0 included) of each other.

    A message is matched when it arrives, with the set whose stamps are nearest to its own in sum. Differs from
    upstream: stamps exactly `slop` apart match, the search is linear in the queues instead of trying all
    combinations, and callbacks run after the lock is released.
    """

    def __init__(
        self,
        fs: Sequence[SimpleFilter],
        queue_size: int,
        slop: float,
        allow_headerless: bool = False,
        sync_arrival_time: bool = False,
    ) -> None:
        super().__init__(fs, queue_size)
        self.slop = Duration(seconds=slop)
        self.allow_headerless = allow_headerless
        self.sync_arrival_time = sync_arrival_time

    def add(self, msg: Any, my_queue: Queue, my_queue_index: int | None = None) -> None:
        """Put a message into a queue and pass on the set that it completes, if any."""
        stamp = self._stamp(msg)
        if stamp is None:
            return
        with self.lock:
            stamp_ns = stamp.nanoseconds
            self._enqueue(msg, my_queue, stamp_ns)
            if stamp_ns not in my_queue:
                return  # older than all of a full queue
            others = [queue for queue in self.queues if queue is not my_queue]
            matched = nearest_set(stamp_ns, others, self.slop.nanoseconds)
            if matched is None:
                return
            stamps = iter(matched)
            messages = [queue.pop(stamp_ns if queue is my_queue else next(stamps)) for queue in self.queues]
        self.signalMessage(*messages)

    def _stamp(self, msg: Any) -> Time | None:
        return stamp_of(msg, allow_headerless=self.allow_headerless, use_arrival=self.sync_arrival_time)


def nearest_set(stamp_ns: int, queues: Sequence[Queue], slop_ns: int) -> list[int] | None:
    """One stamp of each queue, all within `slop_ns` together with `stamp_ns`, nearest to it in sum; None if none.

    The earliest stamp of a set is `stamp_ns` or one in a queue before it. For each such start, the nearest stamp
    of every queue within the window that begins there is the best choice.
    """
    near = [[t for t in queue if abs(t - stamp_ns) <= slop_ns] for queue in queues]
    starts = sorted({stamp_ns, *(t for stamps in near for t in stamps if t < stamp_ns)}, reverse=True)
    best: list[int] | None = None
    best_cost = -1
    for start in starts:
        chosen = []
        for stamps in near:
            inside = [t for t in stamps if start <= t <= start + slop_ns]
            if not inside:
                break
            chosen.append(min(inside, key=lambda t: abs(t - stamp_ns)))
        else:
            cost = sum(abs(t - stamp_ns) for t in chosen)
            if best is None or cost < best_cost:
                best, best_cost = chosen, cost
    return best
