"""KITTI detections to the tracker's input and its tracks back to KITTI results, causally, frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.datasets.kitti_labels import LABELS
from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS, Detections3D, SourceMask, Tracks
from perception_nodes.evaluation.kitti_objects import KittiObjects, join
from perception_nodes.geometry import Transform, transform_detections, wrap_angle
from perception_nodes.tracking import MultiObjectTracker

from .boxes import live
from .config import TrackConfig
from .images import bridges, support
from .ranking import ScoreMemory

F64 = npt.NDArray[np.float64]
PERIOD_NS: Final = 100_000_000
VEHICLE_FRAME: Final = "base_link"
_NEAREST_M: Final = 0.1


class Seen(NamedTuple):
    """Live tracks of a frame and what they were given, in the tracker's frame, and how the camera sees them: center_m
    (N, 3), yaw_rad (N,) in the vehicle's frame, image boxes (N, 4), the share of each (N,) that lies in the image, and
    how much a 2D detection supports it (N,), 0..1.
    """

    tracks: Tracks
    detections: Detections3D
    center_m: F64
    yaw_rad: F64
    box_px: F64
    share: F64
    support: F64


class KittiTracker:
    """One class of one sequence: `step` takes the detections of a frame and gives what is tracked in that frame.

    p2 (3, 4): projection of camera 2; size_px: width and height of its image. Without poses the tracker works in the
    vehicle's frame.
    """

    def __init__(self, label: str, config: TrackConfig, p2: F64, size_px: tuple[int, int]) -> None:
        self.label, self.config = label, config
        self.tracker = MultiObjectTracker(config.tracker)
        self._p2, self._size_px = p2, size_px
        self._frame = 0

    def step(
        self,
        detections: KittiObjects,
        odom_from_base: Transform | None = None,
        image_boxes: F64 | None = None,
    ) -> Seen:
        """image_boxes (M, 5): left, top, right, bottom (px) and score of 2D detections of the frame."""
        pose = odom_from_base or Transform.identity()
        back = pose.inverse() if odom_from_base is not None else None
        self._frame += 1
        # With 2D detections the boxes are looked at from the vehicle first.
        at_once = odom_from_base if image_boxes is None else None
        given = to_detections(detections, self.label, self._frame * PERIOD_NS, self.config, at_once)
        if image_boxes is not None and self.tracker.stamp_ns is not None:
            before = self.tracker.predict(given.stamp_ns)
            center_m, yaw_rad = _from_vehicle(before, back)
            before = replace(before, center_m=center_m, yaw_rad=yaw_rad)
            projected = self._project(center_m, before.lwh_m, yaw_rad)
            given = bridges(given, before, projected, image_boxes, self.config)
        if odom_from_base is not None and at_once is None:
            given = transform_detections(given, "odom", odom_from_base)
        return self.seen(live(self.tracker.step(given, pose)), given, back, image_boxes)

    def seen(
        self, tracks: Tracks, given: Detections3D, back: Transform | None, image_boxes: F64 | None
    ) -> Seen:
        """How the camera sees tracks of a frame. back: base_from_odom, None: they are in the vehicle's frame."""
        center_m, yaw_rad = _from_vehicle(tracks, back)
        box_px, share = self._project(center_m, tracks.lwh_m, yaw_rad)
        supported = np.zeros(len(tracks))
        if image_boxes is not None:
            supported = support(box_px, image_boxes, self.config.support_overlap)
        return Seen(tracks, given, center_m, yaw_rad, box_px, share, supported)

    def _project(self, center_m: F64, lwh_m: F64, yaw_rad: F64) -> tuple[F64, F64]:
        return project(center_m, lwh_m, yaw_rad, self._p2, self._size_px)


def drifting(config: TrackConfig) -> TrackConfig:
    """For poses that are estimated: they drift, so that nothing keeps its place in odom exactly."""
    return replace(config, tracker=replace(config.tracker, world_fixed=False))


