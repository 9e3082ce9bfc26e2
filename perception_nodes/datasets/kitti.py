"""KITTI drives: sweeps, the left colour camera, GPS/IMU poses and labels where they are there."""

from __future__ import annotations

import io
import lzma
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import Detections3D, InputError, PointCloud
from perception_nodes.datatypes.topics import TRUTH_TOPIC
from perception_nodes.geometry import Transform, points_in_boxes, transform_detections

from .events import camera_events, camera_topics, cloud_event, truth_event
from .image_size import image_size
from .inputs import Event, SequenceInput
from .kitti_calibration import read_calibration
from .kitti_files import KittiFiles
from .kitti_labels import LABELS, Label, box_in, read_labels
from .kitti_motion import SWEEP_S, oxts_rows, oxts_track, point_times
from .messages import DETECTIONS_3D, POINT_CLOUD
from .poses import PoseTrack
from .rigs import known_rig, mount, rig_with
from .truth import truth_frames, with_points

# Where a layout has no time stamps: some Monday of the recording campaign.
_EPOCH_NS: Final = 1_317_000_000_000_000_000
_PERIOD_NS: Final = 100_000_000
_SINGLE_PERIOD_NS: Final = 1_000_000_000
# The camera is triggered when the scanner faces forward, half a turn before the sweep ends.
_HALF_SWEEP_NS: Final = round(SWEEP_S * 0.5e9)
_SCALE_M: Final = 0.005


class KittiInput(SequenceInput):
    """One KITTI drive; sweeps are stamped at their end, images half a turn before."""

    kind = "kitti"

    def __init__(self, path: Path, files: KittiFiles) -> None:
        self.path = path
        self._files = files
        period = _PERIOD_NS if files.consecutive else _SINGLE_PERIOD_NS
        first = files.frames[0]
        self._stamps_ns = _checked(files.stamps_ns, files) or [
            _EPOCH_NS + (f - first) * period for f in files.frames
        ]
        if not files.consecutive:
            self._stamps_ns = [_EPOCH_NS + k * period for k in range(len(files.sweeps))]
        read = lru_cache(maxsize=None)(read_calibration)
        self._calibrations = [None if p is None else read(p) for p in files.calibrations]
        images = files.images if any(self._calibrations) else {}
        self._images = [(k, p, c) for k, p in images.items() if (c := self._calibrations[k]) is not None]
        present = set(_topics(bool(self._images), False))
        self.dataset_rig = rig_with(known_rig("kitti"), present)
        self.rig = self.dataset_rig
        self._lidar = self.dataset_rig.sensor("velodyne")
        self._track = self._read_track()
        self.has_ego_motion = self._track is not None
        self._truth = self._read_truth()
        self.has_truth = bool(self._truth)
        self.notes = self._describe()
        self._sweep = lru_cache(maxsize=1)(self._read_sweep)

    def poses(self) -> PoseTrack | None:
        """From the GPS/IMU records; None where there are none."""
        return self._track

    def mounts(self) -> dict[str, Transform]:
        """The lidar from the rig, the camera from the calibration (not where it differs from frame to frame)."""
        out = {self._lidar.frame: mount(self._lidar)}
        if self._images and self._files.consecutive:
            _, _, calibration = self._images[0]
            out["image_02_optical"] = mount(self._lidar) @ calibration.velo_from_camera()
        return out

    def moving_mounts(self) -> list[tuple[int, str, Transform]]:
        """The camera of each single frame: the object benchmark mixes drives with different calibrations."""
        if self._files.consecutive:
            return []
        out = []
        for k, _, calibration in self._images:
            pose = mount(self._lidar) @ calibration.velo_from_camera()
            out.append((self._image_stamp(k), "image_02_optical", pose))
        return out

    def topics(self) -> dict[str, str]:
        """Cloud, and image, calibration and truth where they are there."""
        return _topics(bool(self._images), self.has_truth)

    def events(self) -> list[Event]:
        """Every sweep, every image that belongs to one, the boxes of every labelled sweep."""
        out = []
        for k, stamp in enumerate(self._stamps_ns):
            out.append(cloud_event(stamp, self._lidar.topic, partial(self.cloud, k)))
            if self.has_truth:
                out.append(truth_event(stamp, partial(self.truth, k)))
        for k, path, calibration in self._images:
            model = calibration.camera_model(*image_size(path))
            out += camera_events(_CAMERA, self._image_stamp(k), path, model)
        return out

    def cloud(self, index: int) -> PointCloud:
        """Sweep `index` in the lidar's frame with per-point times, not compensated."""
        data = self._sweep(index)
        xyz_m = np.ascontiguousarray(data[:, :3])
        return PointCloud(
            self._stamps_ns[index],
            self._lidar.frame,
            xyz_m,
            intensity=np.ascontiguousarray(data[:, 3]),
            time_s=point_times(xyz_m),
        )

    def truth(self, index: int) -> Detections3D:
        """Boxes of a sweep in odom (base_link where there is no ego motion) with the points in each."""
        truth = self._truth[index]
        stamp = truth.stamp_ns
        base_from_lidar = mount(self._lidar)
        in_lidar = base_from_lidar.inverse()
        if self._track is not None:
            in_lidar = in_lidar @ self._track.at(stamp - _HALF_SWEEP_NS).inverse()
        boxes = transform_detections(self._at_half(truth), self._lidar.frame, in_lidar)
        counts = points_in_boxes(self._sweep(index)[:, :3], boxes.center_m, boxes.lwh_m, boxes.yaw_rad)
        return with_points(truth, counts)

    def _at_half(self, truth: Detections3D) -> Detections3D:
        """Where the boxes were when they were labelled, half a sweep before its end."""
        if self._track is None:
            return truth
        moved = truth.center_m.copy()
        moved[:, :2] -= np.nan_to_num(truth.velocity_mps) * _HALF_SWEEP_NS * 1e-9
        return replace(truth, center_m=moved)

    def _image_stamp(self, index: int) -> int:
        stamps = _checked(self._files.image_stamps_ns, self._files)
        return stamps[index] if stamps else self._stamps_ns[index] - _HALF_SWEEP_NS

    def _read_track(self) -> PoseTrack | None:
        calibration = self._calibrations[0]
        if not self._files.oxts or calibration is None or calibration.velo_from_imu is None:
            return None
        rows = oxts_rows(self._files.oxts)
        stamps = list(self._files.oxts_stamps_ns) or [t - _HALF_SWEEP_NS for t in self._stamps_ns]
        if not self._files.oxts_stamps_ns:
            rows = [rows[f] for f in self._files.frames if f < len(rows)]
        imu_from_base = (mount(self._lidar) @ calibration.velo_from_imu).inverse()
        return oxts_track(rows, stamps, imu_from_base)

    def _read_truth(self) -> list[Detections3D]:
        labels = self._labels()
        if not any(labels):
            return []
        boxes = []
        for k, frame in enumerate(labels):
            calibration = self._calibrations[k]
            if calibration is None:
                raise InputError(
                    f"{self.path}: labels without a calibration of frame {self._files.frames[k]}"
                )
            target = mount(self._lidar) @ calibration.rect_from_velo.inverse()
            if self._track is not None:
                target = self._track.at(self._stamps_ns[k] - _HALF_SWEEP_NS) @ target
            boxes.append([box_in(label, target) for label in frame])
        rig = self.dataset_rig
        frame_id = rig.odom_frame if self._track is not None else rig.base_frame
        return [
            _at_end(t, self._track is not None)
            for t in truth_frames(self._stamps_ns, boxes, frame_id, LABELS)
        ]

    def _labels(self) -> list[list[Label]]:
        """Labels of each sweep."""
        out: dict[int, list[Label]] = {f: [] for f in self._files.frames}
        single = not self._files.consecutive
        frames = self._files.frames if single else (None,) * len(self._files.labels)
        for frame, path in zip(frames, self._files.labels, strict=True):
            for label in read_labels(path, frame) if path.is_file() else []:
                if label.frame in out:
                    out[label.frame].append(label)
        return list(out.values())

    def _describe(self) -> tuple[str, ...]:
        files = self._files
        notes = [f"KITTI ({files.layout} layout): {len(files.sweeps)} sweeps, {len(self._images)} images"]
        if not files.consecutive:
            notes.append("single frames of different drives, played 1 s apart: tracks cannot be expected")
        if not files.stamps_ns:
            notes.append("the layout has no time stamps: they are made up, starting in September 2011")
        if self._track is None:
            notes.append(
                "no ego motion (no oxts records): sweeps are not compensated, results are in base_link"
            )
        if files.images and not self._images:
            notes.append("no calibration: the images are left out")
        return tuple(notes)

    def _read_sweep(self, index: int) -> npt.NDArray[np.float32]:
        """(N, 4) x, y, z m, reflectance 0..1."""
        path = self._files.sweeps[index]
        try:
            return _packed(path) if path.suffix == ".xz" else _plain(path)
        except (OSError, lzma.LZMAError, ValueError, EOFError) as error:
            raise InputError(f"{path}: not a KITTI sweep: {error}") from error


