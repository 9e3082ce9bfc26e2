"""Detections in the result JSON of nuScenes to tracks in the result JSON of its tracking benchmark."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from rich.console import Console

from perception_nodes.assessment.inputs.nuscenes import Samples, nuscenes_frames, read_nuscenes
from perception_nodes.datatypes import LABEL_INDEX, LABELS, InputError, Tracks
from perception_nodes.evaluation import BoxFrame
from perception_nodes.geometry import Transform
from perception_nodes.tracking import MultiObjectTracker, TrackerConfig

from .boxes import live, published, tell_rejected, to_detections
from .command import TrackOptions
from .smooth import Frame, SmoothConfig, smoothed

TRACKED: Final = ("bicycle", "bus", "car", "motorcycle", "pedestrian", "trailer", "truck")
# Key frames are 0.5 s apart: the life times of the tracker, which are for 10 Hz, would end a track at the first miss.
CONFIG: Final = TrackerConfig(low_score=0.1, coast_visible_s=1.6, coast_occluded_s=3.0, confirm_hits=1,
                              confirm_existence=0.1, confirm_quality=0.0)  # fmt: skip


class _Moment(NamedTuple):
    scene: str
    stamp_ns: int
    pose: Transform


def track_nuscenes(options: TrackOptions, console: Console) -> tuple[int, int]:
    """All scenes of a file; writes `tracking.json`. --poses: folder of the tables sample.json, and for where the
    vehicle is sample_data.json and ego_pose.json.
    """
    samples = read_nuscenes(options.detections)
    if options.poses is None:
        raise InputError(
            "--format nuscenes: wanted --poses, the folder of sample.json: the results have no times"
        )
    moments = read_moments(options.poses, samples)
    wanted = _wanted(options.classes)
    results: dict[str, list[dict[str, Any]]] = {}
    ids: set[str] = set()
    rejected: Counter[str] = Counter()
    stamps = {token: m.stamp_ns for token, m in moments.items()}
    scenes: dict[str, list[str]] = defaultdict(list)
    for token in sorted(samples, key=lambda t: stamps[t]):
        scenes[moments[token].scene].append(token)
    for scene, tokens in sorted(scenes.items()):
        tracker = MultiObjectTracker(CONFIG)
        frames = nuscenes_frames({t: samples[t] for t in tokens}, stamps, options.detections)
        steps = [
            _step(tracker, frame, moments[t].pose, wanted) for t, frame in zip(tokens, frames, strict=True)
        ]
        for token, all_tracks in zip(tokens, _shown(steps, options.smooth), strict=True):
            tracks = published(all_tracks)
            results[token] = [_box(token, scene, tracks, i) for i in range(len(tracks))]
            ids.update(b["tracking_id"] for b in results[token])
        rejected += tracker.rejected
    options.output.mkdir(parents=True, exist_ok=True)
    meta = json.loads(options.detections.read_text()).get("meta", {})
    path = options.output / "tracking.json"
    path.write_text(json.dumps({"meta": meta, "results": results}) + "\n")
    tell_rejected(rejected, console)
    console.print(f"wrote {path}", highlight=False, soft_wrap=True)
    return len(samples), len(ids)


def _wanted(classes: tuple[str, ...]) -> list[int]:
    for name in classes:
        if name not in TRACKED:
            raise InputError(f"--classes: wanted some of {list(TRACKED)}, got {name!r}")
    return [LABEL_INDEX[name] for name in classes or TRACKED]


def _step(tracker: MultiObjectTracker, frame: BoxFrame, pose: Transform, wanted: list[int]) -> Frame:
    detections = to_detections(frame, "map")
    detections = detections.select(np.isin(detections.label, wanted))
    return Frame(live(tracker.step(detections, pose)), detections, pose)


def _shown(steps: list[Frame], smooth: bool) -> list[Tracks]:
    return smoothed(steps, SmoothConfig(whole_boxes=True)) if smooth else [s.tracks for s in steps]


def read_moments(folder: Path, samples: Samples) -> dict[str, _Moment]:
    """Scene, stamp and pose of every sample. Raises InputError for a sample that the tables do not know."""
    table = {
        row["token"]: row for row in _table(folder / "sample.json", ("token", "timestamp", "scene_token"))
    }
    poses: dict[str, Transform] = {}
    if (folder / "sample_data.json").is_file() and (folder / "ego_pose.json").is_file():
        rows = _table(folder / "ego_pose.json", ("token", "rotation", "translation"))
        ego = {row["token"]: row for row in rows}
        for row in _table(folder / "sample_data.json", ("sample_token", "ego_pose_token")):
            if row.get("is_key_frame") and "LIDAR_TOP" in row.get("filename", "LIDAR_TOP"):
                if row["ego_pose_token"] not in ego:
                    raise InputError(f"{folder / 'ego_pose.json'}: no pose {row['ego_pose_token']!r}")
                pose = ego[row["ego_pose_token"]]
                w, x, y, z = pose["rotation"]
                poses[row["sample_token"]] = Transform.from_quaternion(pose["translation"], (x, y, z, w))
    out = {}
    for token in samples:
        if token not in table:
            raise InputError(f"{folder / 'sample.json'}: no sample {token!r}")
        row = table[token]
        stamp_ns = int(row["timestamp"]) * 1000
        out[token] = _Moment(str(row["scene_token"]), stamp_ns, poses.get(token) or _middle(samples[token]))
    return out


def _middle(boxes: list[dict[str, Any]]) -> Transform:
    """Where the vehicle must be about, if the tables do not say it: amid what it sees."""
    xyz = np.array([b["translation"] for b in boxes], np.float64).reshape(-1, 3)
    return Transform(np.eye(3), np.median(xyz, axis=0) if len(xyz) else np.zeros(3))


def _table(path: Path, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows that all have these keys."""
    try:
        rows = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(rows, list):
        raise InputError(f"{path}: wanted a list of rows")
    for k, row in enumerate(rows):
        if not isinstance(row, dict) or not set(keys) <= row.keys():
            raise InputError(f"{path}: row {k}: wanted an object with {list(keys)}, got {str(row)[:80]}")
    return rows


def _box(token: str, scene: str, tracks: Tracks, i: int) -> dict[str, Any]:
    length, width, height = tracks.lwh_m[i].tolist()
    yaw = float(tracks.yaw_rad[i])
    return {
        "sample_token": token,
        "translation": tracks.center_m[i].tolist(),
        "size": [width, length, height],
        "rotation": [float(np.cos(yaw / 2)), 0.0, 0.0, float(np.sin(yaw / 2))],
        "velocity": tracks.velocity_mps[i].tolist(),
        "tracking_id": f"{scene}_{int(tracks.id[i])}",
        "tracking_name": LABELS[int(tracks.label[i])],
        "tracking_score": float(tracks.existence_probability[i]),
    }
