"""Ways to associate, compared on simulated traffic: `python test/bench/tracker_association.py [seed]`.

Printed for each: detections of true objects that updated a track, how many of them updated a track that another object
had updated last, and how often an object changed its track.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from perception_nodes.assessment.tracks.simulated import FALSE_ID, DetectorModel, Frame, drive
from perception_nodes.tracking import MultiObjectTracker, TrackerConfig, association

SECONDS: Final = 12.0
SCENARIOS: Final = ("crowd_crossing", "dense_junction")
WEIGHTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "as it is": {},
    "Mahalanobis distance only": {"weight_overlap": 0.0, "weight_distance": 0.0},
    "overlap only": {"weight_mahalanobis": 0.0, "weight_distance": 0.0},
    "distance only": {"weight_mahalanobis": 0.0, "weight_overlap": 0.0},
    "no class": {"weight_class": 0.0},
    "greedy": {},
}
I64 = npt.NDArray[np.int64]


def greedy(cost: npt.NDArray[np.float64], tracks: I64, detections: I64) -> tuple[I64, I64]:
    """The cheapest pair first, then the cheapest of what is left."""
    part, pairs = cost[np.ix_(tracks, detections)], []
    while part.size and part.min() < association._MISS_COST:
        row, column = np.unravel_index(part.argmin(), part.shape)
        pairs.append((tracks[row], detections[column]))
        part[row], part[:, column] = np.inf, np.inf
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    return rows, columns


def judged(frames: list[Frame], config: TrackerConfig) -> tuple[int, int, int]:
    """Updates by true objects, those of another object's track, changes of an object's track."""
    tracker, object_of, track_of = MultiObjectTracker(config), dict[int, int](), dict[int, int]()
    count = wrong = changes = 0
    for frame in frames:
        tracks = tracker.step(frame.detections, frame.odom_from_base)
        for track, sources in zip(tracks.id.tolist(), tracks.measurements, strict=True):
            if not sources or sources[0].detection_id >= FALSE_ID:
                continue
            seen = sources[0].detection_id
            count += 1
            wrong += object_of.get(track, seen) != seen
            changes += track_of.get(seen, track) != track
            object_of[track], track_of[seen] = seen, track
    return count, wrong, changes


def main(seed: int) -> None:
    """One line a way and scenario."""
    drives = {name: list(drive(name, seed, DetectorModel(), SECONDS)) for name in SCENARIOS}
    own: Callable[..., tuple[I64, I64]] = association._assign
    for way, weights in WEIGHTS.items():
        with patch.object(association, "_assign", greedy if way == "greedy" else own):
            for name, frames in drives.items():
                count, wrong, changes = judged(frames, TrackerConfig(**weights))
                sys.stdout.write(
                    f"{way}: {name}: {count} updates, {wrong} of another's track, {changes} changes\n"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 31)
