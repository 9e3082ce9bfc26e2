"""nuScenes-format frame lists: `*.info.json` with sensors, calibration, ego poses and boxes of each frame."""

from __future__ import annotations

import json
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import Detections3D, InputError, PerceptionError, PointCloud
from perception_nodes.datatypes.topics import TRUTH_TOPIC
from perception_nodes.geometry import CameraModel, Transform, points_in_boxes, transform_detections

from .events import camera_events, camera_topics, cloud_event, truth_event
from .image_size import image_size
from .inputs import Event, SequenceInput
from .messages import DETECTIONS_3D, POINT_CLOUD
from .poses import PoseTrack
from .rigs import known_rig, rig_with
from .truth import TruthBox, truth_frames, with_points

F64 = npt.NDArray[np.float64]
_FEATURES: Final = 5


class NuScenesInput(SequenceInput):
    """All frames of the `*.info.json` files of a folder, in order of time; see docs/inputs.md for the keys."""

    kind = "nuscenes"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._frames, self._names = _read_frames(path)
        self._stamps_ns = [_ns(f["timestamp"]) for f in self._frames]
        cameras = sorted({c for f in self._frames for c in f.get("images", {})})
        self._cameras = {c: c.lower() for c in cameras}
        self._origin_m = _matrix(self._frames[0], "ego2global").translation_m
        self.has_truth = any(f.get("instances") for f in self._frames)
        self.dataset_rig = rig_with(known_rig("nuscenes"), self.topics())
        self.rig = self.dataset_rig
        self._track = self._read_track()
        self.has_ego_motion = True
        self._truth = self._read_truth() if self.has_truth else []
        self.notes = self._describe()
        self._sweep = lru_cache(maxsize=1)(self._read_sweep)

    def poses(self) -> PoseTrack:
        """Ego poses at the sweeps, and at the images where lidar2cam tells them; odom is the first position."""
        return self._track

    def mounts(self) -> dict[str, Transform]:
        """From the first frame that has the sensor."""
        out = {"lidar_top": _matrix(self._frames[0]["lidar_points"], "lidar2ego")}
        for camera, name in self._cameras.items():
            image = next(f["images"][camera] for f in self._frames if camera in f.get("images", {}))
            out[f"{name}_optical"] = _matrix(image, "cam2ego")
        return out

    def topics(self) -> dict[str, str]:
        """Cloud, images, calibration and truth."""
        out = {"/sensing/lidar/lidar_top/points": POINT_CLOUD}
        for name in self._cameras.values():
            out |= camera_topics(name)
        return {**out, TRUTH_TOPIC: DETECTIONS_3D} if self.has_truth else out

    def events(self) -> list[Event]:
        """Every sweep, every image whose file is there, the boxes of every frame."""
        out = []
        for k, (frame, stamp) in enumerate(zip(self._frames, self._stamps_ns, strict=True)):
            out.append(cloud_event(stamp, "/sensing/lidar/lidar_top/points", partial(self.cloud, k)))
            if self.has_truth:
                out.append(truth_event(stamp, partial(self.truth, k)))
            for camera, image in frame.get("images", {}).items():
                out += self._image_events(self._cameras[camera], image)
        return out

    def cloud(self, index: int) -> PointCloud:
        """Sweep `index` in the lidar's frame; intensity 0..255, ring; no per-point times."""
        data = self._sweep(index)
        return PointCloud(
            self._stamps_ns[index],
            "lidar_top",
            np.ascontiguousarray(data[:, :3]),
            intensity=np.ascontiguousarray(data[:, 3]),
            ring=data[:, 4].astype(np.uint16) if data.shape[1] > 4 else None,
        )

    def truth(self, index: int) -> Detections3D:
        """Boxes of a frame in odom with the points in each."""
        truth = self._truth[index]
        lidar_from_odom = self._odom_from_lidar(index).inverse()
        boxes = transform_detections(truth, "lidar_top", lidar_from_odom)
        counts = points_in_boxes(self._sweep(index)[:, :3], boxes.center_m, boxes.lwh_m, boxes.yaw_rad)
        return with_points(truth, counts)

    def _image_events(self, name: str, image: dict[str, Any]) -> list[Event]:
        path = _find(self.path, image.get("img_path", ""))
        if path is None:
            return []
        k = np.asarray(image["cam2img"], np.float64)
        width, height = image_size(path)
        model = CameraModel(width, height, k[0, 0], k[1, 1], k[0, 2], k[1, 2])
        return camera_events(name, _ns(image["timestamp"]), path, model)

    def _odom_from_base(self, index: int) -> Transform:
        pose = _matrix(self._frames[index], "ego2global")
        return Transform(pose.rotation, pose.translation_m - self._origin_m)

    def _odom_from_lidar(self, index: int) -> Transform:
        return self._odom_from_base(index) @ _matrix(self._frames[index]["lidar_points"], "lidar2ego")

    def _read_track(self) -> PoseTrack:
        poses = {stamp: self._odom_from_base(k) for k, stamp in enumerate(self._stamps_ns)}
        for k, frame in enumerate(self._frames):
            for image in frame.get("images", {}).values():
                if "lidar2cam" in image and _ns(image["timestamp"]) not in poses:
                    camera_from_base = _matrix(image, "cam2ego").inverse()
                    odom_from_camera = self._odom_from_lidar(k) @ _matrix(image, "lidar2cam").inverse()
                    poses[_ns(image["timestamp"])] = odom_from_camera @ camera_from_base
        stamps = sorted(poses)
        return PoseTrack(tuple(stamps), tuple(poses[s] for s in stamps))

    def _read_truth(self) -> list[Detections3D]:
        boxes = []
        for k, frame in enumerate(self._frames):
            odom_from_lidar = self._odom_from_lidar(k)
            # bbox_3d_isvalid only says whether any point was counted; here every box has its num_points.
            items = frame.get("instances", [])
            boxes.append([_box(item, n, k, self._names, odom_from_lidar) for n, item in enumerate(items)])
        mapping = {name: name for name in self._names.values()}
        return truth_frames(self._stamps_ns, boxes, self.dataset_rig.odom_frame, mapping)

    def _read_sweep(self, index: int) -> npt.NDArray[np.float32]:
        """(N, F) float32 rows x, y, z, intensity, ring, ..."""
        points = self._frames[index]["lidar_points"]
        path = _find(self.path, points["lidar_path"])
        if path is None:
            raise InputError(f"{self.path}: no file {points['lidar_path']!r}")
        features = int(points.get("num_pts_feats", _FEATURES))
        data = np.fromfile(path, np.float32)
        if features < 4 or data.size % features:
            raise InputError(f"{path}: {data.size} numbers are not rows of {features}")
        return data.reshape(-1, features)

    def _describe(self) -> tuple[str, ...]:
        notes = [f"nuScenes format: {len(self._frames)} frames, {len(self._cameras)} cameras"]
        missing = sum(
            _find(self.path, i.get("img_path", "")) is None
            for f in self._frames
            for i in f.get("images", {}).values()
        )
        if missing:
            notes.append(f"{missing} images named in the list are not in the folder")
        if len(self._frames) == 1:
            notes.append("a single frame: nothing can be tracked")
        return tuple(notes)


