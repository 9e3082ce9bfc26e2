"""PandaSet sequences: two lidars, cameras, ego poses, boxes.

Facts found by measurement and used here: the clouds are given in the ego frame (x right, y forward, z up) and are
already compensated to the end of the sweep, which is their stamp; a box's yaw is that of its width axis.
"""

from __future__ import annotations

import json
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from perception_nodes.datatypes import Detections3D, InputError, Modality, PointCloud
from perception_nodes.datatypes.topics import TRUTH_TOPIC
from perception_nodes.geometry import (
    CameraModel,
    Transform,
    points_in_boxes,
    rotation_from_vector,
    rotation_vector,
)

from .events import camera_events, camera_topics, cloud_event, truth_event
from .image_size import image_size
from .inputs import Event, SequenceInput
from .messages import DETECTIONS_3D, POINT_CLOUD
from .pandaset_files import Sweep, has_cuboids, read_cuboids, read_sweep, sweep_path
from .poses import PoseTrack
from .rigs import known_rig, mount
from .truth import TruthBox, truth_frames, with_points

LABELS: Final = {
    "Car": "car",
    "Pickup Truck": "truck",
    "Medium-sized Truck": "truck",
    "Semi-truck": "truck",
    "Towed Object": "trailer",
    "Motorcycle": "motorcycle",
    "Motorized Scooter": "motorcycle",
    "Other Vehicle - Construction Vehicle": "construction_vehicle",
    "Bus": "bus",
    "Bicycle": "bicycle",
    "Pedestrian": "pedestrian",
    "Pedestrian with Object": "pedestrian",
    "Pylons": "traffic_cone",
    "Cones": "traffic_cone",
    "Road Barriers": "barrier",
    "Temporary Construction Barriers": "barrier",
}
_BASE_FROM_EGO: Final = Transform(np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.zeros(3))
_LIDARS: Final = {"pandar64": 0, "pandar_gt": 1}


class PandaSetInput(SequenceInput):
    """A folder with `lidar/`, `camera/<name>/` and `cuboids.jsonl.gz` (see docs/inputs.md)."""

    kind = "pandaset"
    has_ego_motion = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamps_ns = _read_stamps(path / "lidar")
        self._sweeps = [sweep_path(path, k) for k in range(len(self._stamps_ns))]
        missing = [p.name for p in self._sweeps if not p.is_file()]
        if missing:
            raise InputError(
                f"{path}: lidar/timestamps.json names {len(self._stamps_ns)} sweeps, missing: {missing}"
            )
        poses = [_pose(p) @ _BASE_FROM_EGO.inverse() for p in _read_json(path / "lidar" / "poses.json")]
        self._poses = PoseTrack(tuple(self._stamps_ns), tuple(poses[: len(self._stamps_ns)]))
        self._cameras = sorted(p.parent.name for p in path.glob("camera/*/intrinsics.json"))
        self.dataset_rig = known_rig("pandaset")
        self.rig = self.dataset_rig
        self.has_truth = has_cuboids(path)
        self._truth = (
            _read_truth(path, self._stamps_ns, self.dataset_rig.odom_frame) if self.has_truth else []
        )
        extra = sorted(set(self._cameras) - {s.name for s in self.dataset_rig.of(Modality.CAMERA)})
        self.notes = (
            f"{len(self._sweeps)} sweeps of two lidars, {len(self._cameras)} cameras; clouds are motion-compensated",
            *((f"cameras in the bag that the rig does not use: {', '.join(extra)}",) if extra else ()),
        )
        self._sweep = lru_cache(maxsize=1)(self._read_sweep)

    def poses(self) -> PoseTrack:
        """odom is the dataset's world frame; one pose a sweep."""
        return self._poses

    def mounts(self) -> dict[str, Transform]:
        """Lidars from the rig file, cameras from their recorded poses."""
        lidars = {s.frame: mount(s) for s in self.dataset_rig.of(Modality.LIDAR)}
        cameras = {f"{name}_optical": self._camera_mount(name) for name in self._cameras}
        return {**lidars, **cameras}

    def topics(self) -> dict[str, str]:
        """Clouds, images, calibration and truth."""
        out = {s.topic: POINT_CLOUD for s in self.dataset_rig.of(Modality.LIDAR)}
        for name in self._cameras:
            out |= camera_topics(name)
        return {**out, TRUTH_TOPIC: DETECTIONS_3D} if self.has_truth else out

    def events(self) -> list[Event]:
        """Every sweep of each lidar, every stored image, and the boxes of every sweep."""
        out: list[Event] = []
        for k, stamp in enumerate(self._stamps_ns):
            lidars = self.dataset_rig.of(Modality.LIDAR)
            out += [cloud_event(stamp, s.topic, partial(self.cloud, k, s.name)) for s in lidars]
            if self.has_truth:
                out.append(truth_event(stamp, partial(self.truth, k)))
        for name in self._cameras:
            out += self._camera_events(name)
        return out

    def cloud(self, index: int, lidar: str) -> PointCloud:
        """Sweep `index` of one lidar in that lidar's own frame."""
        xyz_m, intensity, sensor, time_s = self._sweep(index)
        spec = self.dataset_rig.sensor(lidar)
        of_lidar = sensor == _LIDARS[lidar]
        lidar_from_ego = mount(spec).inverse() @ _BASE_FROM_EGO
        return PointCloud(
            self._stamps_ns[index],
            spec.frame,
            lidar_from_ego.apply(xyz_m[of_lidar]).astype(np.float32),
            intensity=intensity[of_lidar],
            time_s=time_s[of_lidar],
        )

    def truth(self, index: int) -> Detections3D:
        """Boxes of sweep `index` in odom with the points of both lidars in each."""
        odom_from_ego = self._poses.odom_from_base[index] @ _BASE_FROM_EGO
        world_m = odom_from_ego.apply(self._sweep(index)[0]).astype(np.float32)
        boxes = self._truth[index]
        return with_points(boxes, points_in_boxes(world_m, boxes.center_m, boxes.lwh_m, boxes.yaw_rad))

    def _camera_events(self, name: str) -> list[Event]:
        folder = self.path / "camera" / name
        stamps = _read_stamps(folder)
        model: CameraModel | None = None
        out: list[Event] = []
        for image in sorted(folder.glob("*.jpg")):
            stamp = stamps[int(image.stem)]
            model = model or _camera_model(folder, image)
            out += camera_events(name, stamp, image, model)
        return out

    def _camera_mount(self, name: str) -> Transform:
        """Mean of base_from_camera over all recorded poses (they agree within 2 cm and 0.1 degrees)."""
        folder = self.path / "camera" / name
        recorded = [_pose(p) for p in _read_json(folder / "poses.json")]
        stamps = _read_stamps(folder)
        found = [self._poses.at(stamp).inverse() @ pose for stamp, pose in zip(stamps, recorded, strict=True)]
        first = found[0].rotation
        turn = np.mean([rotation_vector(first.T @ t.rotation) for t in found], axis=0)
        return Transform(
            first @ rotation_from_vector(turn), np.mean([t.translation_m for t in found], axis=0)
        )

    def _read_sweep(self, index: int) -> Sweep:
        """xyz (N, 3) in the ego frame as stored, intensity 0..255, lidar 0/1, time s to the stamp."""
        world_from_ego = self._poses.odom_from_base[index] @ _BASE_FROM_EGO
        return read_sweep(self._sweeps[index], world_from_ego, self._stamps_ns[index])