def follow(
    frames: Sequence[KittiObjects],
    tracker: KittiTracker,
    poses: Sequence[Transform] | None = None,
    image_boxes: Sequence[F64] | None = None,
) -> Iterator[Seen]:
    """All frames in one pass."""
    for i, frame in enumerate(frames):
        pose = None if poses is None else poses[i]
        yield tracker.step(frame, pose, None if image_boxes is None else image_boxes[i])


def results(seen: Iterable[Seen], label: str, config: TrackConfig) -> list[KittiObjects]:
    """What is written of each frame: which tracks, with which score, from that frame and earlier ones only."""
    memory = ScoreMemory(config)
    rows: list[_Shown] = []
    for frame in seen:
        tracks, share = frame.tracks, frame.share
        score = memory.update(tracks, config.support_score * frame.support)
        unseen_s = tracks.time_since_update_s
        coasting = (unseen_s <= config.coast_s + 1e-6) & (share >= config.visible_share)
        coasting &= tracks.existence_probability >= config.coast_existence
        shown = np.flatnonzero(((unseen_s == 0) | coasting) & (share > 0))
        # In the order of their ids.
        shown = shown[np.argsort(tracks.id[shown], kind="stable")]
        of_frame: tuple[npt.NDArray[Any], ...] = (frame.center_m, frame.yaw_rad, tracks.lwh_m)
        of_frame += (frame.box_px, score, tracks.id)
        rows.append(_Shown(*(column[shown] for column in of_frame)))
    return _to_kitti(rows, label)


class _Shown(NamedTuple):
    """What is written of one frame, in the vehicle's frame."""

    center_m: F64
    yaw_rad: F64
    lwh_m: F64
    box_px: F64
    score: F64
    id: npt.NDArray[np.uint64]


def to_detections(
    objects: KittiObjects,
    label: str,
    stamp_ns: int,
    config: TrackConfig,
    odom_from_base: Transform | None = None,
) -> Detections3D:
    """Rectified camera axes (x right, y down, z ahead, y of the underside) to x ahead, y left, z up, or into odom."""
    x, y, z = objects.bottom_m.T
    n, index = len(objects), LABEL_INDEX[LABELS[label]]
    probabilities = np.zeros((n, NUM_LABELS))
    probabilities[:, index] = 1.0
    worth = objects.score + config.score_per_m * np.hypot(x, z)
    log_odds = config.score_slope * (worth - config.score_even)
    odds = np.exp(np.clip(log_odds, -30.0, 30.0))
    center_m = np.stack([z, -x, objects.hwl_m[:, 0] / 2 - y], axis=1)
    yaw_rad = -objects.rotation_y_rad - np.pi / 2
    if odom_from_base is not None:
        center_m = np.asarray(odom_from_base.apply(center_m), np.float64)
        yaw_rad = yaw_rad + odom_from_base.yaw_rad
    return Detections3D.of(
        stamp_ns,
        VEHICLE_FRAME if odom_from_base is None else "odom",
        "detections",
        center_m,
        objects.hwl_m[:, [2, 1, 0]],
        wrap_angle(yaw_rad),
        label=np.full(n, index, np.uint8),
        class_probabilities=probabilities,
        score=log_odds,
        existence_probability=odds / (1 + odds),
        orientation=np.full(n, 1, np.uint8),
        source_mask=np.full(n, int(SourceMask.LIDAR), np.uint8),
    )


def _to_kitti(frames: Sequence[_Shown], label: str) -> list[KittiObjects]:
    """All frames at once: x ahead, y left, z up to the rectified camera's axes."""
    if not frames:
        return []
    center, yaw_rad, size, box_px, score, number = (np.concatenate(c) for c in zip(*frames, strict=True))
    bottom = np.stack([-center[:, 1], size[:, 2] / 2 - center[:, 2], center[:, 0]], axis=1)
    rotation_y = np.asarray(wrap_angle(-yaw_rad - np.pi / 2), np.float64)
    n = len(center)
    objects = KittiObjects(
        type=np.full(n, label),
        truncated=np.zeros(n),
        occluded=np.zeros(n, np.int64),
        alpha_rad=np.asarray(wrap_angle(rotation_y - np.arctan2(bottom[:, 0], bottom[:, 2])), np.float64),
        bbox_px=box_px,
        hwl_m=size[:, [2, 1, 0]],
        bottom_m=bottom,
        rotation_y_rad=rotation_y,
        score=score,
        track_id=number.astype(np.int64),
    )
    return objects.split(np.repeat(np.arange(len(frames)), [len(f.id) for f in frames]), len(frames))


