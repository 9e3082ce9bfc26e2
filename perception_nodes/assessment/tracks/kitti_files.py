"""Folders of KITTI detections to folders of results in the tracking layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console

from perception_nodes.assessment.inputs.kitti import read_kitti_tracking, read_pointrcnn
from perception_nodes.datasets.kitti_calibration import read_calibration
from perception_nodes.datasets.kitti_motion import oxts_rows, oxts_track
from perception_nodes.datatypes import InputError
from perception_nodes.evaluation.kitti_objects import KittiObjects
from perception_nodes.geometry import Transform

from .boxes import tell_rejected
from .command import TrackOptions
from .config import CLASSES, class_config
from .ego_motion import poses_from_objects
from .images import read_image_boxes
from .kitti import PERIOD_NS, KittiTracker, drifting, follow, result_lines, results

F64 = npt.NDArray[np.float64]
SIZE_PX: Final = (1242, 375)
# Camera 2 of most KITTI drives, where no calibration is given: it only decides what lies in the image.
_TYPICAL_P2: Final = (
    (721.5377, 0, 609.5593, 44.85728),
    (0, 721.5377, 172.854, 0.2163791),
    (0, 0, 1, 0.002745884),
)


class Job(NamedTuple):
    """One class of one sequence."""

    label: str
    sequence: str
    path: Path


def track_kitti(options: TrackOptions, console: Console) -> tuple[int, int]:
    """Frames tracked (of all classes) and tracks written.

    DETECTIONS is a folder of `SSSS.txt`, or one that holds such a folder for every class, whose name ends with it.
    """
    frames = tracks = 0
    written: dict[Path, list[str]] = {}
    first_id: dict[str, int] = {}
    rejected: Counter[str] = Counter()
    _check_2d(options)
    for job in find_jobs(options):
        found, unused = track_job(job, options)
        rejected += unused
        frames += len(found)
        # No id is that of another class of the sequence.
        offset = 0 if options.split_classes else first_id.get(job.sequence, 0)
        lines, ids = result_lines(found, offset), {i for r in found for i in r.track_id.tolist()}
        tracks += len(ids)
        first_id[job.sequence] = offset + max(ids, default=0)
        folder = options.output / job.label if options.split_classes else options.output
        written.setdefault(folder / f"{job.sequence}.txt", []).extend(lines)
    for path, lines in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        # By frame; the order of classes and ids within a frame stays.
        lines.sort(key=lambda line: int(line.split(" ", 1)[0]))
        path.write_text("".join(f"{line}\n" for line in lines))
    tell_rejected(rejected, console)
    console.print(f"wrote {len(written)} files")
    return frames, tracks


def find_jobs(options: TrackOptions) -> Iterator[Job]:
    """Classes and sequences that are asked for. Raises InputError if one of them is not there."""
    wanted = [f"{s:04d}" for s in options.sequences]
    if not options.classes and all(_class_folder(options.detections, label) is None for label in CLASSES):
        raise InputError(
            f"{options.detections}: wanted SSSS.txt, or folders that end with one of {list(CLASSES)}, got neither"
        )
    for label in options.classes or tuple(CLASSES):
        folder = _class_folder(options.detections, label)
        if folder is None:
            if options.classes:
                raise InputError(f"{options.detections}: no folder of detections of class {label!r}")
            continue
        found = {p.stem: p for p in sorted(folder.glob("*.txt"))}
        if missing := sorted(set(wanted) - set(found)):
            raise InputError(f"{folder}: no detections of sequence {missing[0]}: there are {sorted(found)}")
        if not found:
            raise InputError(f"{folder}: no KITTI text files (*.txt)")
        yield from (Job(label, name, found[name]) for name in wanted or found)


def _class_folder(root: Path, label: str) -> Path | None:
    """The folder of one class; a folder of text files itself holds all classes, each line says which."""
    if not root.is_dir():
        raise InputError(f"{root}: wanted a folder of detections")
    fits = [p for p in sorted(root.iterdir()) if p.is_dir() and p.name.lower().endswith(label.lower())]
    three = [p for p in fits if "2d" not in p.name.lower()]
    if len(three) > 1:
        raise InputError(f"{root}: several folders of class {label!r}: {[p.name for p in three]}")
    if three:
        return three[0]
    return root if any(root.glob("*.txt")) else None


def read_detections(path: Path) -> list[KittiObjects]:
    """Frames of one sequence in the csv layout of PointRCNN or in KITTI's tracking layout."""
    # What is no text is told of by the readers.
    with path.open(errors="replace") as stream:
        commas = "," in next((line for line in stream if line.strip()), ",")
    return read_pointrcnn(path) if commas else read_kitti_tracking(path)


