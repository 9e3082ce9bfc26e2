"""What the tracker remembers of the last moments, so that a measurement that comes late is put where it belongs.

The state before the late stamp is taken up again and all later measurements are applied anew: exact, and cheap for a
window of a few frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_nodes.datatypes import Detections3D
from perception_nodes.geometry import Transform

from .looks import Look
from .measurement import Measurements
from .store import TrackStore

BirthKey = tuple[int, str, int]


@dataclass(frozen=True)
class Moment:
    """One step: the tracks and the stamp before it, and what it was given."""

    before: TrackStore
    before_ns: int | None
    measured: Measurements
    odom_from_base: Transform
    looks: Sequence[Look]

    @property
    def stamp_ns(self) -> int:
        """When it was measured."""
        return self.measured.detections.stamp_ns


class History:
    """The moments of the last `window_s`; which id a detection gave birth to, and which ids have ended."""

    def __init__(self, window_s: float) -> None:
        self._window_ns = round(window_s * 1e9)
        self._moments: deque[Moment] = deque()
        self._births: dict[BirthKey, int] = {}
        self._ended: dict[int, int] = {}

    def clear(self) -> None:
        """Nothing is remembered."""
        self._moments.clear()
        self._births.clear()
        self._ended.clear()

    def reaches(self, stamp_ns: int) -> bool:
        """Whether a measurement of this stamp is late but can still be used: one between two moments."""
        stamps = [m.stamp_ns for m in self._moments]
        return bool(stamps) and stamps[0] < stamp_ns < stamps[-1] and stamp_ns not in stamps

    def remember(self, moment: Moment) -> None:
        """Take a moment up and forget what has left the window."""
        if self._window_ns == 0:
            return
        self._moments.append(moment)
        oldest_ns = moment.stamp_ns - self._window_ns
        # One that is older stays, so that the whole window has a moment before it.
        while len(self._moments) > 1 and self._moments[1].stamp_ns < oldest_ns:
            self._moments.popleft()
        first_ns = self._moments[0].stamp_ns
        self._births = {k: i for k, i in self._births.items() if k[0] >= first_ns}
        self._ended = {i: t for i, t in self._ended.items() if t >= first_ns}

    def rewind(self, stamp_ns: int) -> list[Moment]:
        """Take out and return, in order, the moments after a stamp that `reaches`."""
        later = [m for m in self._moments if m.stamp_ns > stamp_ns]
        for _ in later:
            self._moments.pop()
        return later

    def ids(
        self, detections: Detections3D, index: np.ndarray[tuple[int], np.dtype[np.int64]], first: int
    ) -> list[int]:
        """Ids of the tracks that the detections `index` begin: those that they had before, or new ones from `first`."""
        if self._window_ns == 0:
            return list(range(first, first + len(index)))
        out = []
        for number in detections.detection_id[index].tolist():
            key = (detections.stamp_ns, detections.source, int(number))
            if key not in self._births:
                self._births[key] = first
                first += 1
            out.append(self._births[key])
        return out

    def end(self, ids: list[int], stamp_ns: int) -> None:
        """These tracks have been published as ended: they never come back."""
        if self._window_ns:
            self._ended.update(dict.fromkeys(ids, stamp_ns))

    def without_ended(self, tracks: TrackStore) -> TrackStore:
        """A copy of the tracks but for those that have been published as ended."""
        return tracks.select(~np.isin(tracks.id, np.array(sorted(self._ended), np.uint64)))