def _camera_model(folder: Path, image: Path) -> CameraModel:
    k = _read_json(folder / "intrinsics.json")
    width, height = image_size(image)
    return CameraModel(width, height, k["fx"], k["fy"], k["cx"], k["cy"])


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error


def _read_stamps(folder: Path) -> list[int]:
    return [round(t * 1e6) * 1000 for t in _read_json(folder / "timestamps.json")]


def _pose(item: Any) -> Transform:
    position, heading = item["position"], item["heading"]
    return Transform.from_quaternion([position[k] for k in "xyz"], [heading[k] for k in "xyzw"])


def _read_truth(path: Path, stamps_ns: list[int], frame_id: str) -> list[Detections3D]:
    rows = read_cuboids(path, len(stamps_ns))
    frames: list[list[dict[str, Any]]] = [[] for _ in stamps_ns]
    for row in rows:
        frames[row["frame"]].append(row)
    same = _merged_ids(rows)
    boxes = [[_box(row, same) for row in _without_siblings(frame, same)] for frame in frames]
    return truth_frames(stamps_ns, boxes, frame_id, LABELS)


def _merged_ids(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Where both lidars see an object it has two ids (siblings): one of them stands for both."""
    same: dict[str, str] = {}
    for row in rows:
        sibling = row["cuboids.sibling_id"]
        if sibling not in ("-", "", None):
            a, b = same.get(row["uuid"], row["uuid"]), same.get(sibling, sibling)
            same.update(
                {
                    key: min(a, b)
                    for key in (row["uuid"], sibling, *(k for k, v in same.items() if v in (a, b)))
                }
            )
    return same


def _without_siblings(rows: list[dict[str, Any]], same: dict[str, str]) -> list[dict[str, Any]]:
    """Of the boxes of one object, the one of the 360-degree lidar (sensor 0)."""
    best: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda r: r["cuboids.sensor_id"]):
        best.setdefault(same.get(row["uuid"], row["uuid"]), row)
    return list(best.values())


def _box(row: dict[str, Any], same: dict[str, str]) -> TruthBox:
    x, y, z = (float(row[f"position.{k}"]) for k in "xyz")
    width, length, height = (float(row[f"dimensions.{k}"]) for k in "xyz")
    yaw = float(row["yaw"]) + np.pi / 2
    return TruthBox(same.get(row["uuid"], row["uuid"]), row["label"], (x, y, z), (length, width, height), yaw)