def project(center_m: F64, lwh_m: F64, yaw_rad: F64, p2: F64, size_px: tuple[int, int]) -> tuple[F64, F64]:
    """(N, 4) image boxes clipped to the image and the share (N,) of their area that was inside; 0 behind the camera.

    Boxes in x ahead, y left, z up of the rectified camera 0.
    """
    box, share = np.zeros((len(center_m), 4)), np.zeros(len(center_m))
    _project(center_m, lwh_m, yaw_rad, p2, (float(size_px[0] - 1), float(size_px[1] - 1)), box, share)
    return box, share


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _project(
    center_m: Any, lwh_m: Any, yaw_rad: Any, p2: Any, largest_px: Any, boxes: Any, share: Any
) -> None:
    for i in range(len(center_m)):
        cos, sin = np.cos(yaw_rad[i]) / 2, np.sin(yaw_rad[i]) / 2
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        for a in (-1, 1):
            for b in (-1, 1):
                x = center_m[i, 0] + a * lwh_m[i, 0] * cos - b * lwh_m[i, 1] * sin
                y = center_m[i, 1] + a * lwh_m[i, 0] * sin + b * lwh_m[i, 1] * cos
                x = max(x, _NEAREST_M)
                for c in (-0.5, 0.5):
                    z = center_m[i, 2] + c * lwh_m[i, 2]
                    depth = p2[2, 3] + p2[2, 2] * x - p2[2, 0] * y - p2[2, 1] * z
                    for k in range(2):
                        at = (p2[k, 3] + p2[k, 2] * x - p2[k, 0] * y - p2[k, 1] * z) / depth
                        low[k], high[k] = min(low[k], at), max(high[k], at)
        whole = max(high[0] - low[0], 0.0) * max(high[1] - low[1], 0.0)
        for k in range(2):
            boxes[i, k] = min(max(low[k], 0.0), largest_px[k])
            boxes[i, 2 + k] = min(max(high[k], 0.0), largest_px[k])
        if center_m[i, 0] > _NEAREST_M:
            inside = max(boxes[i, 2] - boxes[i, 0], 0.0) * max(boxes[i, 3] - boxes[i, 1], 0.0)
            share[i] = inside / max(whole, 1e-6)


def _from_vehicle(tracks: Tracks, base_from_odom: Transform | None) -> tuple[F64, F64]:
    """(N, 3) centres and (N,) yaws seen from the vehicle; None: they are already."""
    if base_from_odom is None:
        return tracks.center_m, tracks.yaw_rad
    yaw_rad = wrap_angle(tracks.yaw_rad + base_from_odom.yaw_rad)
    return np.asarray(base_from_odom.apply(tracks.center_m), np.float64), np.asarray(yaw_rad, np.float64)


def result_lines(frames: Sequence[KittiObjects], first_id: int = 0) -> list[str]:
    """Lines of the tracking result layout: frame id type truncated occluded alpha bbox h w l x y z ry score.

    first_id is added to the ids.
    """
    f = join(frames)
    frame = np.repeat(np.arange(len(frames)), [len(part) for part in frames]).tolist()
    numbers = np.column_stack([f.alpha_rad, f.bbox_px, f.hwl_m, f.bottom_m, f.rotation_y_rad, f.score])
    rows = zip(frame, (f.track_id + first_id).tolist(), f.type.tolist(), numbers.tolist(), strict=True)
    return [_LINE % (i, number, kind, *row) for i, number, kind, row in rows]


_DIGITS: Final = 6
_LINE: Final = "%d %d %s 0 0" + f" %.{_DIGITS}f" * 13


def as_written(values: F64) -> F64:
    """The numbers as who reads `result_lines` gets them."""
    return np.round(values, _DIGITS)
