"""The graph of nodes and the pipeline without nodes give the same tracks on the same recording."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from perception_nodes.datasets import BagReader, find_rig
from perception_nodes.detection.learned_choice import SHIPPED
from perception_nodes.detection.runtime import int8_path
from perception_nodes.resources import resource_path
from perception_nodes.runs import RunOptions, run_and_report
from perception_nodes.runs.sim_bag import simulate_to_bag
from perception_nodes.simulation.scenarios import find_scenario
from perception_nodes.simulation.simulation import Simulation

PUBLISHED = ("confirmed", "coasting")
TOLERANCE_M = 0.3
# The nodes may see a picture later than the frame that it belongs to; the pipeline never does.
LEAST_SHARE = 0.95
SLOW = 0.5


def tracks(folder: Path) -> dict[int, np.ndarray]:
    """Positions (N, 2) of the published tracks by stamp."""
    found: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for line in (folder / "objects.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["state"] in PUBLISHED:
            found[record["stamp_ns"]].append((record["x"], record["y"]))
    return {stamp: np.array(points) for stamp, points in found.items()}


def share_with_partner(ours: np.ndarray, others: np.ndarray) -> float:
    """Share of our positions that have one of the others within the tolerance."""
    if not len(others):
        return 0.0
    distance = np.linalg.norm(ours[:, None] - others[None], axis=-1).min(axis=1)
    return float((distance <= TOLERANCE_M).mean())


@pytest.mark.slow
def test_nodes_and_pipeline_agree(shared_data: Path, tmp_path: Path, domain_id: int) -> None:
    # Slowly: what is compared is the computation, not how busy this machine is.
    common = {"input": shared_data / "pandaset_002", "duration_s": 2.5, "rate": SLOW}
    console = Console(quiet=True)
    online = run_and_report(RunOptions(output=tmp_path / "online", **common), console)  # type: ignore[arg-type]
    bag = tmp_path / "online" / "input.mcap"
    offline = run_and_report(
        RunOptions(output=tmp_path / "offline", **{**common, "input": bag}, offline=True),  # type: ignore[arg-type]
        console,
    )
    assert all(row["balanced"] for row in online["inputs"] + offline["inputs"])
    a, b = tracks(tmp_path / "online"), tracks(tmp_path / "offline")
    both = sorted(set(a) & set(b))
    print(f"frames: online {len(a)}, offline {len(b)}, both {len(both)}")
    assert len(both) >= 0.9 * len(b)
    assert len(a) <= len(b) + 2  # nothing is made up between sweeps that come slowly
    shares = [min(share_with_partner(a[s], b[s]), share_with_partner(b[s], a[s])) for s in both]
    print(
        f"tracks with a partner within {TOLERANCE_M} m: mean {np.mean(shares):.3f}, worst {min(shares):.3f}"
    )
    assert np.mean(shares) >= LEAST_SHARE


def boxes(folder: Path) -> dict[int, tuple[object, np.ndarray]]:
    """What ran, and the boxes with their scores (N, 8), of each message of the lidar detector by stamp."""
    found = {}
    with BagReader(folder / "outputs.mcap") as reader:
        types = {t.name: t.typename for t in reader.info.topics}
        (topic,) = (name for name in types if name.startswith("/perception/detection/lidar/"))
        for _, _, raw in reader.messages({topic}):
            m = reader.decode(raw, types[topic])
            rows = [(d.x, d.y, d.z, d.yaw, d.length, d.width, d.height, d.score) for d in m.detections]
            ran = (m.info.model_id, m.info.model_hash, m.info.calibration_id)
            stamp_ns = m.header.stamp.sec * 10**9 + m.header.stamp.nanosec
            found[stamp_ns] = (ran, np.array(rows, np.float32).reshape(-1, 8))
    return found


@pytest.mark.slow
def test_the_same_model_finds_the_same_boxes_with_and_without_nodes(tmp_path: Path, domain_id: int) -> None:
    scenario = replace(find_scenario("straight_traffic"), duration_s=1.5)
    bag = tmp_path / "drive.mcap"
    simulate_to_bag(Simulation(scenario, find_rig("vlp16"), 3), bag)
    # The int8 file itself: which precision is fastest is measured at every start.
    model = int8_path(resource_path(SHIPPED["small"]))
    common = {"input": bag, "graph_arguments": (f"lidar_model:={model}",), "rig": "vlp16"}
    for name, options in (("online", {"rate": SLOW}), ("offline", {"offline": True})):
        run_and_report(RunOptions(output=tmp_path / name, **common, **options), Console(quiet=True))  # type: ignore[arg-type]
    online, offline = boxes(tmp_path / "online"), boxes(tmp_path / "offline")
    both = sorted(set(online) & set(offline))
    print(f"frames: online {len(online)}, offline {len(offline)}, both {len(both)}")
    assert len(both) >= 10
    assert sum(len(offline[s][1]) for s in both) > 20
    for stamp in both:
        assert online[stamp][0] == offline[stamp][0]
        assert offline[stamp][0][0] == "lidar_small"
        np.testing.assert_allclose(online[stamp][1], offline[stamp][1], atol=1e-4)
