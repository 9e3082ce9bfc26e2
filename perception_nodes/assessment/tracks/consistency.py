"""`perception tune consistency`: whether what the tracker says of its own errors is true, on simulated drives.

Truth and track belong together by provenance: the actor whose detection updated the track last, so that no distance is
used that would cut off the large errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from perception_nodes.datatypes import (
    LABELS,
    PEDESTRIAN,
    TWO_WHEELERS,
    VEHICLES,
    ConfigurationError,
    Orientation,
    Tracks,
    TrackState,
)
from perception_nodes.evaluation import EventRate, Reliability, nees, reliability
from perception_nodes.geometry import wrap_angle
from perception_nodes.tracking import MultiObjectTracker, TrackerConfig

from .existence_fit import fit_table
from .simulated import FALSE_ID, STEP_S, Actors, DetectorModel, Frame, drive

F64 = npt.NDArray[np.float64]
GROUPS: Final = {
    "vehicle": sorted(VEHICLES),
    "two-wheeler": sorted(TWO_WHEELERS),
    "pedestrian": [PEDESTRIAN],
}
# A track that coasts for longer is a guess by intention; errors of one track farther apart than this count as new ones.
_LONGEST_COAST_S: Final = 0.55
_APART_S: Final = 3.0
_TRUE_WITHIN_M: Final = 2.0
_MOVES_MPS: Final = 1.0
_JUDGED_AGE_S: Final = (0.95, 1.05)
# Fewer of a class get no row of their own.
_MANY_BOXES: Final = 200


@dataclass(frozen=True)
class ConsistencyOptions:
    """Drives that are judged, and those (`fit_seeds`) on which a calibration of the existence is fitted, if any."""

    scenarios: tuple[str, ...] = ("random_street", "dense_junction", "crowd_crossing", "highway_merge")
    seeds: tuple[int, ...] = (11, 12, 13)
    fit_seeds: tuple[int, ...] = ()
    seconds: float = 20.0
    model: DetectorModel = field(default_factory=DetectorModel)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)

    def __post_init__(self) -> None:
        if not self.scenarios or not self.seeds:
            raise ConfigurationError("perception tune consistency: wanted scenarios and seeds, got none")
        if not 2 * STEP_S <= self.seconds < np.inf:
            raise ConfigurationError(
                f"--seconds: wanted at least {2 * STEP_S:g}, finite, got {self.seconds:g}"
            )
        if shared := sorted(set(self.seeds) & set(self.fit_seeds)):
            raise ConfigurationError(f"--fit-seeds: {shared[0]} is judged too: wanted other seeds")


# One row a published track and frame. Columns of `Samples.numbers`:
_COLUMNS: Final = (
    *("drive", "id", "time", "actor", "label", "standing", "age", "unseen", "existence", "distance", "nis"),
    *("ex", "ey", "pxx", "pxy", "pyy", "speed", "speed_error", "yaw_error", "yaw", "front"),
)


@dataclass(frozen=True)
class Samples:
    """(N, C) numbers of published tracks, one column a name of `_COLUMNS`."""

    numbers: F64

    def __getitem__(self, name: str) -> F64:
        return self.numbers[:, _COLUMNS.index(name)]

    def pick(self, mask: npt.NDArray[np.bool_]) -> Samples:
        """Some of them."""
        return Samples(self.numbers[mask])


def collect(frames: Iterable[Frame], config: TrackerConfig, number: int) -> F64:
    """(N, C) rows of what the tracker publishes on one drive, confirmed and coasting tracks."""
    tracker = MultiObjectTracker(config)
    of_track: dict[int, int] = {}
    rows = [np.zeros((0, len(_COLUMNS)))]
    for frame in frames:
        tracks = tracker.step(frame.detections, frame.odom_from_base)
        for i, sources in zip(tracks.id.tolist(), tracks.measurements, strict=True):
            if sources:
                of_track[i] = sources[0].detection_id
        live = (tracks.state == TrackState.CONFIRMED) | (tracks.state == TrackState.COASTING)
        rows.append(_rows(tracks.select(live), frame.truth, of_track, number))
    return np.concatenate(rows)


def _rows(tracks: Tracks, truth: Actors, of_track: dict[int, int], number: int) -> F64:
    actor = np.array([of_track[i] for i in tracks.id.tolist()], np.int64)
    place = {k: row for row, k in enumerate(truth.id.tolist())}
    row = np.array([place.get(k, -1) for k in actor.tolist()], np.int64)
    gone = (row < 0)[:, None]
    pick = np.maximum(row, 0) if len(truth.id) else np.zeros(0, np.int64)
    if not len(truth.id):
        return np.zeros((0, len(_COLUMNS)))
    error = np.where(gone, np.nan, tracks.center_m[:, :2] - truth.center_m[pick, :2])
    true_velocity = np.where(gone, np.nan, truth.velocity_mps[pick])
    nis = [
        m[0].mahalanobis2 if m and a > 0 else np.nan
        for m, a in zip(tracks.measurements, tracks.age_s, strict=True)
    ]
    n = len(tracks)
    cov = tracks.covariance
    columns = (
        *(np.full(n, number), tracks.id, np.full(n, tracks.stamp_ns * 1e-9), actor),
        np.where(row < 0, -1, truth.label[pick]),
        (tracks.velocity_mps == 0).all(axis=1),
        *(tracks.age_s, tracks.time_since_update_s, tracks.existence_probability, np.hypot(*error.T)),
        np.array(nis, np.float64).reshape(n),
        *(error[:, 0], error[:, 1], cov[:, 0, 0], cov[:, 0, 1], cov[:, 1, 1]),
        np.hypot(*true_velocity.T),
        np.hypot(*(tracks.velocity_mps - true_velocity).T),
        wrap_angle(tracks.yaw_rad - truth.yaw_rad[pick]),
        *(tracks.yaw_rad, tracks.orientation == int(Orientation.AVAILABLE)),
    )
    return np.stack([np.asarray(c, np.float64) for c in columns], axis=1)


def gather(options: ConsistencyOptions, seeds: Sequence[int]) -> Samples:
    """All drives of the seeds."""
    parts: list[F64] = []
    for seed in seeds:
        for name in options.scenarios:
            frames = drive(name, seed, options.model, options.seconds)
            parts.append(collect(frames, options.tracker, len(parts)))
    return Samples(np.concatenate(parts))


def independent(samples: Samples) -> npt.NDArray[np.bool_]:
    """(N,) one sample of a track in each 3 s, any of them: errors of successive frames are alike."""
    key = samples["drive"] * 1e9 + samples["id"] * 1e3 + np.floor(samples["age"] / _APART_S)
    shuffled = np.random.default_rng(0).permutation(len(key))
    out = np.zeros(len(key), bool)
    out[shuffled[np.unique(key[shuffled], return_index=True)[1]]] = True
    return out


@dataclass(frozen=True)
class PositionRow:
    """Of one class and model: mean NEES and NIS of independent samples with their 95 % bands, share in the ellipse."""

    count: int
    nees: float
    nees_band: tuple[float, float]
    inside: float
    nis: float
    nis_band: tuple[float, float]


def position_row(samples: Samples) -> PositionRow:
    """Position errors (2 degrees of freedom) of published tracks that have an actor."""
    error = np.stack([samples["ex"], samples["ey"]], axis=1)
    cov = np.stack([samples["pxx"], samples["pxy"], samples["pxy"], samples["pyy"]], axis=1).reshape(-1, 2, 2)
    every = nees(error, cov)
    inside = next(c.share.value for c in every.coverage if c.level == 0.95)
    once = independent(samples)
    few = nees(error[once], cov[once])
    fits = samples["nis"][once & np.isfinite(samples["nis"])]
    unit = nees(np.stack([np.sqrt(fits), 0 * fits], axis=1), np.broadcast_to(np.eye(2), (len(fits), 2, 2)))
    return PositionRow(len(error), few.mean, (few.low, few.high), inside, unit.mean, (unit.low, unit.high))


def existence(samples: Samples) -> tuple[F64, F64]:
    """Existence that the tracker believes in, and whether there is an actor within 2 m that the track follows."""
    true = (samples["actor"] < FALSE_ID) & (samples["distance"] < _TRUE_WITHIN_M)
    return samples["existence"], true.astype(np.float64)


def speed_error_mps(samples: Samples) -> tuple[float, int]:
    """Median error of the velocity of moving vehicles 1 s after birth, and of how many."""
    at = (samples["age"] > _JUDGED_AGE_S[0]) & (samples["age"] < _JUDGED_AGE_S[1])
    moves = at & np.isin(samples["label"], GROUPS["vehicle"]) & (samples["speed"] > _MOVES_MPS)
    errors = samples["speed_error"][moves]
    return (float(np.median(errors)) if len(errors) else float("nan")), len(errors)


def heading_flips(samples: Samples) -> EventRate:
    """Jumps of the published yaw by more than 90 degrees from one frame to the next while its sign was known."""
    order = np.lexsort((samples["time"], samples["id"], samples["drive"]))
    s = Samples(samples.numbers[order])
    same = (np.diff(s["id"]) == 0) & (np.diff(s["drive"]) == 0) & (np.diff(s["time"]) < 1.5 * STEP_S)
    known = same & (s["front"][:-1] > 0)
    jump = np.abs(np.asarray(wrap_angle(np.diff(s["yaw"])), np.float64)) > np.pi / 2
    return EventRate(int((known & jump).sum()), float(known.sum() * STEP_S))


def consistency(options: ConsistencyOptions, console: Console) -> Samples:
    """Track the drives and print the figures."""
    samples = gather(options, options.seeds)
    good = (samples["label"] >= 0) & (samples["unseen"] < _LONGEST_COAST_S)
    _tell_position(samples.pick(good), console)
    score, true = existence(samples)
    _tell_existence("existence without a map", reliability(score, true), console)
    if options.fit_seeds:
        other, was = existence(gather(options, options.fit_seeds))
        fitted = reliability(fit_table(other, was > 0).forward(score), true)
        _tell_existence("existence with the map of the other drives", fitted, console)
    error, count = speed_error_mps(samples)
    console.print(f"velocity of moving vehicles 1 s after birth: median error {error:.2f} m/s of {count}")
    flips = heading_flips(samples)
    rate = 1000 * flips.count / max(flips.exposure_s, 1e-9)
    console.print(
        f"heading flips: {flips.count} in {flips.exposure_s:.0f} object-seconds, {rate:.2f} per 1,000"
    )
    return samples


def _tell_existence(name: str, diagram: Reliability, console: Console) -> None:
    console.print(f"{name}: ECE {diagram.ece:.3f} of {diagram.total}", highlight=False)


def _tell_position(samples: Samples, console: Console) -> None:
    table = Table(box=None, title="position, 2 degrees of freedom", title_justify="left")
    for name in ("class", "model", "boxes", "NEES", "band", "in 95 %", "NIS", "band"):
        table.add_column(name)
    for name, labels in _kinds(samples).items():
        for model, standing in (("moving", 0.0), ("standing", 1.0)):
            part = samples.pick(np.isin(samples["label"], labels) & (samples["standing"] == standing))
            if len(part.numbers):
                table.add_row(name, model, *_cells(position_row(part)))
    console.print(table)


def _cells(row: PositionRow) -> list[str]:
    nees_band, nis_band = (f"{low:.2f}-{high:.2f}" for low, high in (row.nees_band, row.nis_band))
    share = f"{100 * row.inside:.1f} %"
    return [str(row.count), f"{row.nees:.2f}", nees_band, share, f"{row.nis:.2f}", nis_band]


def _kinds(samples: Samples) -> dict[str, list[int]]:
    """Name -> labels of the rows: the groups, and below each its classes where it has several of many boxes."""
    out: dict[str, list[int]] = {}
    for group, labels in GROUPS.items():
        out[group] = labels
        many = [k for k in labels if (samples["label"] == k).sum() >= _MANY_BOXES]
        if len(labels) > 1:
            out |= {f"  {LABELS[k]}": [k] for k in many}
    return out
