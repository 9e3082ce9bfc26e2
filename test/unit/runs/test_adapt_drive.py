"""Sweeps of a recording, for those who need to know how the vehicle moved and for those who do not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("torch", reason="needs the extra [train]")

from perception_nodes.datasets import BagWriter
from perception_nodes.datasets.messages import POINT_CLOUD, point_cloud
from perception_nodes.datatypes import InputError
from perception_nodes.runs import RunOptions
from perception_nodes.runs.adapt import read_drive

STAMP_NS, STEP_NS = 1_700_000_000_000_000_000, 100_000_000


def write_bag(path: Path, rng: np.random.Generator) -> Path:
    """Three sweeps of a lidar at the base frame, and no word of where the vehicle was."""
    with BagWriter(path) as writer:
        writer.declare("/points", POINT_CLOUD)
        for k in range(3):
            stamp_ns = STAMP_NS + k * STEP_NS
            cloud = point_cloud(stamp_ns, "base_link", rng.uniform(-20, 20, (500, 3)).astype(np.float32), {})
            writer.write("/points", cloud, POINT_CLOUD, stamp_ns)
    return path


def test_without_ego_motion_there_are_sweeps_but_no_drive(tmp_path: Path, rng: np.random.Generator) -> None:
    bag, console = write_bag(tmp_path / "in.mcap", rng), Console(file=io.StringIO())
    drive = read_drive(RunOptions(bag, tmp_path / "one", offline=True), 2, console, motion=False)
    assert [s.cloud.stamp_ns for s in drive.sweeps] == [STAMP_NS, STAMP_NS + STEP_NS]
    assert drive.sweeps[0].cloud.frame_id == "base_link"
    with pytest.raises(InputError, match="no ego motion"):
        read_drive(RunOptions(bag, tmp_path / "two", offline=True), 2, console)
