"""The result JSON of the nuScenes benchmarks, detection or tracking, as boxes.

Layout: {"meta": ..., "results": {sample_token: [{translation, size (width, length, height), rotation (w, x, y, z),
velocity, detection_name, detection_score, attribute_name}, ...]}}; of tracking tracking_id, tracking_name,
tracking_score instead. Truth may be given in the same layout, without scores (nuscenes-devkit writes -1), with
`num_pts` and `ego_translation` where they are known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from perception_nodes.datatypes import LABEL_INDEX, InputError
from perception_nodes.evaluation import ATTRIBUTES, BoxFrame
from perception_nodes.geometry import Transform

# The file has no times: samples stand at the rate of the key frames, in the order of their tokens.
PERIOD_NS: Final = 500_000_000
Samples = dict[str, list[dict[str, Any]]]


def read_nuscenes(path: Path) -> Samples:
    """Boxes by sample token. Raises InputError if the file is not of this layout."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from error
    results = data.get("results") if isinstance(data, dict) else None
    if not isinstance(results, dict) or not all(isinstance(v, list) for v in results.values()):
        raise InputError(f"{path}: wanted an object `results` of lists by sample token")
    return results


def nuscenes_stamps(*sets: Samples) -> dict[str, int]:
    """A made-up stamp for every sample token of all sets, so that equal tokens meet."""
    return {token: k * PERIOD_NS for k, token in enumerate(sorted({t for s in sets for t in s}))}


def nuscenes_frames(samples: Samples, stamps_ns: Mapping[str, int], path: Path) -> list[BoxFrame]:
    """A frame a sample, in the order of the stamps. Raises InputError naming file, sample and key."""
    ids: dict[str, int] = {}
    tokens = sorted(samples, key=lambda t: stamps_ns[t])
    return [_frame(samples[t], stamps_ns[t], ids, f"{path}: sample {t!r}") for t in tokens]


def _frame(boxes: Sequence[dict[str, Any]], stamp_ns: int, ids: dict[str, int], where: str) -> BoxFrame:
    n = len(boxes)
    if any(not isinstance(b, dict) for b in boxes):
        raise InputError(f"{where}: wanted objects")
    size = _columns(boxes, "size", 3, where)
    rotation = _columns(boxes, "rotation", 4, where)
    center = _columns(boxes, "translation", 3, where)
    return BoxFrame(
        stamp_ns=stamp_ns,
        id=np.array(_ids(boxes, ids, where), np.int64),
        label=np.array([_label(b, where) for b in boxes], np.int64),
        score=np.array([_score(b, where) for b in boxes], np.float64),
        center_m=center,
        lwh_m=size[:, [1, 0, 2]],
        yaw_rad=np.array([_yaw(q, where) for q in rotation], np.float64),
        velocity_mps=_columns(boxes, "velocity", 2, where, needed=False),
        num_points=np.array([int(b.get("num_pts", -1)) for b in boxes], np.int64),
        ego_xy_m=_ego(boxes, center),
        attribute=np.array([_attribute(b, where) for b in boxes], np.int64) if n else None,
    )


def _columns(
    boxes: Iterable[dict[str, Any]], key: str, width: int, where: str, needed: bool = True
) -> np.ndarray[Any, np.dtype[np.float64]]:
    rows = []
    for box in boxes:
        value = box.get(key)
        if value is None and not needed:
            value = [math.nan] * width
        good = isinstance(value, list) and len(value) == width
        if not good or not all(isinstance(v, int | float) for v in value or []):
            raise InputError(f"{where}: {key!r}: wanted {width} numbers, got {value!r}")
        if needed and not all(math.isfinite(v) for v in value or []):
            raise InputError(f"{where}: {key!r}: wanted finite numbers, got {value!r}")
        rows.append(value)
    return np.array(rows, np.float64).reshape(len(rows), width)


def _ids(boxes: Sequence[dict[str, Any]], ids: dict[str, int], where: str) -> list[int]:
    """Numbers of the tracking ids over the whole file, or of the boxes of the sample where there are none."""
    named = ["tracking_id" in b for b in boxes]
    if not any(named):
        return list(range(len(boxes)))
    if not all(named):
        raise InputError(f"{where}: some boxes have a 'tracking_id' and some have none")
    return [ids.setdefault(str(b["tracking_id"]), len(ids)) for b in boxes]


def _label(box: dict[str, Any], where: str) -> int:
    name = box.get("detection_name", box.get("tracking_name"))
    if name not in LABEL_INDEX:
        raise InputError(f"{where}: class {name!r} is not in the taxonomy {list(LABEL_INDEX)}")
    return LABEL_INDEX[name]


def _score(box: dict[str, Any], where: str) -> float:
    score = box.get("detection_score", box.get("tracking_score", math.nan))
    if isinstance(score, bool) or not isinstance(score, int | float) or score == math.inf:
        raise InputError(f"{where}: score: wanted a number, got {score!r}")
    return math.nan if score < 0 else float(score)


def _yaw(wxyz: Any, where: str) -> float:
    w, x, y, z = wxyz
    if not np.linalg.norm(wxyz) > 0:
        raise InputError(f"{where}: 'rotation': wanted a quaternion, got {list(wxyz)}")
    return Transform.from_quaternion((0.0, 0.0, 0.0), (x, y, z, w)).yaw_rad


def _attribute(box: dict[str, Any], where: str) -> int:
    name = box.get("attribute_name", "")
    if name and name not in ATTRIBUTES:
        raise InputError(f"{where}: attribute {name!r} is not one of {list(ATTRIBUTES)}")
    return ATTRIBUTES.index(name) if name else -1


def _ego(boxes: Sequence[dict[str, Any]], center_m: Any) -> Any:
    """Position of the vehicle from the offsets `ego_translation` (box minus ego), None where they are not given."""
    for box, center in zip(boxes, center_m, strict=True):
        offset = box.get("ego_translation")
        if isinstance(offset, list) and len(offset) == 3 and any(offset):
            return center[:2] - np.array(offset[:2], np.float64)
    return None
