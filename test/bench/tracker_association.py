"""Ways to associate, compared on simulated traffic: `python test/bench/tracker_association.py [seeds, as 31,32,33]`.

For each way, over all drives of a scenario: how many detections of true objects updated a track that another object had
updated last, how often an object changed its track, and of what is published (confirmed and coasting, within the range
of the detector, true objects that can be seen) HOTA, GOSPA and id switches, pairs within 2 m.

Two ways are measured here and not part of the package: joint probabilities (JPDA), as a decision for the most probable
pairs and as a mean over the detections in the gate. The marginals are those of belief propagation (Williams and Lau,
IEEE Trans. AES 2014), over all assignments, where a list of the k best (Murty) would be over a few.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from perception_nodes.assessment.tracks.boxes import published
from perception_nodes.assessment.tracks.simulated import FALSE_ID, DetectorModel, Frame, drive, visible_from
from perception_nodes.datatypes import Tracks
from perception_nodes.evaluation import GospaConfig, clear, gospa_run, hota
from perception_nodes.evaluation.tracking import SimilarityFrame
from perception_nodes.tracking import MultiObjectTracker, TrackerConfig, association, tracker
from perception_nodes.tracking.classes import agreement
from perception_nodes.tracking.measurement import Measurements
from perception_nodes.tracking.store import TrackStore

F64 = npt.NDArray[np.float64]
SECONDS: Final = 12.0
SCENARIOS: Final = ("crowd_crossing", "dense_junction")
MODEL: Final = DetectorModel()
WITHIN_M: Final = 2.0
_SEEN_SHARE: Final = 0.3
_CLUTTER_PER_M2: Final = MODEL.clutter / (np.pi * MODEL.range_m**2)


def joint_probabilities(ratio: F64) -> F64:
    """(N, M) probability that a detection is of a track, from the likelihood of each pair over that of neither."""
    to_track = np.ones_like(ratio)
    for _ in range(50):
        weighted = ratio * to_track
        to_detection = ratio / (1 + weighted.sum(axis=1, keepdims=True) - weighted)
        before, to_track = to_track, 1 / (1 + to_detection.sum(axis=0, keepdims=True) - to_detection)
        if np.abs(to_track - before).max(initial=0.0) < 1e-6:
            break
    weighted = ratio * to_track
    return np.asarray(weighted / (1 + weighted.sum(axis=1, keepdims=True)))


def ratios(tracks: TrackStore, measured: Measurements, config: TrackerConfig) -> tuple[F64, F64]:
    """(N, M) likelihood of each pair over that of a miss and a false alarm, and its squared Mahalanobis distance."""
    cost, distance2 = association.pair_costs(tracks, measured, config)
    cov = np.where(
        tracks.rows["moving"][:, None, None], tracks.cov[:, :2, :2], tracks.rows["static_cov"][:, :2, :2]
    )
    jitter = config.static_jitter_m**2 * np.eye(2)
    spread = np.linalg.det(cov[:, None] + measured.rows["pose_cov"][None, :, :2, :2] + jitter)
    with np.errstate(invalid="ignore"):
        density = np.exp(-distance2 / 2) / (2 * np.pi * np.sqrt(spread))
    quality = measured.rows["quality"]
    seen = (tracks.rows["detectable"] / (1 - tracks.rows["detectable"]))[:, None]
    ratio = seen * density * (quality / (1 - quality))[None] / _CLUTTER_PER_M2
    for i, j in np.argwhere(np.isfinite(cost)).tolist():
        ratio[i, j] *= agreement(tracks.class_sum[i], measured.rows["class_probabilities"][j], config.numbers)
    return np.where(np.isfinite(cost), ratio, 0.0), distance2


def jpda(
    tracks: TrackStore, measured: Measurements, config: TrackerConfig, mean: bool = False
) -> association.Assignment:
    """The most probable pairs; mean: the detection of a pair is first put onto the mean of all in the gate."""
    if len(tracks) == 0 or len(measured) == 0:
        return association.no_pairs()
    ratio, distance2 = ratios(tracks, measured, config)
    share = joint_probabilities(ratio)
    rows, columns = linear_sum_assignment(-share)
    real = share[rows, columns] > 1 - share[rows].sum(axis=1)
    rows, columns = rows[real], columns[real]
    if mean:
        _put_onto_the_mean(measured.rows, share, rows, columns)
    return association.Assignment(rows, columns, distance2[rows, columns])


def _put_onto_the_mean(
    detections: npt.NDArray[Any], share: F64, rows: npt.NDArray[Any], columns: npt.NDArray[Any]
) -> None:
    """The position of each detection of a pair becomes the mixture of those that may be of its track."""
    place, cov = detections["pose"][:, :2].copy(), detections["pose_cov"][:, :2, :2].copy()
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        weight = share[i] / share[i].sum()
        mixed = weight @ place
        apart = place - mixed
        spread = np.einsum("j,jab->ab", weight, cov + apart[:, :, None] * apart[:, None, :])
        detections["pose"][j, :2], detections["pose_cov"][j, :2, :2] = mixed, spread


class Way(NamedTuple):
    """Numbers of the tracker, and what takes the place of its association."""

    config: Mapping[str, Any] = {}
    associate: Callable[..., association.Assignment] | None = None


WAYS: Final[Mapping[str, Way]] = {
    "as it is": Way(),
    "greedy": Way({"association": "greedy"}),
    "generalised IoU in the mix": Way({"generalised_overlap": True}),
    "generalised IoU only": Way(
        {"generalised_overlap": True, "weight_mahalanobis": 0.0, "weight_distance": 0.0}
    ),
    "Mahalanobis distance only": Way({"weight_overlap": 0.0, "weight_distance": 0.0}),
    "overlap only": Way({"weight_mahalanobis": 0.0, "weight_distance": 0.0}),
    "distance only": Way({"weight_mahalanobis": 0.0, "weight_overlap": 0.0}),
    "no class": Way({"weight_class": 0.0}),
    "JPDA, most probable pairs": Way({}, jpda),
    "JPDA, means": Way({}, partial(jpda, mean=True)),
}


class Judged(NamedTuple):
    """Updates by true objects, those of another object's track, changes of an object's track."""

    updates: int
    wrong: int
    changes: int
    frames: list[SimilarityFrame]
    distances: list[F64]


def judged(frames: Iterable[Frame], config: TrackerConfig) -> Judged:
    """One drive."""
    follower, object_of, track_of = MultiObjectTracker(config), dict[int, int](), dict[int, int]()
    count = wrong = changes = 0
    compared, distances = [], []
    for frame in frames:
        tracks = follower.step(frame.detections, frame.odom_from_base)
        for track, sources in zip(tracks.id.tolist(), tracks.measurements, strict=True):
            if not sources or sources[0].detection_id >= FALSE_ID:
                continue
            seen = sources[0].detection_id
            count += 1
            wrong += object_of.get(track, seen) != seen
            changes += track_of.get(seen, track) != track
            object_of[track], track_of[seen] = seen, track
        similar, apart = _compared(frame, published(tracks))
        compared.append(similar)
        distances.append(apart)
    return Judged(count, wrong, changes, compared, distances)


def _compared(frame: Frame, tracks: Tracks) -> tuple[SimilarityFrame, F64]:
    truth, ego = frame.truth, frame.odom_from_base.translation_m
    sensor = ego + np.array([0.0, 0.0, 1.8])
    there = (np.linalg.norm(truth.center_m[:, :2] - ego[:2], axis=1) < MODEL.range_m) & (
        visible_from(truth, sensor) > _SEEN_SHARE
    )
    near = np.linalg.norm(tracks.center_m[:, :2] - ego[:2], axis=1) < MODEL.range_m
    tracks = tracks.select(near)
    apart = np.linalg.norm(truth.center_m[there, None, :2] - tracks.center_m[None, :, :2], axis=2)
    similar = np.clip(1 - apart / (2 * WITHIN_M), 0.0, 1.0)
    return (truth.id[there], tracks.id.astype(np.int64), similar), apart


def compare(drives: Iterable[list[Frame]], way: Way) -> Iterator[str]:
    """One line of a table: updates, of another's track, changes, HOTA, GOSPA in m, id switches."""
    own = nullcontext() if way.associate is None else patch.object(tracker, "associate", way.associate)
    with own:
        found = [judged(frames, replace(TrackerConfig(), **way.config)) for frames in drives]
    yield from (str(sum(getattr(f, name) for f in found)) for name in ("updates", "wrong", "changes"))
    yield f"{100 * np.mean([hota(f.frames).hota for f in found]):.2f}"
    yield f"{np.mean([gospa_run(f.distances, GospaConfig(c_m=WITHIN_M)).mean_m for f in found]):.3f}"
    yield str(sum(clear(f.frames, 0.5).id_switches for f in found))


def main(seeds: list[int]) -> None:
    """One line a way and scenario."""
    for scenario in SCENARIOS:
        drives = [list(drive(scenario, seed, MODEL, SECONDS)) for seed in seeds]
        sys.stdout.write(f"{scenario}: updates, of another's track, changes, HOTA, GOSPA m, id switches\n")
        for name, way in WAYS.items():
            sys.stdout.write("| " + " | ".join([name, *compare(drives, way)]) + " |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main([int(word) for word in (sys.argv[1] if len(sys.argv) > 1 else "31,32,33").split(",")])
