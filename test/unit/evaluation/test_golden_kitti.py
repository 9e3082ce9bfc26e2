"""KITTI scores against recorded answers of the tools in use: OpenPCDet's evaluation and AB3DMOT's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from perception_nodes.assessment.inputs import read_kitti_objects, read_kitti_tracking
from perception_nodes.evaluation import (
    KittiDetectionConfig,
    KittiObjects,
    KittiTrackingConfig,
    KittiTrackingPoint,
    kitti_detection,
    kitti_tracking,
)
from perception_nodes.evaluation.detection.kitti import LOOSE

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "golden"
NAMES = {"MOTA": "mota", "MOTP": "motp", "MT": "mostly_tracked", "PT": "partly_tracked", "ML": "mostly_lost"}
NAMES |= {"IDS": "id_switches", "FRAG": "fragments", "threshold": "threshold", "sMOTA": "smota"}
NAMES |= {"TP": "true_positives", "FP": "false_positives", "FN": "false_negatives"}


def written(folder: Path, lines: list[str]) -> Path:
    path = folder / "frame.txt"
    path.write_text("\n".join(lines))
    return path


def test_detection_equals_openpcdet(tmp_path: Path) -> None:
    data = json.loads((GOLDEN / "kitti_det.json").read_text())
    truth, results = (
        [read_kitti_objects(written(tmp_path, lines)) for lines in data[n]] for n in ("truth", "results")
    )
    found = kitti_detection(truth, results, KittiDetectionConfig(LOOSE))
    assert len(data["expected"]) == len(found.curves) == 27
    for name, expected in data["expected"].items():
        curve = found.curve(*name.split())
        ours = {"num_truth": curve.num_truth, "AP40": curve.ap40, "AP11": curve.ap11}
        if "AOS40" in expected:
            ours |= {"AOS40": curve.aos40, "AOS11": curve.aos11}
        assert ours == pytest.approx(expected, abs=1e-6), name


def tracks(
    folder: Path,
) -> tuple[dict[str, list[KittiObjects]], dict[str, list[KittiObjects]], dict[str, Any]]:
    data = json.loads((GOLDEN / "kitti_track.json").read_text())
    truth, results = (
        {name: read_kitti_tracking(written(folder, lines)) for name, lines in data[kind].items()}
        for kind in ("truth", "results")
    )
    return truth, results, data["expected"]


def figures(point: KittiTrackingPoint, names: Any) -> dict[str, float]:
    return {name: getattr(point, NAMES[name]) for name in names}


def test_published_tracking_equals_ab3dmot(tmp_path: Path) -> None:
    truth, results, expected = tracks(tmp_path)
    found = kitti_tracking(truth, results, "Pedestrian", KittiTrackingConfig(mode="published"))
    averages = {"sAMOTA": found.samota, "AMOTA": found.amota, "AMOTP": found.amotp}
    assert averages == pytest.approx({name: expected[name] for name in averages}, abs=1e-9)
    assert figures(found.best, expected["best"]) == pytest.approx(expected["best"], abs=1e-9)
    assert len(found.curve) == len(expected["curve"]) == 35
    for point, theirs in zip(found.curve, expected["curve"], strict=True):
        assert figures(point, theirs) == pytest.approx(theirs, abs=1e-9)


def test_the_side_effects_matter_in_this_recording(tmp_path: Path) -> None:
    truth, results, expected = tracks(tmp_path)
    clean = kitti_tracking(truth, results, "Pedestrian")
    assert clean.samota > expected["sAMOTA"] + 0.2
    assert clean.best.false_positives < expected["best"]["FP"]
