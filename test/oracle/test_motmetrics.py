"""Side by side with motmetrics 1.4.0: random recordings, and two sequences of the MOT benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_nodes import evaluation as ev

mm = pytest.importorskip("motmetrics", reason="motmetrics is not installed (make test-oracle)")
pytestmark = pytest.mark.oracle

TOOL = "motmetrics"
NAMES = {
    "mota": "mota", "recall": "recall", "precision": "precision", "num_switches": "id_switches",
    "num_fragmentations": "fragments", "mostly_tracked": "mostly_tracked", "partially_tracked": "partly_tracked",
    "mostly_lost": "mostly_lost", "num_false_positives": "false_positives", "num_misses": "false_negatives",
}  # fmt: skip
IDENTITY = ["idf1", "idp", "idr", "idtp", "idfp", "idfn"]


def official(frames: list[Any], threshold: float) -> dict[str, float]:
    account = mm.MOTAccumulator(auto_id=True)
    for truth, ours, similarity in frames:
        account.update(truth, ours, np.where(similarity >= threshold, 1 - similarity, np.nan))
    table = mm.metrics.create().compute(account, metrics=[*NAMES, *IDENTITY, "motp"])
    return {key: float(table[key].iloc[0]) for key in table}


def compare(agreement: Any, frames: list[Any], threshold: float) -> tuple[ev.Clear, ev.Identity]:
    clear = ev.clear(frames, threshold, convention="motmetrics")
    identity = ev.identity(frames, threshold)
    expected = official(frames, threshold)
    mine = {key: getattr(clear, name) for key, name in NAMES.items()} | {"motp": 1 - clear.motp}
    agreement.check("CLEAR", TOOL, mine, {key: expected[key] for key in mine}, tolerance=1e-12)
    ids = {key: getattr(identity, key) for key in IDENTITY}
    agreement.check("IDF1", TOOL, ids, {key: expected[key] for key in ids}, tolerance=1e-12)
    return clear, identity


def recording(seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    names, frames = np.arange(8) + 50, []
    for _ in range(30):
        if rng.random() < 0.3:
            names[rng.integers(8)] = names.max() + 1
        seen = np.flatnonzero(rng.random(8) < (0.85 if rng.random() > 0.1 else 0.0))
        found = np.flatnonzero(rng.random(8) < (0.75 if rng.random() > 0.1 else 0.0))
        where = found + rng.normal(0, 0.4, len(found))
        frames.append((seen, names[found], np.clip(1 - np.abs(seen[:, None] - where[None]), 0, 1)))
    return frames


@pytest.mark.parametrize("seed", range(15))
def test_random(seed: int, agreement: Any) -> None:
    clear, _ = compare(agreement, recording(seed), 0.4)
    assert clear.id_switches > 0 and clear.fragments > 0


def read(path: Path) -> dict[int, Any]:
    rows = np.loadtxt(path, delimiter=",")
    return {int(k): rows[rows[:, 0] == k] for k in np.unique(rows[:, 0])}


def image_iou(a: Any, b: Any) -> Any:
    low = np.maximum(a[:, None, 2:4], b[None, :, 2:4])
    high = np.minimum((a[:, 2:4] + a[:, 4:6])[:, None], (b[:, 2:4] + b[:, 4:6])[None])
    both = np.prod(np.maximum(high - low, 0), axis=2)
    return both / (np.prod(a[:, 4:6], axis=1)[:, None] + np.prod(b[:, 4:6], axis=1)[None] - both)


@pytest.mark.parametrize(
    ("name", "switches", "fragments", "mota", "idf1"),
    [("TUD-Campus", 7, 7, 0.526462, 0.557659), ("TUD-Stadtmitte", 7, 6, 0.564014, 0.644619)],
)
def test_mot_benchmark(
    shared_data: Path, agreement: Any, name: str, switches: int, fragments: int, mota: float, idf1: float
) -> None:
    """The expected values were computed with motmetrics 1.4.0 on the same files, at an overlap of 0.5."""
    folder = shared_data / "motmetrics_tud" / name
    truth, ours = read(folder / "gt.txt"), read(folder / "test.txt")
    none = np.zeros((0, 10))
    frames = []
    for k in sorted(truth | ours):
        t, p = truth.get(k, none), ours.get(k, none)
        frames.append((t[:, 1].astype(int), p[:, 1].astype(int), image_iou(t, p)))
    clear, identity = compare(agreement, frames, 0.5)
    assert (clear.id_switches, clear.fragments) == (switches, fragments)
    assert (clear.mota, identity.idf1) == pytest.approx((mota, idf1), abs=1e-6)
