"""One bad message costs itself: not its frame, not the run, not the report; nor does Ctrl-C while that is written."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from perception_nodes.datasets import BagWriter
from perception_nodes.datasets.messages import POINT_CLOUD, TF, point_cloud, tf_message
from perception_nodes.datasets.typestore import encode
from perception_nodes.datatypes import ConfigurationError, InputError
from perception_nodes.geometry import Transform
from perception_nodes.runs import RunOptions, run_and_report
from perception_nodes.runs import run as run_module

S = 1_000_000_000
LIDARS = ("left", "right")
Spoil = Callable[[str, int, bytes], bytes]


def bag(path: Path, spoil: Spoil) -> Path:
    """Two lidars of ten sweeps each on a flat street; `spoil(topic, number, bytes)` may change what is written."""
    pose, grid = Transform.identity(), np.mgrid[-20:20:80j, -20:20:80j].reshape(2, -1).T
    xyz = np.column_stack([grid, np.full(len(grid), -1.8)]).astype(np.float32)
    with BagWriter(path) as writer:
        mounts = [(S, "base_link", name, pose) for name in LIDARS]
        writer.write("/tf_static", tf_message(mounts), TF, S)
        for k in range(10):
            stamp = S + k * S // 10
            messages = {"/tf": (tf_message([(stamp, "odom", "base_link", pose)]), TF)}
            messages |= {f"/{n}/points": (point_cloud(stamp, n, xyz, {}), POINT_CLOUD) for n in LIDARS}
            for topic, (message, kind) in messages.items():
                writer.declare(topic, kind)
                writer.write_raw(topic, spoil(topic, k, encode(message, kind)), stamp)
    return path


def run(tmp_path: Path, spoil: Spoil, **options: Any) -> dict[str, Any]:
    source = bag(tmp_path / "drive.mcap", spoil)
    run_and_report(RunOptions(source, tmp_path / "out", offline=True, **options), Console(quiet=True))
    assert (tmp_path / "out" / "report.html").is_file()
    summary: dict[str, Any] = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert all(row["balanced"] for row in summary["inputs"])
    return summary


def cut(topic: str, which: Callable[[int], bool] = lambda k: k == 4) -> Spoil:
    return lambda name, k, raw: raw[:60] if name == topic and which(k) else raw


@pytest.mark.parametrize("topic", ["/left/points", "/right/points"])
def test_a_spoilt_sweep_is_a_counted_drop(topic: str, tmp_path: Path) -> None:
    summary = run(tmp_path, cut(topic))
    assert summary["drops"]["by_reason"]["MALFORMED"] == 1
    used = {row["input"]: row["used"] for row in summary["inputs"]}
    assert used[topic.split("/")[1]] == 9


def test_one_lidar_that_sends_garbage_does_not_cost_the_other(tmp_path: Path) -> None:
    summary = run(tmp_path, cut("/right/points", lambda k: k > 0))
    assert summary["drops"]["by_reason"]["MALFORMED"] == 9
    assert summary["frames"]["object_messages"] >= 9


def test_a_spoilt_transform_is_a_counted_drop(tmp_path: Path) -> None:
    summary = run(tmp_path, cut("/tf"))
    assert summary["drops"]["by_reason"]["MALFORMED"] == 1
    assert summary["frames"]["object_messages"] >= 8


def test_a_start_beyond_the_end_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--start 5: nothing to play from there: .* ends after 0.90 s"):
        run(tmp_path, cut("/nothing"), start_s=5.0)


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("taken")
    with pytest.raises(ConfigurationError, match="cannot make this folder"):
        run(tmp_path, cut("/nothing"))


def test_ctrl_c_while_the_report_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collect = run_module.collect_outputs

    def interrupted(*arguments: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return collect(*arguments)

    monkeypatch.setattr(run_module, "collect_outputs", interrupted)
    assert run(tmp_path, cut("/nothing"))["frames"]["object_messages"] >= 9
