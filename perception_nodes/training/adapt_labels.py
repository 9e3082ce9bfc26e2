"""Auto-labels of a drive: believed objects in every sweep where they show, and what is neither believed nor denied.

The second kind has the class `unknown`: the training neither asks for it nor forbids it there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import UNKNOWN
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.ground import GroundGrid
from perception_nodes.detection.learned_points import PreparedPoints, prepare
from perception_nodes.geometry import Transform, wrap_angle

from .adapt_objects import AutoObject, BelieveConfig, believed
from .adapt_sweeps import Found, Sweep
from .adapt_threads import threads
from .kernels import count_points
from .store import BOX, StoredFrame

F64 = npt.NDArray[np.float64]
# Boxes with less than this are noise: the place is taken for empty.
_DOUBT: Final = 0.1
_LEAST_POINTS: Final = 5
# What stands still was there this long before its first box and will be as long after its last, if it returns points.
_STILL_S: Final = 10.0
# Points of all sweeps about a standing object, from this height over its bottom on: sides, not road.
_ABOUT_M, _SIDES_FROM_M, _ENOUGH = 0.4, 0.3, 40
_QUANTILE: Final = 0.01
# A beam's step in elevation, for lidars that do not tell their rings.
_RING_RAD: Final = 0.004


@dataclass(frozen=True, eq=False)
class Labels:
    """What a drive was found to hold: objects that are believed; (frame, row) of the boxes that are of those."""

    objects: list[AutoObject]
    used: set[tuple[int, int]]


def label_drive(
    found: Sequence[Found], sweeps: Sequence[Sweep], config: BelieveConfig | None = None
) -> Labels:
    """Threads, judged; the sides of what stands still are measured on the points of all its sweeps."""
    stamps_s = np.array([f.boxes.stamp_ns for f in found], np.float64) * 1e-9
    stamps_s -= stamps_s[0] if len(stamps_s) else 0.0
    objects, used = [], set()
    for thread in threads(found):
        one = believed(thread, found, stamps_s, config)
        if one is not None:
            objects.append(measured(one, sweeps) if one.still else one)
            used |= set(zip(thread.frame.tolist(), thread.row.tolist(), strict=True))
    return Labels([_lasting(o, stamps_s) for o in objects], used)


def measured(one: AutoObject, sweeps: Sequence[Sweep]) -> AutoObject:
    """A standing object with the sides that its points of all sweeps together have.

    An end that no sweep has seen stays where the boxes have it; points beyond the box push it or draw it out.
    """
    c, s = np.cos(one.yaw_rad[0]), np.sin(one.yaw_rad[0])
    turn = np.array([[c, -s], [s, c]])
    parts = []
    for frame in one.frame[:: max(1, len(one.frame) // 20)].tolist():
        pose = sweeps[frame].odom_from_base
        middle = pose.inverse().apply(one.center_m[:1])[0]
        xyz = sweeps[frame].cloud.xyz_m
        near = np.abs(xyz[:, :2] - middle[:2]).max(axis=1) < 0.5 * np.hypot(*one.lwh_m[:2]) + 1.0
        parts.append((pose.apply(xyz[near].astype(np.float64)) - one.center_m[0]) @ _in_box(turn))
    points = np.concatenate(parts)
    half = one.lwh_m / 2
    inside = (np.abs(points[:, :2]) < half[:2] + _ABOUT_M).all(axis=1)
    inside &= (points[:, 2] > _SIDES_FROM_M - half[2]) & (points[:, 2] < half[2] + 0.2)
    points = points[inside]
    if len(points) < _ENOUGH:
        return one
    low, high = (np.quantile(points[:, :2], q, axis=0) for q in (_QUANTILE, 1.0 - _QUANTILE))
    whole = high - low > 0.8 * one.lwh_m[:2]
    # Between two ends that were seen lies the middle; one end pushes the box until it holds what was seen.
    push = np.maximum(high - half[:2], 0.0) + np.minimum(low + half[:2], 0.0)
    middle = np.where(whole, (low + high) / 2, push)
    size = np.maximum(high - low, one.lwh_m[:2])  # what was seen is the least that it can be
    center = one.center_m.copy()
    center[:, :2] += turn @ middle
    return replace(one, center_m=center, lwh_m=np.append(size, one.lwh_m[2]))


def _in_box(turn: F64) -> F64:
    """Rows of odom offsets times this are along and across the box, and up."""
    out = np.eye(3)
    out[:2, :2] = turn
    return out


def _lasting(one: AutoObject, stamps_s: F64) -> AutoObject:
    """A standing object in the sweeps around those in which it was found; whether it returns points is seen there."""
    if not one.still:
        return one
    first, last = stamps_s[one.frame[0]] - _STILL_S, stamps_s[one.frame[-1]] + _STILL_S
    frame = np.flatnonzero((stamps_s >= first) & (stamps_s <= last))
    n = len(frame)
    return replace(
        one, frame=frame, center_m=np.tile(one.center_m[0], (n, 1)), yaw_rad=np.full(n, one.yaw_rad[0]),
        velocity_mps=np.zeros((n, 2)),
    )  # fmt: skip


def boxes_at(labels: Labels, index: int, found: Found, height_at: Callable[[F64], F64]) -> npt.NDArray[Any]:
    """(M,) `BOX` rows of sweep `index`, base frame, z over the ground; doubtful boxes have the class `unknown`."""
    rows = []
    for one in labels.objects:
        at = np.searchsorted(one.frame, index)
        if at < len(one.frame) and one.frame[at] == index:
            pose = (one.center_m[at], one.yaw_rad[at], one.velocity_mps[at])
            rows.append((*pose, one.lwh_m, one.label))
    b = found.boxes
    doubt = (found.existence >= _DOUBT) | (~found.learned & (b.label != UNKNOWN))
    rows += [
        (b.center_m[row], b.yaw_rad[row], np.full(2, np.nan), b.lwh_m[row], UNKNOWN)
        for row in np.flatnonzero(doubt).tolist()
        if (index, row) not in labels.used
    ]
    out = np.zeros(len(rows), BOX)
    base_from_odom = found.odom_from_base.inverse()
    for k, (center, yaw, velocity, lwh, label) in enumerate(rows):
        here = base_from_odom.apply(np.asarray(center)[None])[0]
        out[k]["center_m"], out[k]["lwh_m"], out[k]["label"] = here, lwh, label
        out[k]["yaw_rad"] = wrap_angle(yaw - found.odom_from_base.yaw_rad)
        out[k]["velocity_mps"] = _turned(velocity, base_from_odom)
    out["center_m"][:, 2] -= height_at(out["center_m"][:, :2].astype(np.float64))
    return out


def _turned(velocity: F64, base_from_odom: Transform) -> F64:
    return np.asarray(base_from_odom.rotate(np.append(velocity, 0.0)[None])[0, :2])


def labelled_frame(
    index: int, sweep: Sweep, found: Found, labels: Labels, points_config: GeometricConfig, rig: int
) -> StoredFrame:
    """A sweep with its auto-labels, as it is trained on."""
    frame, ground = unlabelled_frame(index, sweep, points_config, rig)
    boxes = boxes_at(labels, index, found, ground.height_at)
    boxes["num_points"] = count_points(frame.points.xyh_m, boxes)
    boxes["visibility"] = 1.0
    # What is hidden in this sweep is left out; what is doubtful stays.
    boxes = boxes[(boxes["num_points"] >= _LEAST_POINTS) | (boxes["label"] == UNKNOWN)]
    return replace(frame, boxes=boxes)


def unlabelled_frame(
    index: int, sweep: Sweep, points_config: GeometricConfig, rig: int
) -> tuple[StoredFrame, GroundGrid]:
    """A sweep without a box, all its points as if of the first lidar, and its ground."""
    points, ground, kept = prepare(sweep.cloud, sweep.origins_m, points_config)
    origin = sweep.origins_m[0].astype(np.float32)
    origin[2] -= np.float32(ground.height_at(sweep.origins_m[:1, :2])[0])
    one = PreparedPoints(points.xyh_m, points.rank, np.zeros(len(points), np.uint8), sweep.origins_m[:1, :2])
    return StoredFrame(one, _rings(sweep, kept), np.zeros(0, BOX), rig, 0, index, origin), ground


def _rings(sweep: Sweep, kept: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """The beam of each point, by its elevation where the lidar does not tell."""
    cloud = sweep.cloud
    if cloud.ring is not None:
        return (cloud.ring[kept] % 256).astype(np.uint8)
    source = cloud.source[kept] if cloud.source is not None else np.zeros(len(kept), np.int64)
    offset = cloud.xyz_m[kept] - sweep.origins_m[source]
    elevation = np.arctan2(offset[:, 2], np.hypot(offset[:, 0], offset[:, 1]))
    return (np.round(elevation / _RING_RAD).astype(np.int64) % 256).astype(np.uint8)
