"""How the geometric detector is counted on simulated streets, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import LABEL_INDEX, Detections3D
from perception_nodes.training.score_geometric import main, table_of, tally


def boxes(*rows: tuple[str, float, float, float, float, int]) -> Detections3D:
    """Rows of class, x, y, height, score, points."""
    names, x, y, high, score, points = zip(*rows, strict=True)
    return Detections3D.of(
        0, "base_link", "lidar", np.column_stack([x, y, np.zeros(len(x))]),
        np.column_stack([np.ones(len(x)), np.ones(len(x)), high]), np.zeros(len(x)),
        label=np.array([LABEL_INDEX[n] for n in names], np.uint8), score=np.array(score, float),
        num_points=np.array(points, np.int32),
    )  # fmt: skip


TRUTH = boxes(
    ("pedestrian", 10, 0, 1.8, 1, 50), ("pedestrian", 12, 5, 1.1, 1, 20), ("pedestrian", 14, -5, 1.8, 1, 4),
    ("pedestrian", 45, 0, 1.8, 1, 50), ("car", 20, 3, 1.5, 1, 90),
)  # fmt: skip


def test_found_reported_and_false_by_hand() -> None:
    found = boxes(
        ("pedestrian", 10.5, 0, 1.8, 0.6, 9), ("unknown", 12, 5.4, 1.1, 0.5, 9),
        ("pedestrian", 18, 9, 1.8, 0.4, 9), ("pedestrian", 19, 9, 1.8, 0.2, 9), ("truck", 21, 3, 2.5, 0.7, 9),
    )  # fmt: skip
    counts = tally(TRUTH, found)
    # One has too few points, one is too far away; the child is there as something without a class.
    assert [counts["person", k] for k in ("asked", "found", "reported", "false")] == [2, 1, 2, 1]
    assert [counts["child", k] for k in ("asked", "found", "reported")] == [1, 0, 1]
    assert [counts["car", k] for k in ("asked", "found", "reported", "false")] == [1, 0, 1, 0]
    assert counts["large", "false"] == 1
    assert counts["other", "false"] == 1
    assert table_of(counts, 2).row_count == 6


def test_a_wrong_rig_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--streets", "4", "--rigs", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().out


def test_no_held_out_street_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--streets", "0", "--rigs", "vlp16"]) == 2
    assert "no held-out street" in capsys.readouterr().out