def track_job(job: Job, options: TrackOptions) -> tuple[list[KittiObjects], Counter[str]]:
    """The results of one class of one sequence, and how many boxes could not be used, by reason."""
    everything = read_detections(job.path)
    frames = [_of_class(f, job.label) for f in everything]
    if any(not np.isfinite(f.score).all() for f in frames):
        raise InputError(f"{job.path}: a detection has no score")
    config = class_config(job.label)
    given = read_poses(options, job.sequence, len(frames))
    estimate = config.ego_motion if options.ego_motion is None else options.ego_motion == "from-objects"
    poses = given
    if given is None and (estimate or (options.smooth and options.ego_motion is None)):
        poses = estimated_poses(options, job, everything)
    config = drifting(config) if given is None and estimate else config
    tracker = KittiTracker(job.label, config, projection(options.calib, job.sequence), SIZE_PX)
    boxes = image_boxes(options, job, len(frames))
    seen = follow(frames, tracker, poses if estimate or given is not None else None, boxes)
    if options.smooth:
        from .kitti_smooth import offline

        found = offline(list(seen), tracker, poses, drifts=given is None)
    else:
        found = results(seen, job.label, tracker.config)
    return found, tracker.tracker.rejected


def estimated_poses(options: TrackOptions, job: Job, frames: Sequence[KittiObjects]) -> list[Transform]:
    """odom_from_camera of every frame from the detections of all classes; `frames`: those of the job's own file."""
    folders = [_class_folder(options.detections, label) for label in CLASSES]
    paths = {f / f"{job.sequence}.txt" for f in folders if f is not None} - {job.path}
    others = [read_detections(path) for path in sorted(paths) if path.is_file()]
    none = KittiObjects.empty()
    rows = zip_longest(frames, *others, fillvalue=none)
    return poses_from_objects(list(islice(rows, len(frames))))


def _of_class(objects: KittiObjects, label: str) -> KittiObjects:
    mine = objects.type == label
    return objects if mine.all() else objects.select(mine)


def image_boxes(options: TrackOptions, job: Job, count: int) -> list[F64] | None:
    """2D detections of a class and sequence; None without --detections-2d, or if there are none of the class."""
    if options.detections_2d is None:
        return None
    folder = _class_folder_2d(options.detections_2d, job.label)
    return None if folder is None else read_image_boxes(folder / f"{job.sequence}.txt", count)


def _check_2d(options: TrackOptions) -> None:
    root, labels = options.detections_2d, options.classes or tuple(CLASSES)
    if root is not None and all(_class_folder_2d(root, label) is None for label in labels):
        raise InputError(f"--detections-2d: {root}: wanted a folder that ends with one of {list(labels)}")


def _class_folder_2d(root: Path, label: str) -> Path | None:
    """The folder of 2D detections of one class, None if it has none (then they add nothing)."""
    if not root.is_dir():
        raise InputError(f"--detections-2d: {root}: wanted a folder")
    fits = [p for p in sorted(root.iterdir()) if p.is_dir() and p.name.lower().endswith(label.lower())]
    two = [p for p in fits if "3d" not in p.name.lower()]
    if two:
        return two[0]
    return root if any(root.glob("*.txt")) and root.name.lower().endswith(label.lower()) else None


def projection(calib: Path | None, sequence: str) -> F64:
    """(3, 4) projection of camera 2. Raises InputError if the calibration is asked for and not there."""
    if calib is None:
        return np.array(_TYPICAL_P2, np.float64)
    return read_calibration(calib / f"{sequence}.txt" if calib.is_dir() else calib).p2


def read_poses(options: TrackOptions, sequence: str, count: int) -> list[Transform] | None:
    """odom_from_camera of every frame from `POSES/SSSS.txt` (oxts), axes x ahead, y left, z up; None without --poses.

    Needs --calib: the poses are those of the IMU.
    """
    if options.poses is None:
        return None
    if options.calib is None:
        raise InputError("--poses of KITTI are those of the IMU: wanted --calib too")
    path = options.poses / f"{sequence}.txt"
    if not path.is_file():
        raise InputError(f"--poses: {path} does not exist")
    rows = oxts_rows([path])
    if len(rows) < count:
        raise InputError(f"{path}: {len(rows)} poses for {count} frames")
    calibration = read_calibration(
        options.calib / f"{sequence}.txt" if options.calib.is_dir() else options.calib
    )
    if calibration.velo_from_imu is None:
        raise InputError(f"{options.calib}: no Tr_imu_velo, which --poses need")
    # Rectified camera axes: x right, y down, z ahead.
    rect_from_ahead = Transform(np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]), np.zeros(3))
    rect_from_imu = calibration.rect_from_velo @ calibration.velo_from_imu
    imu_from_ahead = rect_from_imu.inverse() @ rect_from_ahead
    stamps = [i * PERIOD_NS for i in range(len(rows))]
    return list(oxts_track(rows, stamps, imu_from_ahead).odom_from_base)
