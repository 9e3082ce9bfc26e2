"""What is asked of the existence of tracks where the truth knows objects only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from drives import rows, write_jsonl

from perception_nodes.assessment.quality import calibration
from perception_nodes.datatypes import UNKNOWN
from perception_nodes.evaluation import EvaluationConfig, Paired, read_boxes
from perception_nodes.evaluation.bootstrap import resample_frames


def test_what_is_called_unknown_is_not_asked_of_truth_that_cannot_know_it(tmp_path: Path) -> None:
    frames = sorted(read_boxes(write_jsonl(tmp_path / "t.jsonl", rows())), key=lambda f: f.stamp_ns)
    truth = tuple(replace(f.select(f.id < 2), ego_xy_m=np.zeros(2)) for f in frames)
    ours = tuple(replace(f, label=np.where(f.id < 3, f.label, UNKNOWN)) for f in frames)
    resampling = resample_frames([f.stamp_ns for f in truth], np.random.default_rng(0))
    figures, _ = calibration(Paired(truth, ours, 0, 0), EvaluationConfig(), resampling)
    ece = {f.name: f for f in figures}["calibration.existence.boxes.ece"]
    assert ece.count == 3 * len(frames)
