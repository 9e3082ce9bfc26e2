"""Boxes from whatever a person names: the format is found by looking into it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from perception_nodes.assessment.ego import EgoMotion
from perception_nodes.assessment.messages import MapLine, detection_frame, map_frame
from perception_nodes.assessment.recording import (
    FUSION,
    Recording,
    is_recording,
    read_recording,
    with_ego,
)
from perception_nodes.datasets import BagReader, open_input
from perception_nodes.datasets.bag_tf import TF_STATIC_TOPIC, TF_TOPIC
from perception_nodes.datasets.inputs import SequenceInput
from perception_nodes.datatypes import InputError
from perception_nodes.datatypes.topics import MAP_TRUTH_TOPIC, TRUTH_TOPIC
from perception_nodes.evaluation import ArgoverseBoxes, BoxFrame, KittiObjects, frames_of_rows
from perception_nodes.evaluation.jsonl import read_rows
from perception_nodes.evaluation.kitti_objects import TYPES

from .argoverse import argoverse_box_frames, read_argoverse, read_argoverse_poses
from .kitti import kitti_box_frames, read_kitti_objects, read_kitti_tracking, read_pointrcnn
from .nuscenes import Samples, nuscenes_frames, nuscenes_stamps, read_nuscenes
from .tables import read_csv

TRACKER: Final = "tracker"
_MAGIC: Final = {
    b"\x89MCAP": "bag",
    b"SQLite": "bag",
    b"ARROW1": "av2",
    b"FEA1": "av2",
    b"\x28\xb5\x2f\xfd": "bag",
}
_POSES: Final = "city_SE3_egovehicle.feather"
_WANTED: Final = (
    "an output folder of `perception run`, JSON lines or CSV of boxes (docs/outputs.md), a nuScenes result JSON, KITTI"
    " text (a file or a folder), an Argoverse 2 feather table, and for truth a bag or dataset folder"
)


@dataclass(frozen=True, eq=False)
class Source:
    """Boxes of one side. frames: in the order of their stamps, one fixed frame (frame_id, "" = not said).

    recording, samples, kitti (by sequence), argoverse: what the format gives beyond plain boxes, None for others.
    map_truth: true map lines, None where there are none. notes: what was assumed or left out.
    """

    path: Path
    format: str
    frames: tuple[BoxFrame, ...]
    frame_id: str = ""
    recording: Recording | None = None
    samples: Samples | None = None
    kitti: dict[str, list[KittiObjects]] | None = None
    argoverse: ArgoverseBoxes | None = None
    map_truth: tuple[MapLine, ...] | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def num_boxes(self) -> int:
        """Boxes of all frames."""
        return sum(len(f) for f in self.frames)


def format_of(path: Path) -> str:
    """recording, jsonl, csv, nuscenes, kitti_object, kitti_tracking, kitti_pointrcnn, av2, bag or dataset.

    Raises InputError if it is none of them.
    """
    if path.is_dir():
        if is_recording(path):
            return "recording"
        texts = [p for p in path.glob("*.txt") if p.stem.isdigit()]
        if texts:
            return format_of(max(texts, key=lambda p: p.stat().st_size))
        return "dataset"
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder: wanted {_WANTED}")
    with path.open("rb") as stream:
        head = stream.read(1 << 16)
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    try:
        first = head.decode(errors="ignore").lstrip().split("\n", 1)[0].strip()
    except ValueError:
        first = ""
    return _text_format(path, first)


def _text_format(path: Path, first: str) -> str:
    if not first:
        return "jsonl"  # No lines: a recording in which nothing was found.
    if first.startswith("{"):
        try:
            data = json.loads(first)
        except ValueError:
            data = None
        return "nuscenes" if data is None or "results" in data else "jsonl"
    cells = [c.strip() for c in first.split(",")]
    if "stamp_ns" in cells:
        return "csv"
    if len(cells) == 15:
        return "kitti_pointrcnn"
    known = {t.lower() for t in TYPES}
    words = first.lower().split()
    if words and words[0] in known:
        return "kitti_object"
    if len(words) > 2 and words[2] in known:
        return "kitti_tracking"
    raise InputError(f"{path}: begins with {first[:60]!r}: wanted {_WANTED}")


def read_source(path: Path, source: str | None = None, stamps_from: Samples | None = None) -> Source:
    """Read either side. source: which boxes of a recording or file ("tracker", "fusion", a sensor).

    stamps_from: samples of the other side, with which a nuScenes JSON shares its made-up stamps.
    Raises InputError naming file and place of what is wrong.
    """
    kind = format_of(path)
    try:
        if kind == "recording":
            return _of_recording(path, source)
        if kind in ("jsonl", "csv"):
            return _of_rows(path, kind, source)
        if kind == "nuscenes":
            return _of_nuscenes(path, stamps_from)
        if kind.startswith("kitti"):
            return _of_kitti(path, kind)
        return _of_argoverse(path) if kind == "av2" else _of_bag(path)
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from error


def truth_of(recording: Recording) -> Source:
    """The truth that a run has copied from its input. Raises InputError if it had none."""
    if not recording.truth:
        raise InputError(f"{recording.folder}: its input had no truth: give it with --truth")
    return Source(
        recording.folder / "truth.jsonl",
        "jsonl",
        recording.truth,
        recording.frame_id,
        map_truth=recording.map_truth,
    )


def _of_recording(path: Path, source: str | None) -> Source:
    recording = read_recording(path)
    choices = {TRACKER: recording.tracks, **recording.detections}
    if source not in (None, *choices):
        raise InputError(f"{path}: no boxes of {source!r}: wanted one of {sorted(choices)}")
    frames = choices[source or TRACKER]
    return Source(path, "recording", frames, recording.frame_id, recording, notes=recording.notes)


def _of_rows(path: Path, kind: str, source: str | None) -> Source:
    rows = read_rows(path) if kind == "jsonl" else read_csv(path)
    if source is not None:
        rows = [r for r in rows if r.get("source") == source]
    for key, remedy in (("source", "choose one with --source"), ("frame_id", "wanted one fixed frame")):
        found = sorted({str(r[key]) for r in rows if key in r})
        if len(found) > 1:
            raise InputError(f"{path}: boxes with several values of {key!r}, {found}: {remedy}")
    frame_id = str(rows[0].get("frame_id", "")) if rows else ""
    return Source(path, kind, tuple(frames_of_rows(rows)), frame_id)


def _of_nuscenes(path: Path, stamps_from: Samples | None) -> Source:
    samples = read_nuscenes(path)
    stamps = nuscenes_stamps(samples, stamps_from or {})
    frames = nuscenes_frames(samples, stamps, path)
    note = "the file has no times: samples were put 0.5 s apart in the order of their tokens"
    return Source(path, "nuscenes", tuple(frames), "global", samples=samples, notes=(note,))


def _of_kitti(path: Path, kind: str) -> Source:
    files = sorted(p for p in path.glob("*.txt") if p.stem.isdigit()) if path.is_dir() else [path]
    if kind == "kitti_object":
        frames = {int(f.stem): read_kitti_objects(f) for f in files if f.stem.isdigit()}
        if not frames:
            frames = {0: read_kitti_objects(path)}
        last = max(frames)
        sequences = {"": [frames.get(k, KittiObjects.empty()) for k in range(last + 1)]}
    else:
        read = read_kitti_tracking if kind == "kitti_tracking" else read_pointrcnn
        sequences = {f.stem: read(f) for f in files}
    boxes = kitti_box_frames(next(iter(sequences.values()))) if len(sequences) == 1 else []
    note = "no times in the file: frames were put 0.1 s apart; each frame is in the vehicle's own axes"
    return Source(path, kind, tuple(boxes), "vehicle", kitti=sequences, notes=(note,))


def _of_argoverse(path: Path) -> Source:
    boxes = read_argoverse(path)
    poses = path.parent / _POSES
    if not poses.is_file() or len(set(boxes.log_id.tolist())) > 1:
        note = f"one log with its {_POSES} beside it would be needed for the protocols own and nuscenes"
        return Source(path, "av2", (), "city", argoverse=boxes, notes=(note,))
    frames = argoverse_box_frames(boxes, read_argoverse_poses(poses))
    return Source(path, "av2", tuple(frames), "city", argoverse=boxes)


def _of_bag(path: Path) -> Source:
    """Truth topics of a bag, or of a dataset folder."""
    opened = open_input(path)
    if not opened.has_truth:
        raise InputError(f"{path}: {opened.kind}: has no true boxes")
    rig = opened.rig
    fixed = rig.odom_frame if opened.has_ego_motion else rig.base_frame
    ego = EgoMotion(fixed, rig.base_frame)
    if isinstance(opened, SequenceInput):
        frames, map_truth = _of_dataset(opened, ego), None
    else:
        frames, map_truth = _truth_topics(path, ego)
    return Source(path, opened.kind, tuple(with_ego(f, ego) for f in frames), fixed, map_truth=map_truth)


def _of_dataset(opened: SequenceInput, ego: EgoMotion) -> list[BoxFrame]:
    from perception_nodes.datasets.messages import tf_message

    poses = opened.poses()
    if poses is not None:
        frames = (opened.rig.odom_frame, opened.rig.base_frame)
        pairs = zip(poses.stamps_ns, poses.odom_from_base, strict=True)
        ego.add(tf_message([(s, *frames, p) for s, p in pairs]), static=False)
    events = [e for e in opened.events() if e.topic == TRUTH_TOPIC]
    return [detection_frame(e.build()) for e in sorted(events, key=lambda e: e.stamp_ns)]


def _truth_topics(path: Path, ego: EgoMotion) -> tuple[list[BoxFrame], tuple[MapLine, ...] | None]:
    frames: dict[int, BoxFrame] = {}
    lines: tuple[MapLine, ...] | None = None
    with BagReader(path) as reader:
        types = {t.name: t.typename for t in reader.info.topics}
        wanted = [t for t in (TRUTH_TOPIC, MAP_TRUTH_TOPIC, TF_TOPIC, TF_STATIC_TOPIC) if t in types]
        for topic, _, raw in reader.messages(wanted):
            message = reader.decode(raw, types[topic])
            if topic == TRUTH_TOPIC:
                frame = detection_frame(message)
                frames[frame.stamp_ns] = frame
            elif topic == MAP_TRUTH_TOPIC:
                lines = map_frame(message).lines
            else:
                ego.add(message, static=topic == TF_STATIC_TOPIC)
    return [frames[s] for s in sorted(frames)], lines


def common_frame(truth: Source, predictions: Source) -> tuple[Source, Source]:
    """Both sides, ranges limited where either knows the vehicle's position. Raises InputError on different frames."""
    if truth.frame_id and predictions.frame_id and truth.frame_id != predictions.frame_id:
        raise InputError(
            f"truth is in frame {truth.frame_id!r}, predictions are in {predictions.frame_id!r}: wanted one fixed frame"
        )
    ego = predictions.recording.ego if predictions.recording is not None else None
    if ego is None:
        return truth, predictions
    frames = [f if f.ego_xy_m is not None else with_ego(f, ego) for f in truth.frames]
    return replace(truth, frames=tuple(frames)), predictions


def described(source: Source) -> dict[str, Any]:
    """For evaluation.json."""
    return {
        "path": source.path.name,
        "format": source.format,
        "frames": len(source.frames),
        "boxes": source.num_boxes,
        "frame_id": source.frame_id,
        "notes": list(source.notes),
    }


def frames_in_kitti(sequences: dict[str, Sequence[KittiObjects]]) -> int:
    """Frames of all sequences."""
    return sum(len(s) for s in sequences.values())


__all__ = ["FUSION", "Source", "common_frame", "described", "format_of", "read_source", "truth_of"]