def _read_frames(path: Path) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """Frames of all files in order of time, and the class names by number."""
    frames: list[dict[str, Any]] = []
    names: dict[int, str] = {}
    for file in sorted(path.glob("*.info.json")):
        try:
            data = json.loads(file.read_text())
            frames += [{**f, "timestamp": float(f["timestamp"])} for f in data["data_list"]]
            names |= {int(v): str(k) for k, v in data["metainfo"]["categories"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{file}: wanted metainfo.categories and data_list: {error!r}") from error
    if not frames:
        raise InputError(f"{path}: the *.info.json files name no frames")
    return sorted(frames, key=lambda f: float(f["timestamp"])), names


def _ns(seconds: float) -> int:
    """Nanoseconds of a time given in (micro)seconds, to the microsecond."""
    micro = seconds if seconds > 1e14 else seconds * 1e6
    return round(micro) * 1000


def _matrix(item: dict[str, Any], key: str) -> Transform:
    try:
        return Transform.from_matrix(item[key])
    except (KeyError, IndexError, ValueError, TypeError, PerceptionError) as error:
        raise InputError(f"frame list: {key}: wanted a 4 x 4 matrix: {error!r}") from error


def _find(folder: Path, name: str) -> Path | None:
    """The file of that name in the folder or below; the demo files carry a prefix before it."""
    if not name:
        return None
    if (folder / name).is_file():
        return folder / name
    base = Path(name).name
    return next((p for p in sorted(folder.rglob("*")) if p.name.endswith(base)), None)


def _box(
    item: dict[str, Any], number: int, frame: int, names: dict[int, str], odom_from_lidar: Transform
) -> TruthBox:
    """bbox_3d is x, y, z (centre), l, w, h, yaw in the lidar's frame; without a token every box is its own track."""
    x, y, z, length, width, height, yaw = (float(v) for v in item["bbox_3d"][:7])
    cx, cy, cz = (float(c) for c in odom_from_lidar.apply(np.array([[x, y, z]]))[0])
    ahead = odom_from_lidar.rotate(np.array([[np.cos(yaw), np.sin(yaw), 0.0]]))[0]
    token = str(item.get("instance_token", item.get("instance_id", f"{frame}:{number}")))
    velocity = item.get("velocity")
    over_ground = None
    if velocity is not None and np.isfinite(velocity).all():
        v = odom_from_lidar.rotate(np.array([[float(velocity[0]), float(velocity[1]), 0.0]]))[0]
        over_ground = (float(v[0]), float(v[1]))
    label = names.get(int(item.get("bbox_label_3d", item.get("bbox_label", -1))), "unknown")
    heading = float(np.arctan2(ahead[1], ahead[0]))
    return TruthBox(token, label, (cx, cy, cz), (length, width, height), heading, over_ground)
