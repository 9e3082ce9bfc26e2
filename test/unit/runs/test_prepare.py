"""What a run leaves behind if its input cannot be used: nothing."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from perception_nodes.datasets import BagWriter
from perception_nodes.datasets.messages import POINT_CLOUD, TF, point_cloud, tf_message
from perception_nodes.datatypes import ConfigurationError, InputError
from perception_nodes.geometry import Transform
from perception_nodes.runs import RunOptions, run_and_report
from perception_nodes.runs.prepare import prepare_input
from perception_nodes.runs.progress import RunProgress

STAMP_NS = 1_700_000_000_000_000_000


def write_bag(path: Path, *, lidar: bool) -> Path:
    with BagWriter(path) as writer:
        pose = tf_message([(STAMP_NS, "odom", "base_link", Transform(np.eye(3), np.zeros(3)))])
        writer.declare("/tf", TF)
        writer.write("/tf", pose, TF, STAMP_NS)
        if lidar:
            writer.declare("/points", POINT_CLOUD)
            cloud = point_cloud(STAMP_NS, "base_link", np.zeros((9, 3), np.float32), {})
            writer.write("/points", cloud, POINT_CLOUD, STAMP_NS)
    return path


def bad_input(kind: str, folder: Path) -> Path:
    path = folder / "in.mcap"
    if kind == "a text":
        path.write_text("not a bag")
    elif kind == "truncated":
        write_bag(path, lidar=True)
        path.write_bytes(path.read_bytes()[:20])
    elif kind == "no lidar":
        write_bag(path, lidar=False)
    elif kind == "a folder of texts":
        path.mkdir()
        (path / "notes.txt").write_text("x")
    return path


@pytest.mark.parametrize("kind", ["missing", "a text", "truncated", "no lidar", "a folder of texts"])
def test_a_bad_input_leaves_no_folder(tmp_path: Path, kind: str) -> None:
    source = bad_input(kind, tmp_path)
    output = tmp_path / "out"
    with pytest.raises(InputError, match=str(source)):
        run_and_report(RunOptions(source, output), Console(file=io.StringIO()))
    assert not output.exists()


@pytest.mark.parametrize("is_new", [True, False])
def test_only_a_new_folder_is_taken_away(tmp_path: Path, is_new: bool) -> None:
    source, output = write_bag(tmp_path / "in.mcap", lidar=True), tmp_path / "out"
    if not is_new:
        output.mkdir()
        (output / "mine.txt").write_text("kept")
    console = Console(file=io.StringIO())
    with RunProgress(console) as progress, pytest.raises(InputError, match="--start"):
        prepare_input(RunOptions(source, output, start_s=99.0), progress)
    assert output.exists() != is_new
    assert is_new or (output / "mine.txt").read_text() == "kept"


@pytest.mark.parametrize("argument", ["rat:=2", "rate:=fast"])
def test_a_misspelt_argument_leaves_no_folder(tmp_path: Path, argument: str) -> None:
    source, output = write_bag(tmp_path / "in.mcap", lidar=True), tmp_path / "out"
    options = RunOptions(source, output, graph_arguments=(argument,))
    with pytest.raises(ConfigurationError, match="rate"):
        run_and_report(options, Console(file=io.StringIO()))
    assert not output.exists()


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    source, output = write_bag(tmp_path / "in.mcap", lidar=True), tmp_path / "out"
    output.write_text("mine")
    with pytest.raises(ConfigurationError, match="--output"):
        run_and_report(RunOptions(source, output), Console(file=io.StringIO()))
    assert output.read_text() == "mine"
