"""KITTI text files (object, tracking) and PointRCNN csv as values, and those as boxes of the `own` protocol.

Layouts, separated by blanks: object `type truncated occluded alpha left top right bottom h w l x y z ry [score]`;
tracking the same behind `frame id`. PointRCNN csv: `frame, type (1 Pedestrian, 2 Car, 3 Cyclist), left, top, right,
bottom, score, h, w, l, x, y, z, ry, alpha`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from perception_nodes.datasets.kitti_labels import LABELS
from perception_nodes.datatypes import LABEL_INDEX, UNKNOWN, InputError
from perception_nodes.evaluation import BoxFrame
from perception_nodes.evaluation.kitti_objects import DONT_CARE, TYPES, KittiObjects
from perception_nodes.geometry import wrap_angle

_NUMBERS: Final = 14  # of an object line, between the type and the score
_CSV_TYPES: Final = {1: "Pedestrian", 2: "Car", 3: "Cyclist"}
_PERIOD_S: Final = 0.1  # of the tracking sequences
_FRAMES: Final = 1_000_000  # frame numbers have six digits
_BY_LOWER: Final = {name.lower(): name for name in TYPES}


class _Row(NamedTuple):
    """One line; values: truncated occluded alpha, box (4), h w l, x y z, ry, score."""

    frame: int
    track_id: int
    type: str
    values: tuple[float, ...]


def read_kitti_objects(path: Path) -> KittiObjects:
    """Labels or results of one frame (`000123.txt`). Raises InputError naming file and line."""
    return _objects([_object_row(line.split(), 0, -1, where) for where, line in _lines(path)])


def read_kitti_tracking(path: Path, num_frames: int | None = None) -> list[KittiObjects]:
    """Labels or results of one sequence (`SSSS.txt`), one value a frame from frame 0; frames without a line are empty.

    num_frames: length of the sequence; by default up to the last line's frame. Raises InputError naming file and line.
    """
    rows = []
    for where, line in _lines(path):
        words = line.split()
        if len(words) < 2:
            raise InputError(f"{where}: wanted frame, id and an object, got {line!r}")
        rows.append(_object_row(words[2:], _whole(words[0], where), _whole(words[1], where), where))
    frame = np.array([_index(r.frame, str(path)) for r in rows], np.int64)
    return _frames(_objects(rows), frame, num_frames, path)


def read_pointrcnn(path: Path, num_frames: int | None = None) -> list[KittiObjects]:
    """Detections of one sequence in the csv layout, as `read_kitti_tracking` gives them (without track ids)."""
    table = _csv_table(path)
    n, kind = len(table), table[:, 1].astype(np.int64)
    objects = KittiObjects(
        type=np.array(["", *_CSV_TYPES.values()])[kind],
        truncated=np.zeros(n),
        occluded=np.zeros(n, np.int64),
        alpha_rad=table[:, 14],
        bbox_px=table[:, 2:6],
        hwl_m=table[:, 7:10],
        bottom_m=table[:, 10:13],
        rotation_y_rad=table[:, 13],
        score=table[:, 6],
        track_id=np.full(n, -1, np.int64),
    )
    return _frames(objects, table[:, 0].astype(np.int64), num_frames, path)


def _csv_table(path: Path) -> npt.NDArray[np.float64]:
    """(N, 15) numbers that can be used. All lines at once; which one is wrong is looked for only if one is."""
    lines = _lines(path)
    try:
        table = np.array([line.split(",") for _, line in lines], np.float64).reshape(len(lines), -1)
    except ValueError:
        table = np.zeros((0, 0))
    if table.shape != (len(lines), 15) or not _usable(table):
        for where, line in lines:
            _check_csv(where, line)
    return table.reshape(-1, 15)


def _usable(table: npt.NDArray[np.float64]) -> bool:
    frame = table[:, 0]
    whole = (frame >= 0) & (frame < _FRAMES) & (frame == np.rint(frame))
    return bool(np.isfinite(table).all() and whole.all() and np.isin(table[:, 1], list(_CSV_TYPES)).all())


def _check_csv(where: str, line: str) -> None:
    values = [_number(word, where) for word in line.split(",")]
    if len(values) != 15:
        raise InputError(f"{where}: wanted 15 values separated by commas, got {len(values)}")
    if values[1] not in _CSV_TYPES:
        raise InputError(f"{where}: type: wanted one of {list(_CSV_TYPES)}, got {values[1]:g}")
    _index(values[0], where)


def read_kitti_frames(folder: Path) -> dict[str, KittiObjects]:
    """All object files of a folder by name (`000123`). Raises InputError if there are none."""
    return {path.stem: read_kitti_objects(path) for path in _texts(folder)}


def read_kitti_sequences(folder: Path) -> dict[str, list[KittiObjects]]:
    """All tracking files of a folder by name (`0003`). Raises InputError if there are none."""
    return {path.stem: read_kitti_tracking(path) for path in _texts(folder)}


def is_kitti_tracking(folder: Path) -> bool:
    """Whether the text files hold tracking lines (a frame number first) or object lines (a type first).

    Raises InputError if the folder has no text files, or none of them a line.
    """
    for path in _texts(folder):
        for _, line in _lines(path):
            return line.split()[0].lower() not in _BY_LOWER
    raise InputError(f"{folder}: all text files are empty")


def paired_kitti_frames(
    truth: Mapping[str, KittiObjects], results: Mapping[str, KittiObjects]
) -> tuple[list[KittiObjects], list[KittiObjects]]:
    """Frames in the order of their names; a frame without a file of results counts as one without results.

    Raises InputError on results of a frame that has no labels.
    """
    if spare := sorted(set(results) - set(truth)):
        raise InputError(f"KITTI results of frame {spare[0]} ({len(spare)} such frames), which has no labels")
    names = sorted(truth)
    return [truth[n] for n in names], [results.get(n, KittiObjects.empty()) for n in names]


def kitti_box_frames(frames: Sequence[KittiObjects], period_s: float = _PERIOD_S) -> list[BoxFrame]:
    """Frames for the `own` protocol: x ahead, y to the left, z up, from the rectified camera; stamps i * period_s.

    These sequences have no ego motion, so the boxes move with the vehicle, which is the origin of every frame; there
    are no velocities and no point counts. DontCare areas are left out; types map to the taxonomy as in
    `datasets.kitti_labels`, other types to `unknown`. Objects without a track id are numbered within their frame.
    """
    return [_box_frame(f, round(i * period_s * 1e9)) for i, f in enumerate(frames)]


def _box_frame(objects: KittiObjects, stamp_ns: int) -> BoxFrame:
    objects = objects.select(objects.type != DONT_CARE)
    x, y, z = objects.bottom_m.T
    known = objects.track_id >= 0
    return BoxFrame(
        stamp_ns=stamp_ns,
        id=objects.track_id if known.all() else np.arange(len(objects)),
        label=np.array(
            [LABEL_INDEX.get(LABELS.get(t, ""), UNKNOWN) for t in objects.type.tolist()], np.int64
        ),
        score=objects.score,
        center_m=np.stack([z, -x, objects.hwl_m[:, 0] / 2 - y], axis=1),
        lwh_m=objects.hwl_m[:, [2, 1, 0]],
        yaw_rad=wrap_angle(-objects.rotation_y_rad - np.pi / 2),
        velocity_mps=np.full((len(objects), 2), np.nan),
        num_points=np.full(len(objects), -1, np.int64),
        ego_xy_m=np.zeros(2),
    )


def _texts(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.txt"))
    if not found:
        raise InputError(f"{folder}: no KITTI text files (*.txt)")
    return found


def _lines(path: Path) -> list[tuple[str, str]]:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    return [(f"{path}:{n}", line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]


def _object_row(words: Sequence[str], frame: int, track_id: int, where: str) -> _Row:
    if len(words) not in (_NUMBERS + 1, _NUMBERS + 2):
        raise InputError(f"{where}: wanted a type and 14 numbers, or 15 with a score, got {len(words)} words")
    kind = _BY_LOWER.get(words[0].lower())
    if kind is None:
        raise InputError(f"{where}: type {words[0]!r} is not one of {list(TYPES)}")
    values = [_number(word, where) for word in words[1:]]
    return _Row(frame, track_id, kind, (*values, *([math.nan] * (len(values) == _NUMBERS))))


def _number(word: str, where: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: wanted a finite number, got {word.strip()!r}")
    return value


def _whole(word: str, where: str) -> int:
    value = _number(word, where)
    if value != int(value):
        raise InputError(f"{where}: wanted a whole number, got {word!r}")
    return int(value)


def _index(value: float, where: str) -> int:
    if not 0 <= value < _FRAMES or value != int(value):
        raise InputError(f"{where}: frame: wanted a whole number from 0 to {_FRAMES - 1}, got {value:g}")
    return int(value)


def _frames(
    objects: KittiObjects, frame: npt.NDArray[np.int64], num_frames: int | None, path: Path
) -> list[KittiObjects]:
    count = int(frame.max(initial=-1)) + 1
    if num_frames is not None and count > num_frames:
        raise InputError(f"{path}: frame {count - 1} lies behind the sequence's {num_frames} frames")
    return objects.split(frame, count if num_frames is None else num_frames)


def _objects(rows: Sequence[_Row]) -> KittiObjects:
    if not rows:
        return KittiObjects.empty()
    values = np.array([r.values for r in rows], np.float64)
    return KittiObjects(
        type=np.array([r.type for r in rows]),
        truncated=values[:, 0],
        occluded=values[:, 1].astype(np.int64),
        alpha_rad=values[:, 2],
        bbox_px=values[:, 3:7],
        hwl_m=values[:, 7:10],
        bottom_m=values[:, 10:13],
        rotation_y_rad=values[:, 13],
        score=values[:, 14],
        track_id=np.array([r.track_id for r in rows], np.int64),
    )
