"""The ego pose over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_nodes.datatypes import InputError
from perception_nodes.geometry import Transform, interpolate

TF_PERIOD_NS = 50_000_000
MAX_EXTRAPOLATION_NS = 150_000_000


@dataclass(frozen=True)
class PoseTrack:
    """odom_from_base at increasing stamps, ns."""

    stamps_ns: tuple[int, ...]
    odom_from_base: tuple[Transform, ...]

    def __post_init__(self) -> None:
        if len(self.stamps_ns) != len(self.odom_from_base) or not self.stamps_ns:
            raise InputError(f"poses: {len(self.odom_from_base)} poses for {len(self.stamps_ns)} stamps")
        if np.any(np.diff(np.array(self.stamps_ns)) <= 0):
            raise InputError("poses: the stamps do not increase")

    def at(self, stamp_ns: int) -> Transform:
        """Pose at a stamp: interpolated, outside the track extrapolated at the speed of its end."""
        if len(self.stamps_ns) == 1:
            return self.odom_from_base[0]
        k = int(np.searchsorted(np.array(self.stamps_ns), stamp_ns, side="right")) - 1
        k = min(max(k, 0), len(self.stamps_ns) - 2)
        start, end = self.stamps_ns[k], self.stamps_ns[k + 1]
        fraction = (stamp_ns - start) / (end - start)
        return interpolate(self.odom_from_base[k], self.odom_from_base[k + 1], fraction)

    def densified(self, earliest_ns: int, period_ns: int = TF_PERIOD_NS) -> PoseTrack:
        """The track with interpolated poses so that steps are at most `period_ns`, from `earliest_ns` on.

        It is extrapolated before its start by at most 0.15 s (a camera exposes before the first sweep ends).
        """
        stamps: list[int] = []
        start = self.stamps_ns[0]
        if earliest_ns < start and len(self.stamps_ns) > 1:
            begin = max(earliest_ns, start - MAX_EXTRAPOLATION_NS)
            stamps += _between(begin, start, period_ns)
        for a, b in zip(self.stamps_ns[:-1], self.stamps_ns[1:], strict=True):
            stamps += _between(a, b, period_ns)
        stamps.append(self.stamps_ns[-1])
        return PoseTrack(tuple(stamps), tuple(self.at(s) for s in stamps))


def _between(start_ns: int, end_ns: int, period_ns: int) -> list[int]:
    """`start_ns` and equal steps of at most about `period_ns` before `end_ns`; a gap over 1 s is left open."""
    gap = end_ns - start_ns
    if gap > 1_000_000_000:
        return [start_ns]
    count = max(1, round(gap / period_ns))
    return [start_ns + gap * i // count for i in range(count)]
