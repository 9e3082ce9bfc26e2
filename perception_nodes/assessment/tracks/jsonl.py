"""Boxes in JSON lines (docs/outputs.md) to tracks in the same layout."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from perception_nodes.datasets.poses import MAX_EXTRAPOLATION_NS, PoseTrack
from perception_nodes.datatypes import LABEL_INDEX, LABELS, Detections3D, InputError, Tracks, TrackState
from perception_nodes.evaluation import BoxFrame
from perception_nodes.evaluation.jsonl import frames_of_rows, read_rows
from perception_nodes.geometry import Transform, transform_detections
from perception_nodes.tracking import MultiObjectTracker, TrackerConfig

from .boxes import live, tell_rejected, to_detections
from .command import TrackOptions
from .smooth import Frame, SmoothConfig, smoothed

_VEHICLE: Final = "base_link"


def track_jsonl(options: TrackOptions, console: Console) -> tuple[int, int]:
    """One recording; DETECTIONS is a file, or the folder of a run. Writes `objects.jsonl`.

    Of several sources `fusion` is taken. Boxes in base_link are put into odom where --poses are given
    (JSON lines of stamp_ns, x, y, yaw and perhaps z); without, they are tracked where they are.
    """
    path = options.detections / "detections.jsonl" if options.detections.is_dir() else options.detections
    rows, frame_id = _one_source(read_rows(path), path)
    frames = frames_of_rows([{k: v for k, v in r.items() if k != "state"} for r in rows])
    for frame in frames:
        if not (np.isfinite(frame.center_m).all() and np.isfinite(frame.lwh_m).all()):
            raise InputError(f"{path}: stamp_ns {frame.stamp_ns}: a box lacks z, l, w or h")
    poses = None if options.poses is None else read_pose_lines(options.poses)
    if poses is not None:
        _check_cover(poses, [f.stamp_ns for f in frames], options.poses)
    wanted = [LABEL_INDEX[_known_label(c)] for c in options.classes]
    given = [_given(frame, frame_id, poses, wanted) for frame in frames]
    options.output.mkdir(parents=True, exist_ok=True)
    ids: set[int] = set()
    tracker = MultiObjectTracker(TrackerConfig())
    with (options.output / "objects.jsonl").open("w") as stream:
        for tracks in (_smoothed if options.smooth else _tracked)(given, tracker):
            ids.update(tracks.id.tolist())
            stream.writelines(json.dumps(row) + "\n" for row in track_rows(tracks))
    tell_rejected(tracker.rejected, console)
    console.print(f"wrote {options.output / 'objects.jsonl'}", highlight=False, soft_wrap=True)
    return len(frames), len(ids)


def _given(
    frame: BoxFrame, frame_id: str, poses: PoseTrack | None, wanted: list[int]
) -> tuple[Detections3D, Transform]:
    """Detections of a frame, in odom where there are poses, and where the vehicle is. wanted: labels, none: all."""
    detections = to_detections(frame, frame_id)
    if wanted:
        detections = detections.select(np.isin(detections.label, wanted))
    pose = poses.at(frame.stamp_ns) if poses is not None else Transform.identity()
    if poses is not None and frame_id == _VEHICLE:
        detections = transform_detections(detections, "odom", pose)
    return detections, pose


def _tracked(given: list[tuple[Detections3D, Transform]], tracker: MultiObjectTracker) -> Iterator[Tracks]:
    return (tracker.step(detections, pose) for detections, pose in given)


def _smoothed(given: list[tuple[Detections3D, Transform]], tracker: MultiObjectTracker) -> list[Tracks]:
    steps = zip(_tracked(given, tracker), given, strict=True)
    frames = [Frame(live(tracks), detections, pose) for tracks, (detections, pose) in steps]
    drifts = any(f.tracks.frame_id == _VEHICLE for f in frames)
    return smoothed(frames, SmoothConfig(still_m=0.0 if drifts else SmoothConfig.still_m))


def _check_cover(poses: PoseTrack, stamps_ns: list[int], path: Path | None) -> None:
    first, last = poses.stamps_ns[0], poses.stamps_ns[-1]
    for stamp_ns in (stamps_ns[0], stamps_ns[-1]):
        if not first - MAX_EXTRAPOLATION_NS <= stamp_ns <= last + MAX_EXTRAPOLATION_NS:
            raise InputError(
                f"--poses: {path}: poses from {first} to {last} ns, but boxes at {stamp_ns} ns: "
                "wanted poses of the whole drive on the clock of the boxes"
            )


def _known_label(name: str) -> str:
    if name not in LABEL_INDEX:
        raise InputError(f"--classes: {name!r} is not in the taxonomy {list(LABEL_INDEX)}")
    return name


def _one_source(rows: list[dict[str, Any]], path: Path) -> tuple[list[dict[str, Any]], str]:
    """Rows of one source, and their frame. Raises InputError if there are none, or several frames."""
    by_source: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if "x_min" not in row:
            by_source[str(row.get("source", ""))].append(row)
    if not by_source:
        raise InputError(f"{path}: no boxes")
    if len(by_source) > 1 and "fusion" not in by_source:
        raise InputError(f"{path}: several sources {sorted(by_source)} and none is 'fusion'")
    kept = by_source["fusion"] if len(by_source) > 1 else next(iter(by_source.values()))
    frames = {str(r.get("frame_id", _VEHICLE)) for r in kept}
    if len(frames) > 1:
        raise InputError(f"{path}: boxes in several frames: {sorted(frames)}")
    return kept, frames.pop()


def read_pose_lines(path: Path) -> PoseTrack:
    """odom_from_base from JSON lines. Raises InputError naming line and key."""
    stamps: list[int] = []
    poses: list[Transform] = []
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            stamp_ns, x, y, yaw = int(row["stamp_ns"]), *(float(row[k]) for k in ("x", "y", "yaw"))
            z = float(row.get("z", 0.0))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}:{number}: wanted stamp_ns, x, y, yaw: {error!r}") from error
        if not all(map(math.isfinite, (x, y, z, yaw))):
            raise InputError(f"{path}:{number}: wanted finite numbers, got {line.strip()}")
        if stamps and stamp_ns <= stamps[-1]:
            raise InputError(
                f"{path}:{number}: wanted a stamp_ns above {stamps[-1]}, got {stamp_ns}: sort the lines"
            )
        stamps.append(stamp_ns)
        poses.append(Transform.from_xyz_rpy((x, y, z), (0.0, 0.0, yaw)))
    if not stamps:
        raise InputError(f"{path}: no poses: wanted lines of stamp_ns, x, y, yaw")
    return PoseTrack(tuple(stamps), tuple(poses))


def track_rows(tracks: Tracks) -> Iterator[dict[str, Any]]:
    """One row a track in the layout of docs/outputs.md."""
    for i in range(len(tracks)):
        x, y, z = tracks.center_m[i].tolist()
        length, width, height = tracks.lwh_m[i].tolist()
        vx, vy = tracks.velocity_mps[i].tolist()
        row = {
            "stamp_ns": tracks.stamp_ns,
            "frame_id": tracks.frame_id,
            "source": "tracker",
            "id": int(tracks.id[i]),
            "label": LABELS[int(tracks.label[i])],
            "score": float(tracks.existence_probability[i]),
            "x": x,
            "y": y,
            "z": z,
            "l": length,
            "w": width,
            "h": height,
            "yaw": float(tracks.yaw_rad[i]),
            "vx": vx,
            "vy": vy,
            "state": TrackState(int(tracks.state[i])).name.lower(),
        }
        yield {k: v for k, v in row.items() if not isinstance(v, float) or math.isfinite(v)}
