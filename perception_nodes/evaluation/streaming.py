"""Scores that count latency: what had been published by the time of the truth, not what was later said about it.

Source: Li, Wang and Ramanan, "Towards Streaming Perception", ECCV 2020 (mtli/sAP, det/streaming_eval.py; definition
only). The form with boxes in space, and reaction time, are ours. All times are of one clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError, InputError
from perception_nodes.geometry import wrap_angle

from .association import check_frames, pair_nearest
from .boxes import BoxFrame, Paired

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Query = Literal["as_published", "predicted"]


@dataclass(frozen=True, eq=False)
class Output:
    """Boxes, valid for `boxes.stamp_ns`, and when they were published."""

    published_ns: int
    boxes: BoxFrame


@dataclass(frozen=True)
class StreamingConfig:
    """eta_frames: ask so many frames earlier (negative: later, which is lenient); query: boxes as published, or moved
    by the receiver to the time of the truth with their own velocity; tolerance_ns: an output is of the truth frame
    nearest to its stamp if not further away.
    """

    eta_frames: float = 0.0
    query: Query = "as_published"
    tolerance_ns: int = 30_000_000

    def __post_init__(self) -> None:
        if self.query not in get_args(Query):
            raise ConfigurationError(f"query: wanted one of {get_args(Query)}, got {self.query!r}")
        if not np.isfinite(self.eta_frames):
            raise ConfigurationError(f"eta_frames: wanted a finite number, got {self.eta_frames}")
        if self.tolerance_ns < 0:
            raise ConfigurationError(f"tolerance_ns: wanted at least 0, got {self.tolerance_ns}")


@dataclass(frozen=True, eq=False)
class Streamed:
    """Truth and what was known at its time, with the stamps of the truth: any metric of paired frames takes `paired`.

    output (F,) index of the output used, -1 none yet; age_s (F,) from its stamp to the truth's, NaN without one;
    in_time (F,) whether it is of this very frame; mismatch_frames (F,) how many truth frames ago it was sensed, NaN
    without an output.
    """

    paired: Paired
    output: I64
    age_s: F64
    in_time: npt.NDArray[np.bool_]
    mismatch_frames: F64

    @property
    def misses(self) -> int:
        """Truth frames before the first output."""
        return int((self.output < 0).sum())

    @property
    def in_time_share(self) -> float:
        """Share of the truth frames for which their own output was there; NaN without frames."""
        return float(self.in_time.mean()) if len(self.in_time) else float("nan")

    @property
    def mean_mismatch_frames(self) -> float:
        """Mean over the frames with an output; NaN without any."""
        known = self.mismatch_frames[self.output >= 0]
        return float(known.mean()) if len(known) else float("nan")


def stream(
    truth: Sequence[BoxFrame], outputs: Sequence[Output], config: StreamingConfig | None = None
) -> Streamed:
    """Each truth frame with the newest output that was published by then (at the very time counts).

    Newest: published last. eta_frames shifts the time that is asked about by the median step of the truth. Raises
    InputError for truth that is not in the order of time.
    """
    config = config or StreamingConfig()
    check_frames("truth", truth)
    ordered = sorted(range(len(outputs)), key=lambda k: (outputs[k].published_ns, outputs[k].boxes.stamp_ns))
    published = np.array([outputs[k].published_ns for k in ordered], np.int64)
    stamps = np.array([f.stamp_ns for f in truth], np.int64)
    step_ns = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
    asked = stamps - round(config.eta_frames * step_ns)
    place = np.searchsorted(published, asked, side="right") - 1
    used = np.array([ordered[k] if k >= 0 else -1 for k in place.tolist()], np.int64)
    sensed = np.array([outputs[k].boxes.stamp_ns if k >= 0 else 0 for k in used.tolist()], np.int64)
    has = used >= 0
    frame = np.round(np.interp(sensed, stamps, np.arange(len(stamps)))) if len(stamps) else np.zeros(0)
    shown = tuple(
        _shown(t, outputs[k].boxes, config) if k >= 0 else BoxFrame.empty(t.stamp_ns, t.ego_xy_m)
        for t, k in zip(truth, used.tolist(), strict=True)
    )
    return Streamed(
        Paired(tuple(truth), shown, int((~has).sum()), len(outputs) - len(np.unique(used[has]))),
        used,
        np.where(has, (stamps - sensed) * 1e-9, np.nan),
        has & (np.abs(stamps - sensed) <= config.tolerance_ns),
        np.where(has, np.arange(len(stamps)) - frame, np.nan),
    )


def _shown(truth: BoxFrame, boxes: BoxFrame, config: StreamingConfig) -> BoxFrame:
    center = boxes.center_m
    if config.query == "predicted":
        ahead = boxes.velocity_mps * ((truth.stamp_ns - boxes.stamp_ns) * 1e-9)
        center = center.copy()
        # A velocity that is not known does not move its box.
        center[:, :2] += np.where(np.isfinite(ahead), ahead, 0.0)
    return replace(boxes, stamp_ns=truth.stamp_ns, center_m=center, ego_xy_m=truth.ego_xy_m)


def interpolate_truth(
    truth: Sequence[BoxFrame], rate_hz: float = 12.0, max_gap_s: float = 1.0
) -> tuple[BoxFrame, ...]:
    """True boxes at a fixed rate from the first stamp to the last, for `stream`.

    Between two frames the objects that are in both are there, centre, velocity and ego linear, yaw the shorter way,
    the rest as in the earlier frame. Within gaps longer than `max_gap_s` there are no frames. Raises InputError for
    frames out of order, or a rate or gap that is not above 0.
    """
    if not (0 < rate_hz < np.inf and max_gap_s > 0):
        raise InputError(
            f"interpolate_truth: wanted rate_hz and max_gap_s above 0, got {rate_hz}, {max_gap_s}"
        )
    check_frames("truth", truth)
    if not truth:
        return ()
    stamps = np.array([f.stamp_ns for f in truth], np.int64)
    count = int((stamps[-1] - stamps[0]) * 1e-9 * rate_hz + 1e-6) + 1
    wanted = stamps[0] + np.round(np.arange(count) * 1e9 / rate_hz).astype(np.int64)
    out = []
    for stamp in wanted.tolist():
        k = int(np.searchsorted(stamps, stamp, side="right")) - 1
        if stamps[k] == stamp or k + 1 == len(stamps):
            out.append(replace(truth[k], stamp_ns=stamp))
        elif stamps[k + 1] - stamps[k] <= max_gap_s * 1e9:
            out.append(_between(truth[k], truth[k + 1], stamp))
    return tuple(out)


def _between(a: BoxFrame, b: BoxFrame, stamp_ns: int) -> BoxFrame:
    _, rows, cols = np.intersect1d(a.id, b.id, return_indices=True)
    first, second = a.select(rows), b.select(cols)
    part = (stamp_ns - a.stamp_ns) / (b.stamp_ns - a.stamp_ns)
    ego = None
    if a.ego_xy_m is not None and b.ego_xy_m is not None:
        ego = a.ego_xy_m + part * (b.ego_xy_m - a.ego_xy_m)
    turn = wrap_angle(second.yaw_rad - first.yaw_rad)
    return replace(
        first,
        stamp_ns=stamp_ns,
        center_m=first.center_m + part * (second.center_m - first.center_m),
        yaw_rad=np.asarray(wrap_angle(first.yaw_rad + part * turn), np.float64),
        velocity_mps=first.velocity_mps + part * (second.velocity_mps - first.velocity_mps),
        ego_xy_m=ego,
    )


@dataclass(frozen=True, eq=False)
class ReactionTimes:
    """Per true object that came to have enough points, (N,) each: its id; from when; time_s, infinite if never tracked.

    from_start: it had them in the first frame already, so that when it came into view is not known; these do not
    count in the percentiles. Negative times: it was tracked before it had enough points.
    """

    id: I64
    visible_ns: I64
    time_s: F64
    from_start: npt.NDArray[np.bool_]

    def percentile(self, percent: float) -> float:
        """The smallest time within which this share reacted, infinite if fewer ever did; NaN without objects."""
        counted = self.time_s[~self.from_start]
        return float(np.percentile(counted, percent, method="inverted_cdf")) if len(counted) else float("nan")

    @property
    def p50_s(self) -> float:
        """Median."""
        return self.percentile(50)

    @property
    def p95_s(self) -> float:
        """95th percentile."""
        return self.percentile(95)


def reaction_times(
    truth: Sequence[BoxFrame],
    outputs: Sequence[Output],
    min_points: int = 5,
    distance_m: float = 2.0,
    tolerance_ns: int = 30_000_000,
) -> ReactionTimes:
    """From the first stamp at which an object has enough lidar points to the first publication of a track of it.

    A track is of an object if it is paired with it at the stamp for which it is valid: the same label, closer than
    `distance_m`. `outputs` hold confirmed tracks only. Points that are not counted (-1) are not enough. Raises
    InputError for truth out of order.
    """
    check_frames("truth", truth)
    visible: dict[int, int] = {}
    for frame in truth:
        for i in frame.id[frame.num_points >= min_points].tolist():
            visible.setdefault(i, frame.stamp_ns)
    first = _first_published(truth, outputs, distance_m, tolerance_ns)
    ids = np.array(sorted(visible), np.int64)
    since = np.array([visible[i] for i in ids.tolist()], np.int64)
    time = [(first[i] - visible[i]) * 1e-9 if i in first else np.inf for i in ids.tolist()]
    start = truth[0].stamp_ns if truth else 0
    return ReactionTimes(ids, since, np.array(time, np.float64), since == start)


def _first_published(
    truth: Sequence[BoxFrame], outputs: Sequence[Output], distance_m: float, tolerance_ns: int
) -> dict[int, int]:
    """When a track of each true object (id) was first published."""
    stamps = np.array([f.stamp_ns for f in truth], np.int64)
    first: dict[int, int] = {}
    for output in outputs if len(stamps) else ():
        k = int(np.abs(stamps - output.boxes.stamp_ns).argmin())
        if abs(int(stamps[k]) - output.boxes.stamp_ns) > tolerance_ns:
            continue
        rows, _ = pair_nearest(truth[k], output.boxes, distance_m, same_label=True)
        for i in truth[k].id[rows].tolist():
            first[i] = min(first.get(i, output.published_ns), output.published_ns)
    return first