_CAMERA: Final = "image_02"


def _topics(images: bool, truth: bool) -> dict[str, str]:
    out = {"/sensing/lidar/velodyne/points": POINT_CLOUD}
    if images:
        out |= camera_topics(_CAMERA)
    return {**out, TRUTH_TOPIC: DETECTIONS_3D} if truth else out


def _checked(stamps_ns: tuple[int, ...], files: KittiFiles) -> list[int]:
    """Stamps of the sweeps, picked by frame number (drives with dropped sweeps keep the numbers)."""
    if not stamps_ns:
        return []
    if max(files.frames) >= len(stamps_ns):
        raise InputError(f"{files.sweeps[-1]}: {len(stamps_ns)} time stamps for frame {max(files.frames)}")
    return [stamps_ns[f] for f in files.frames]


def _at_end(truth: Detections3D, moving: bool) -> Detections3D:
    """From the time the labels are valid for to the end of the sweep (only where odom is known)."""
    if not moving:
        return truth
    moved = truth.center_m.copy()
    moved[:, :2] += np.nan_to_num(truth.velocity_mps) * _HALF_SWEEP_NS * 1e-9
    return replace(truth, center_m=moved)


def _plain(path: Path) -> npt.NDArray[np.float32]:
    data = np.fromfile(path, np.float32)
    if data.size % 4:
        raise ValueError(f"{data.size} numbers are not rows of x, y, z, reflectance")
    return data.reshape(-1, 4)


def _packed(path: Path) -> npt.NDArray[np.float32]:
    stream = io.BytesIO(lzma.decompress(path.read_bytes()))
    xyz = np.cumsum(np.load(stream), axis=1, dtype=np.int16).T.astype(np.float32) * np.float32(_SCALE_M)
    reflectance = np.load(stream).astype(np.float32)[:, None] * np.float32(0.01)
    return np.hstack([xyz, reflectance])
