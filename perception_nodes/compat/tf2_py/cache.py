"""What is known about one frame: its parent and its pose in the parent, over time."""

from bisect import bisect_right
from typing import NamedTuple

from perception_compat.rigid import Rigid, interpolate

NS_PER_S = 1_000_000_000


class Edge(NamedTuple):
    """One received transform."""

    parent: str
    parent_from_frame: Rigid


class Sample(NamedTuple):
    """The edge at a time, not yet interpolated: `newer` is None where `older` holds as it is."""

    older: Edge
    newer: Edge | None
    ratio: float

    def rigid(self) -> Rigid:
        """parent_from_frame at the time."""
        if self.newer is None:
            return self.older.parent_from_frame
        return interpolate(self.older.parent_from_frame, self.newer.parent_from_frame, self.ratio)


class StaticCache:
    """A frame that is fixed in its parent: the newest transform holds at every time and survives `clear`."""

    is_static = True

    def __init__(self) -> None:
        self._sample: Sample | None = None

    def __len__(self) -> int:
        return 1

    def insert(self, stamp_ns: int, edge: Edge) -> bool:
        """Replace the transform."""
        self._sample = Sample(edge, None, 0.0)
        return True

    def at(self, stamp_ns: int) -> Sample | None:
        """The transform, whatever the time."""
        return self._sample

    def span_ns(self) -> tuple[int, int]:
        """(0, 0): a static transform has no time."""
        return 0, 0

    def clear(self) -> None:
        """Keep the transform: static ones are sent once, a time jump must not lose them."""

    def explain(self, stamp_ns: int) -> str:
        """Why `at` gave nothing."""
        return "Lookup would require a static transform that was never set"


class TimeCache:
    """A frame that moves: its transforms sorted by stamp, none older than `window_ns` before the newest."""

    is_static = False

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._stamps_ns: list[int] = []
        self._edges: list[Edge] = []

    def __len__(self) -> int:
        return len(self._stamps_ns)

    def insert(self, stamp_ns: int, edge: Edge) -> bool:
        """False where the stamp is older than the window; of equal stamps the last to arrive counts."""
        stamps = self._stamps_ns
        if stamps and stamp_ns < stamps[-1]:
            if stamp_ns < stamps[-1] - self._window_ns:
                return False
            index = bisect_right(stamps, stamp_ns)
            if index and stamps[index - 1] == stamp_ns and self._edges[index - 1] == edge:
                return True
            stamps.insert(index, stamp_ns)
            self._edges.insert(index, edge)
            return True
        if stamps and stamps[-1] == stamp_ns and self._edges[-1] == edge:
            return True
        stamps.append(stamp_ns)
        self._edges.append(edge)
        oldest_ns = stamp_ns - self._window_ns
        if stamps[0] < oldest_ns:
            drop = bisect_right(stamps, oldest_ns - 1)
            del stamps[:drop], self._edges[:drop]
        return True

    def at(self, stamp_ns: int) -> Sample | None:
        """The edge at the stamp (0: the newest), None outside of what is stored."""
        stamps = self._stamps_ns
        if not stamps:
            return None
        if stamp_ns == 0:
            return Sample(self._edges[-1], None, 0.0)
        index = bisect_right(stamps, stamp_ns)
        if index == 0:
            return None
        older, older_ns = self._edges[index - 1], stamps[index - 1]
        if older_ns == stamp_ns:
            return Sample(older, None, 0.0)
        if index == len(stamps):
            return None
        newer = self._edges[index]
        if newer.parent != older.parent:
            return Sample(older, None, 0.0)
        return Sample(older, newer, (stamp_ns - older_ns) / (stamps[index] - older_ns))

    def span_ns(self) -> tuple[int, int]:
        """(oldest, newest) stamp; (0, 0) without data."""
        return (self._stamps_ns[0], self._stamps_ns[-1]) if self._stamps_ns else (0, 0)

    def clear(self) -> None:
        """Forget all transforms."""
        self._stamps_ns.clear()
        self._edges.clear()

    def explain(self, stamp_ns: int) -> str:
        """Why `at` gave nothing, in tf2's words."""
        oldest_ns, newest_ns = self.span_ns()
        wanted = seconds_text(stamp_ns)
        if oldest_ns == newest_ns:
            return (
                f"Lookup would require extrapolation at time {wanted}, "
                f"but only time {seconds_text(newest_ns)} is in the buffer"
            )
        if stamp_ns > newest_ns:
            return (
                f"Lookup would require extrapolation into the future.  Requested time {wanted} "
                f"but the latest data is at time {seconds_text(newest_ns)}"
            )
        return (
            f"Lookup would require extrapolation into the past.  Requested time {wanted} "
            f"but the earliest data is at time {seconds_text(oldest_ns)}"
        )


FrameCache = TimeCache | StaticCache


def seconds_text(stamp_ns: int) -> str:
    """Seconds with six decimals, truncated: floats would round."""
    sign, size = ("-", -stamp_ns) if stamp_ns < 0 else ("", stamp_ns)
    return f"{sign}{size // NS_PER_S}.{size % NS_PER_S // 1000:06d}"
