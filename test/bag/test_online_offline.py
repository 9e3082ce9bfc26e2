"""The graph of nodes and the pipeline without nodes give the same tracks on the same recording."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from perception_nodes.runs import RunOptions, run_and_report

PUBLISHED = ("confirmed", "coasting")
TOLERANCE_M = 0.3
# The nodes may see a picture later than the frame that it belongs to; the pipeline never does.
LEAST_SHARE = 0.95


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
@pytest.mark.timeout(240)
def test_nodes_and_pipeline_agree(shared_data: Path, tmp_path: Path, domain_id: int) -> None:
    # Half speed: what is compared is the computation, not how busy this machine is.
    common = {"input": shared_data / "pandaset_002", "duration_s": 2.5, "rate": 0.5}
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
    shares = [min(share_with_partner(a[s], b[s]), share_with_partner(b[s], a[s])) for s in both]
    print(
        f"tracks with a partner within {TOLERANCE_M} m: mean {np.mean(shares):.3f}, worst {min(shares):.3f}"
    )
    assert np.mean(shares) >= LEAST_SHARE
