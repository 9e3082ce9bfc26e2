"""The score with which a track is written: what all its detections so far say, not only the last one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import Tracks

from .config import TrackConfig

F64 = npt.NDArray[np.float64]


class ScoreMemory:
    """Causal mean of the detections' log odds of every track, drawn towards a prior.

    score = (prior_weight prior_score + sum of log odds) / (prior_weight + their number) - coast_cost_per_s age of the
    last detection: one lucky detection does not rank as high as a long track, and a guess not as high as a sight. What
    comes later lessens no age: a track with gaps is as doubtful when they are filled.
    """

    def __init__(self, config: TrackConfig) -> None:
        self._config = config
        self._sum = np.zeros(0)
        self._count = np.zeros(0)
        self._seen_ns = np.zeros(0, np.int64)

    def update(self, tracks: Tracks, bonus: F64 | None = None) -> F64:
        """(N,) scores of the tracks after this step; bonus (N,): what 2D support adds to this frame's score."""
        config, index = self._config, tracks.id.astype(np.int64)
        self._grow(int(index.max(initial=-1)) + 1)
        new = np.array([m[0].score if m else np.nan for m in tracks.measurements], np.float64).reshape(-1)
        seen = np.isfinite(new)
        added = new if bonus is None else new + bonus
        self._sum[index[seen]] += added[seen]
        self._count[index[seen]] += 1
        self._seen_ns[index[seen]] = tracks.stamp_ns
        weight = np.maximum(config.prior_weight + self._count[index], 1e-9)
        mean = (config.prior_weight * config.prior_score + self._sum[index]) / weight
        age_s = (tracks.stamp_ns - self._seen_ns[index]) * 1e-9
        return np.asarray(mean - config.coast_cost_per_s * age_s)

    def _grow(self, size: int) -> None:
        """Room for ids below `size`."""
        if size > len(self._sum):
            more = np.zeros(max(size, 2 * len(self._sum)) - len(self._sum))
            self._sum = np.concatenate([self._sum, more])
            self._count = np.concatenate([self._count, more])
            self._seen_ns = np.concatenate([self._seen_ns, more.astype(np.int64)])
