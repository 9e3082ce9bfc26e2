"""The last messages, by time."""

from typing import Any

from rclpy.time import Time

from .simple import SimpleFilter, stamp_of


class Cache(SimpleFilter):
    """Keeps the last `cache_size` messages in order of arrival and passes them on."""

    def __init__(self, f: SimpleFilter | None, cache_size: int = 1, allow_headerless: bool = False) -> None:
        super().__init__()
        self.cache_size = cache_size
        self.allow_headerless = allow_headerless
        self._entries: list[tuple[Any, Time]] = []
        if f is not None:
            self.connectInput(f)

    @property
    def cache_msgs(self) -> list[Any]:
        """The messages in order of arrival."""
        return [msg for msg, _ in self._entries]

    @property
    def cache_times(self) -> list[Time]:
        """Their stamps."""
        return [time for _, time in self._entries]

    def connectInput(self, f: SimpleFilter) -> None:  # noqa: N802
        """Take what the filter gives."""
        self.incoming_connection = f.registerCallback(self.add)

    def add(self, msg: Any) -> None:
        """Keep a message, dropping the first to arrive if there are too many, and pass it on."""
        stamp = stamp_of(msg, allow_headerless=self.allow_headerless)
        if stamp is None:
            return
        # Replaced, not changed in place: a reader in another thread keeps a consistent list.
        self._entries = [*self._entries, (msg, stamp)][-self.cache_size :]
        self.signalMessage(msg)

    def getInterval(self, from_stamp: Time, to_stamp: Time) -> list[Any]:  # noqa: N802
        """The messages from one stamp to another, both included.

        Raises:
            AssertionError: the interval ends before it begins.
        """
        if to_stamp < from_stamp:
            raise AssertionError(f"interval from {from_stamp} ends before it begins, at {to_stamp}")
        return [msg for msg, time in self._entries if from_stamp <= time <= to_stamp]

    def getElemAfterTime(self, stamp: Time) -> Any:  # noqa: N802
        """The first to arrive of those at or after the stamp, or None."""
        return next((msg for msg, time in self._entries if time >= stamp), None)

    def getElemBeforeTime(self, stamp: Time) -> Any:  # noqa: N802
        """The last to arrive of those at or before the stamp, or None."""
        return next((msg for msg, time in reversed(self._entries) if time <= stamp), None)

    def getLastestTime(self) -> Time | None:  # noqa: N802  (upstream's spelling)
        """The stamp of the last message, or None."""
        return self._entries[-1][1] if self._entries else None

    getLatestTime = getLastestTime  # noqa: N815

    def getOldestTime(self) -> Time | None:  # noqa: N802
        """The stamp of the first message kept, or None."""
        return self._entries[0][1] if self._entries else None

    def getLast(self) -> Any:  # noqa: N802
        """The last message, or None."""
        return self._entries[-1][0] if self._entries else None
