"""The safety figures ask for the same truth as the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from drives import rows, write_jsonl

from perception_nodes.assessment.ego import EgoMotion
from perception_nodes.assessment.quality import safety
from perception_nodes.assessment.recording import Recording
from perception_nodes.datasets import known_rig
from perception_nodes.evaluation import EvaluationConfig, Paired, read_boxes
from perception_nodes.evaluation.bootstrap import resample_frames


class Standing:
    """As much of a recording as is asked for: a vehicle at rest."""

    ego = EgoMotion("odom", "odom")
    rig = known_rig("pandaset")


def test_truth_without_points_is_not_asked_for(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [r | {"score": 0.9} for r in rows(scored=False)]
    truth = tuple(sorted(read_boxes(write_jsonl(tmp_path / "t.jsonl", lines)), key=lambda f: f.stamp_ns))
    truth = tuple(replace(f, ego_xy_m=np.zeros(2)) for f in truth)
    unseen = tuple(replace(f, num_points=np.where(f.id == 3, 0, f.num_points)) for f in truth)
    ours = tuple(f.select(f.id < 3) for f in truth)
    resampling = resample_frames([f.stamp_ns for f in truth], np.random.default_rng(0))
    recording = cast(Recording, Standing())
    found = safety(Paired(unseen, ours, 0, 0), recording, EvaluationConfig(), resampling)
    recall = {f.name: f for f in found}["safety.ttc_weighted_recall"]
    assert (recall.value, recall.count) == (1.0, 120)
