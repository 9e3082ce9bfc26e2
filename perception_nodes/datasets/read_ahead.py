"""Reading in a thread ahead of the consumer, so that neither disk nor decompression delays it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

Item = tuple[str, int, bytes]


class ReadAhead:
    """Iterates over `open_stream()` with up to `limit_bytes` of messages in memory.

    An exception of the stream is raised in the consumer. Close it (or use `with`) to end the thread early.
    """

    def __init__(self, open_stream: Callable[[], Iterator[Item]], limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._done = False
        self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(
            target=self._fill, args=(open_stream,), name="read_ahead", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Item]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._done)
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._items.popleft()
                self._bytes -= len(item[2])
                self._changed.notify_all()
            yield item

    def prime(self, timeout_s: float) -> None:
        """Wait until the buffer is half full or the stream has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._done or self._bytes * 2 >= self._limit, timeout_s)

    def close(self) -> None:
        """End the thread; what is buffered is thrown away."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _fill(self, open_stream: Callable[[], Iterator[Item]]) -> None:
        try:
            for item in open_stream():
                if not self._put(item):
                    break
        except BaseException as error:  # noqa: BLE001  handed to the consumer, who raises it
            self._error = error
        with self._changed:
            self._done = True
            self._changed.notify_all()

    def _put(self, item: Item) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._items or self._bytes < self._limit)
            if self._closed:
                return False
            self._items.append(item)
            self._bytes += len(item[2])
            self._changed.notify_all()
            return True
