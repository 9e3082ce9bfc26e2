"""`perception train calibrate`: the existence of a model's boxes by the user's own labelled sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from perception_nodes.datasets.rigs import known_rig
from perception_nodes.datatypes import InputError
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.learned import LearnedLidarDetector
from perception_nodes.detection.learned_config import LearnedConfig, RuntimeConfig
from perception_nodes.evaluation import BoxFrame

from .calibrate import calibration, calibration_error, outcomes
from .copies import check_output, write_copies
from .real import real_boxes, real_frames
from .score_real import boxes_of

# True boxes of each frame and what was found there.
Boxes = tuple[list[BoxFrame], list[BoxFrame]]
_LEAST_BOXES = 100


@dataclass(frozen=True)
class CalibrationError:
    """Expected calibration error on the second half of each recording: as the model was, and fitted on the first."""

    before: float
    after: float
    boxes: int


def calibrate(model: Path, recordings: tuple[Path, ...], output: Path, console: Console) -> CalibrationError:
    """Write copies of the model's files with a table fitted on all sweeps; the error is measured half against half.

    Raises InputError if there are too few boxes to fit a table on, or the output is the model's own folder.
    """
    check_output(model, output)
    parts, known = [], {}
    for path in recordings:
        kind, frames = real_frames(path)
        rig = known_rig(kind)
        points = GeometricConfig().with_vehicle(rig.vehicle_lwh_m, rig.base_to_center_m)
        config = LearnedConfig(points, runtime=RuntimeConfig(precision="fp32", probe_runs=1))
        detector = LearnedLidarDetector(model, config)
        known = detector.model.metadata.get("calibration", {})
        parts.append(real_boxes(list(frames), boxes_of(detector)))
    table, error = fit(parts, known)
    said = (
        f"Expected calibration error on the second halves ({error.boxes} boxes): {error.before:.3f} before,"
        f" {error.after:.3f} fitted on the first halves"
    )
    console.print(f"{table['id']}: {table['boxes']} boxes. {said}", highlight=False, soft_wrap=True)
    names = ", ".join(p.name for p in recordings)
    done = f"Existence fitted on labelled sweeps of {names}, whose terms may apply to it"
    write_copies(model, output, {"calibration": table}, done, [f"{said}."])
    return error


def fit(parts: Sequence[Boxes], known: dict[str, Any]) -> tuple[dict[str, Any], CalibrationError]:
    """A table of all (true, found) boxes of some recordings, and what one of their first halves does for the second.

    known: the table that the model has. Raises InputError if the first halves have too few boxes.
    """
    early, late = ([_cut(part, k) for part in parts] for k in (0, 1))
    fitted = calibration(*_joined(early))
    if fitted["boxes"] < _LEAST_BOXES:
        raise InputError(f"{fitted['boxes']} boxes in the first halves: wanted at least {_LEAST_BOXES}")
    score, hit = outcomes(*_joined(late))
    before, after = (calibration_error(score, hit, t) for t in (known, fitted))
    error = CalibrationError(before, after, len(score))
    return calibration(*_joined([*early, *late])), error


def _cut(part: Boxes, half: int) -> Boxes:
    middle = (len(part[0]) + 1) // 2
    rows = slice(middle, None) if half else slice(0, middle)
    return part[0][rows], part[1][rows]


def _joined(parts: Sequence[Boxes]) -> Boxes:
    return [f for p in parts for f in p[0]], [f for p in parts for f in p[1]]
