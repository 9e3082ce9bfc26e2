"""Tracks as the nuScenes tracking benchmark prepares them: one score a track, and gaps filled.

Source: nuscenes-devkit 1.2.0, eval/tracking/loaders.py (definitions only), and its issue 1141 about the weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from perception_nodes.evaluation.columns import Columns

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Interpolation = Literal["corrected", "parity", "none"]


@dataclass(frozen=True, eq=False)
class TrackBoxes:
    """B boxes by frame: frame (B,), track (B,) an index unique over all scenes, label (B,), score (B,) of the track,
    xy_m (B, 2).
    """

    frame: I64
    track: I64
    label: I64
    score: F64
    xy_m: F64

    def __len__(self) -> int:
        return len(self.frame)

    def select(self, index: npt.NDArray[Any]) -> TrackBoxes:
        """The boxes picked by a boolean mask or an integer index."""
        return TrackBoxes(
            self.frame[index], self.track[index], self.label[index], self.score[index], self.xy_m[index]
        )


def track_boxes(boxes: Columns, scene: I64) -> TrackBoxes:
    """Boxes with the track they belong to; `scene` (F,) of each frame: an id in two scenes is two tracks."""
    _, known = np.unique(boxes.id, return_inverse=True)
    _, track = np.unique(scene[boxes.frame] * (len(boxes) + 1) + known, return_inverse=True)
    return TrackBoxes(boxes.frame, track.astype(np.int64), boxes.label, boxes.score, boxes.xy_m)


def with_mean_score(boxes: TrackBoxes) -> TrackBoxes:
    """Each box with the mean of the scores of its track."""
    order = np.argsort(boxes.track, kind="stable")
    first = np.searchsorted(boxes.track[order], np.arange(boxes.track.max(initial=-1) + 1))
    # Not by a running sum: the last bit of a score decides whether a box passes a threshold made of scores.
    mean = np.array([np.mean(part) for part in np.split(boxes.score[order], first[1:])] if len(first) else [])
    return replace(boxes, score=mean[boxes.track] if len(boxes) else boxes.score)


def with_gaps_filled(boxes: TrackBoxes, stamp_ns: I64, mode: Interpolation) -> TrackBoxes:
    """Boxes added linearly in the frames that a track misses between its first and its last one.

    `stamp_ns` (F,) of all frames. `corrected` weighs the later box by the time passed since the earlier one;
    `parity` by the time left to the later one, as nuscenes-devkit does (a defect, issue 1141: a gap is filled
    backwards), and it rounds scores as that does, so that a box may drop below the score of its own track; `none`
    adds nothing. A new box has the class of the later one and comes after the measured ones of its frame.
    """
    if mode == "none" or not len(boxes):
        return boxes
    order = np.lexsort((boxes.frame, boxes.track))
    left, right = order[:-1], order[1:]
    missed = np.where(boxes.track[left] == boxes.track[right], boxes.frame[right] - boxes.frame[left] - 1, 0)
    left, right = np.repeat(left, missed), np.repeat(right, missed)
    start = np.cumsum(missed) - missed
    frame = boxes.frame[left] + 1 + np.arange(len(left)) - np.repeat(start, missed)
    past, whole = (
        stamp_ns[frame] - stamp_ns[boxes.frame[left]],
        stamp_ns[boxes.frame[right]] - stamp_ns[boxes.frame[left]],
    )
    share = (whole - past if mode == "parity" else past) / whole
    score = boxes.score[right]
    if mode == "parity":
        score = (1.0 - share) * boxes.score[left] + share * score
    xy_m = (1.0 - share)[:, None] * boxes.xy_m[left] + share[:, None] * boxes.xy_m[right]
    added = TrackBoxes(frame, boxes.track[right], boxes.label[right], score, xy_m)
    return _merged(boxes, added)


def _merged(boxes: TrackBoxes, added: TrackBoxes) -> TrackBoxes:
    """Both by frame; in a frame `boxes` first, then `added` in the order in which their tracks began."""
    began = np.full(boxes.track.max() + 1, len(boxes))
    np.minimum.at(began, boxes.track, np.arange(len(boxes)))
    place = np.concatenate([np.arange(len(boxes)), len(boxes) + began[added.track]])
    both = TrackBoxes(
        np.concatenate([boxes.frame, added.frame]),
        np.concatenate([boxes.track, added.track]),
        np.concatenate([boxes.label, added.label]),
        np.concatenate([boxes.score, added.score]),
        np.concatenate([boxes.xy_m, added.xy_m]),
    )
    return both.select(np.lexsort((place, both.frame)))
