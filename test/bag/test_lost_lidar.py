"""Without nodes a lidar that is lost costs as little as with them: tracks coast on what the cameras see or do not."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from perception_nodes import msg
from perception_nodes.datasets import BagReader, find_rig
from perception_nodes.runs import RunOptions, run_and_report
from perception_nodes.runs.sim_bag import simulate_to_bag
from perception_nodes.runs.simulate import fault
from perception_nodes.simulation.scenarios import find_scenario
from perception_nodes.simulation.simulation import Simulation

LOST_S, BACK_S, END_S = 1.6, 3.2, 3.6
COAST_NS = 1_000_000_000
O = msg.TrackedObject  # noqa: E741
LIVE = (O.STATE_TENTATIVE, O.STATE_CONFIRMED, O.STATE_COASTING)


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A street seen by a lidar, which is lost for a while, and by the camera in front."""
    gap = fault(f"top:off:{LOST_S}:{BACK_S - LOST_S}")
    scenario = replace(find_scenario("straight_traffic"), duration_s=END_S, faults=(gap,))
    path = tmp_path_factory.mktemp("lost") / "drive.mcap"
    simulate_to_bag(Simulation(scenario, find_rig("default"), 3, sensors=("top", "front")), path)
    return path


def objects(drive: Path, out: Path, **options: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """The messages of objects in order: before, in and after the gap."""
    run_and_report(RunOptions(drive, out, rig="default", offline=True, **options), Console(quiet=True))
    summary = json.loads((out / "summary.json").read_text())
    assert all(row["balanced"] for row in summary["inputs"])
    with BagReader(out / "outputs.mcap") as reader:
        raws = [raw for _, _, raw in reader.messages({"/perception/objects"})]
        found = [reader.decode(raw, "perception_nodes/msg/TrackedObjectArray") for raw in raws]
    found.sort(key=stamp_ns)
    assert {b - a for a, b in pairwise(map(stamp_ns, found))} == {100_000_000}
    gap = [k for k, m in enumerate(found) if m.info.mode != msg.FrameInfo.MODE_NOMINAL]
    assert len(gap) > 10 * (BACK_S - LOST_S) and gap == list(range(gap[0], gap[-1] + 1))
    return found[: gap[0]], found[gap[0] : gap[-1] + 1], found[gap[-1] + 1 :]


def stamp_ns(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def ids(message: Any, *states: int) -> set[int]:
    return {int(o.id) for o in message.objects if o.state in states}


def test_while_nothing_sees_tracks_coast_for_a_second(drive: Path, tmp_path: Path) -> None:
    before, gap, after = objects(drive, tmp_path)
    assert {m.info.mode for m in gap} == {msg.FrameInfo.MODE_BLIND}
    known = ids(before[-1], O.STATE_CONFIRMED, O.STATE_COASTING)
    assert len(known) >= 10
    coasted = [m for m in gap if stamp_ns(m) - stamp_ns(before[-1]) <= COAST_NS]
    assert len(coasted) == 10
    for message in coasted:
        assert not ids(message, O.STATE_CONFIRMED)
        assert len(ids(message, O.STATE_COASTING)) > 0 and ids(message, O.STATE_COASTING) <= known
    assert not any(ids(m, *LIVE) for m in gap[len(coasted) :])
    assert ids(after[-1], O.STATE_CONFIRMED)


def test_a_camera_goes_on_alone(drive: Path, tmp_path: Path, shared_data: Path) -> None:
    model = shared_data / "weights" / "yolox_nano.onnx"
    before, gap, after = objects(drive, tmp_path, camera_model=model)
    assert {m.info.mode for m in gap} == {msg.FrameInfo.MODE_DEGRADED}
    known = ids(before[-1], O.STATE_CONFIRMED)
    for message in gap:
        assert ids(message, O.STATE_CONFIRMED) & known  # the camera sees it
    assert len(known & ids(gap[0], O.STATE_COASTING)) >= 5  # behind, beside: nobody does
    assert ids(after[-1], O.STATE_CONFIRMED) & known
