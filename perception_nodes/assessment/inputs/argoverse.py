"""Argoverse 2 tables (feather) as values, and those as boxes of the `own` protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABEL_INDEX, UNKNOWN, InputError
from perception_nodes.evaluation import BoxFrame
from perception_nodes.evaluation.detection.argoverse import ArgoverseBoxes
from perception_nodes.geometry import Transform, wrap_angle

# Categories without a counterpart become `unknown`.
LABELS: Final = {
    "REGULAR_VEHICLE": "car",
    "LARGE_VEHICLE": "truck",
    "BOX_TRUCK": "truck",
    "TRUCK": "truck",
    "TRUCK_CAB": "truck",
    "BUS": "bus",
    "ARTICULATED_BUS": "bus",
    "SCHOOL_BUS": "bus",
    "VEHICULAR_TRAILER": "trailer",
    "MESSAGE_BOARD_TRAILER": "trailer",
    "TRAFFIC_LIGHT_TRAILER": "trailer",
    "PEDESTRIAN": "pedestrian",
    "OFFICIAL_SIGNALER": "pedestrian",
    "WHEELCHAIR": "pedestrian",
    "BICYCLE": "bicycle",
    "BICYCLIST": "bicycle",
    "MOTORCYCLE": "motorcycle",
    "MOTORCYCLIST": "motorcycle",
    "CONSTRUCTION_CONE": "traffic_cone",
}
EGO: Final = "EGO_VEHICLE"
_POSE: Final = ("timestamp_ns", "qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")


def read_argoverse(path: Path) -> ArgoverseBoxes:
    """Annotations or detections of one table; without a column log_id the folder's name stands for the log.

    Raises InputError naming the file if it is no such table, and the extra `data` if pyarrow is not installed.
    """
    columns = _columns(path)
    size = len(next(iter(columns.values()), []))
    columns.setdefault("log_id", np.full(size, path.resolve().parent.name))
    try:
        return ArgoverseBoxes.from_columns(columns)
    except (InputError, ValueError, TypeError) as error:
        raise InputError(f"{path}: {error}") from error


def read_argoverse_poses(path: Path) -> dict[int, Transform]:
    """`city_from_ego` by timestamp_ns, from `city_SE3_egovehicle.feather`. Raises InputError naming the file."""
    columns = _columns(path)
    if missing := [name for name in _POSE if name not in columns]:
        raise InputError(f"{path}: column {missing[0]!r} is missing")
    rows = zip(*(columns[name].tolist() for name in _POSE), strict=True)
    return {
        int(t): Transform.from_quaternion((x, y, z), (qx, qy, qz, qw)) for t, qw, qx, qy, qz, x, y, z in rows
    }


def argoverse_box_frames(boxes: ArgoverseBoxes, city_from_ego: dict[int, Transform]) -> list[BoxFrame]:
    """Frames of one log for the `own` protocol, in the city frame; a frame a timestamp that has boxes.

    Boxes stay upright. ids number the track_uuids in the order of their appearance, or the rows of a frame where there
    are none. The ego vehicle's own box is left out; there are no velocities. Raises InputError on several logs and on
    a timestamp without a pose.
    """
    logs = np.unique(boxes.log_id)
    if len(logs) > 1:
        raise InputError(f"Argoverse 2: wanted boxes of one log, got {logs.tolist()}")
    boxes = boxes.select(boxes.category != EGO)
    number: dict[str, int] = {}
    frames = []
    for stamp_ns in np.unique(boxes.timestamp_ns).tolist():
        if stamp_ns not in city_from_ego:
            raise InputError(f"Argoverse 2: no pose of the vehicle at {stamp_ns}")
        here = boxes.select(boxes.timestamp_ns == stamp_ns)
        ids = np.arange(len(here))
        if here.track_uuid is not None:
            ids = np.array([number.setdefault(u, len(number)) for u in here.track_uuid.tolist()], np.int64)
        frames.append(_frame(here, ids, stamp_ns, city_from_ego[stamp_ns]))
    return frames


def _frame(boxes: ArgoverseBoxes, ids: npt.NDArray[Any], stamp_ns: int, city_from_ego: Transform) -> BoxFrame:
    heading = np.stack([np.cos(boxes.yaw_rad), np.sin(boxes.yaw_rad), np.zeros(len(boxes))], axis=1)
    ahead = city_from_ego.rotate(heading)
    names = boxes.category.tolist()
    return BoxFrame(
        stamp_ns=stamp_ns,
        id=ids.astype(np.int64),
        label=np.array([LABEL_INDEX.get(LABELS.get(name, ""), UNKNOWN) for name in names], np.int64),
        score=boxes.score,
        center_m=np.asarray(city_from_ego.apply(boxes.center_m), np.float64),
        lwh_m=boxes.lwh_m,
        yaw_rad=wrap_angle(np.arctan2(ahead[:, 1], ahead[:, 0])),
        velocity_mps=np.full((len(boxes), 2), np.nan),
        num_points=boxes.num_points,
        ego_xy_m=city_from_ego.translation_m[:2].copy(),
    )


def _columns(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        from pyarrow import ArrowException, feather
    except ImportError as error:
        raise InputError(
            f"{path}: feather tables need pyarrow: pip install 'perception_nodes[data]'"
        ) from error
    try:
        table = feather.read_table(path)
    except (OSError, ArrowException) as error:
        raise InputError(f"{path}: not a feather table: {error}") from error
    return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
