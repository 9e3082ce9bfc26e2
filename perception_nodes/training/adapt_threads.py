"""Which boxes of a drive are of one object: tracked forward and backward, and only what both agree on.

Each direction has its own mistakes: one begins a track late, the other ends it early; a swap of two objects happens at
another moment. Tracks of both directions that share their boxes are one object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.tracking import MultiObjectTracker, TrackerConfig

from .adapt_sweeps import Found

I64 = npt.NDArray[np.int64]
# Two tracks are one object where they share this many boxes and this part of the shorter one.
_SHARED, _SHARE = 2, 0.5


@dataclass(frozen=True, eq=False)
class Thread:
    """Boxes of one object: frame (K,), rising, and row (K,) in that frame's `Found`; one box a frame."""

    frame: I64
    row: I64

    def __len__(self) -> int:
        return len(self.frame)


Boxes = dict[tuple[int, int], int]
_NOBODY: Final = -1


def threads(found: Sequence[Found], config: TrackerConfig | None = None) -> list[Thread]:
    """Objects of a drive, longest first; a box that the two directions give to different objects is of none."""
    forward = tracked(found, range(len(found)), config)
    backward = tracked(found, range(len(found) - 1, -1, -1), config)
    both = sorted(set(forward) & set(backward))
    parent = _joined(both, forward, backward)
    members: dict[int, list[tuple[int, int]]] = {}
    for box in both:
        one, other = parent.get(("f", forward[box]), _NOBODY), parent.get(("b", backward[box]), _NOBODY)
        if one == other != _NOBODY:
            members.setdefault(one, []).append(box)
    out = [_thread(boxes) for boxes in members.values()]
    return sorted((t for t in out if t is not None), key=lambda t: (-len(t), int(t.frame[0]), int(t.row[0])))


def tracked(found: Sequence[Found], order: Sequence[int], config: TrackerConfig | None = None) -> Boxes:
    """(frame, row) -> id of the track that took that box, frames in the given order; time runs on in either."""
    tracker = MultiObjectTracker(config or TrackerConfig())
    start_ns = found[order[0]].boxes.stamp_ns if len(order) else 0
    out: Boxes = {}
    for index in order:
        one = found[index]
        stamp_ns = start_ns + abs(one.boxes.stamp_ns - start_ns)
        tracks = tracker.step(replace(one.boxes, stamp_ns=stamp_ns), one.odom_from_base)
        for number, sources in zip(tracks.id.tolist(), tracks.measurements, strict=True):
            for source in sources:
                out[index, source.detection_id] = number
    return out


def _joined(boxes: Sequence[tuple[int, int]], forward: Boxes, backward: Boxes) -> dict[tuple[str, int], int]:
    """Which object each track is of, by direction and id: connected by the boxes that they share."""
    shared = Counter((forward[b], backward[b]) for b in boxes)
    length = Counter(("f", forward[b]) for b in boxes) + Counter(("b", backward[b]) for b in boxes)
    group: dict[tuple[str, int], int] = {node: k for k, node in enumerate(sorted(length))}
    for (f, b), count in sorted(shared.items()):
        one, other = ("f", f), ("b", b)
        if count >= _SHARED and count >= _SHARE * min(length[one], length[other]):
            old, new = group[one], group[other]
            group = {node: new if g == old else g for node, g in group.items()}
    return group


def _thread(boxes: Sequence[tuple[int, int]]) -> Thread | None:
    """None where two boxes of a frame claim to be the same object: whoever joined them was wrong."""
    at = np.array(sorted(boxes), np.int64)
    return None if len(np.unique(at[:, 0])) < len(at) else Thread(at[:, 0], at[:, 1])
