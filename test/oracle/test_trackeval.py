"""Side by side with TrackEval 1.3.0 on random recordings with switches, gaps, clutter and empty frames."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from perception_nodes import evaluation as ev

pytest.importorskip("trackeval", reason="trackeval is not installed (make test-oracle)")
from trackeval.metrics import CLEAR, HOTA, Identity

pytestmark = pytest.mark.oracle

TOOL = "trackeval"
Frames = list[tuple[Any, Any, Any]]


def recording(seed: int, steps: int = 40, objects: int = 12) -> Frames:
    """Objects and tracks on a line; random reals, so that no two assignments are equally good."""
    rng = np.random.default_rng(seed)
    names = np.arange(objects) + 100
    frames = []
    for _ in range(steps):
        if rng.random() < 0.3:
            k = rng.integers(objects)
            names[k] = rng.choice(names) if rng.random() < 0.3 else names.max() + 1
        seen, found = rng.random(objects) < 0.85, rng.random(objects) < 0.75
        if rng.random() < 0.08:
            seen[:] = False
        if rng.random() < 0.08:
            found[:] = False
        truth = np.flatnonzero(seen)
        ours, first = np.unique(names[found], return_index=True)
        where = np.flatnonzero(found)[first] + rng.normal(0, 0.25, len(first))
        similarity = np.clip(1 - np.abs(truth[:, None] - where[None]) * rng.uniform(0.5, 1.2), 0, 1)
        frames.append((truth, ours, similarity))
    return frames


def theirs(frames: Frames) -> dict[str, Any]:
    dense = []
    for part in (0, 1):
        ids = np.unique(np.concatenate([f[part] for f in frames]))
        dense.append((len(ids), [np.searchsorted(ids, f[part]) for f in frames]))
    (n, truth), (m, ours) = dense
    return {
        "num_timesteps": len(frames),
        "num_gt_ids": n,
        "num_tracker_ids": m,
        "num_gt_dets": sum(map(len, truth)),
        "num_tracker_dets": sum(map(len, ours)),
        "gt_ids": truth,
        "tracker_ids": ours,
        "similarity_scores": [f[2] for f in frames],
    }


HOTA_NAMES = {
    "HOTA": "hota", "DetA": "det_a", "AssA": "ass_a", "DetRe": "det_re", "DetPr": "det_pr", "AssRe": "ass_re",
    "AssPr": "ass_pr", "LocA": "loc_a", "HOTA_TP": "true_positives", "HOTA_FP": "false_positives",
    "HOTA_FN": "false_negatives",
}  # fmt: skip
CLEAR_NAMES = {
    "MOTA": "mota", "MOTP": "motp", "MODA": "moda", "CLR_Re": "recall", "CLR_Pr": "precision", "MT": "mostly_tracked",
    "PT": "partly_tracked", "ML": "mostly_lost", "IDSW": "id_switches", "Frag": "fragments",
    "CLR_TP": "true_positives", "CLR_FP": "false_positives", "CLR_FN": "false_negatives",
}  # fmt: skip
IDENTITY_NAMES = {
    "IDF1": "idf1", "IDP": "idp", "IDR": "idr", "IDTP": "idtp", "IDFP": "idfp", "IDFN": "idfn",
}  # fmt: skip


def compare(agreement: Any, metric: str, names: dict[str, str], ours: Any, official: Any) -> None:
    mine = {key: getattr(ours, name) for key, name in names.items()}
    agreement.check(metric, TOOL, mine, {key: official[key] for key in names}, tolerance=1e-12)


@pytest.mark.parametrize("seed", range(30))
def test_hota(seed: int, agreement: Any) -> None:
    frames = recording(seed)
    ours, official = ev.hota(frames), HOTA().eval_sequence(theirs(frames))
    compare(agreement, "HOTA per threshold", HOTA_NAMES, ours.curves, official)
    means = {key: np.mean(official[key]) for key in HOTA_NAMES if not key.startswith("HOTA_")}
    agreement.check("HOTA", TOOL, {k: getattr(ours, HOTA_NAMES[k]) for k in means}, means, tolerance=1e-12)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("seed", range(30))
def test_clear_and_identity(seed: int, threshold: float, agreement: Any) -> None:
    frames = recording(seed)
    config = {"THRESHOLD": threshold, "PRINT_CONFIG": False}
    clear = ev.clear(frames, threshold)
    assert clear.id_switches > 0 and clear.fragments > 0
    compare(agreement, "CLEAR", CLEAR_NAMES, clear, CLEAR(config).eval_sequence(theirs(frames)))
    official = Identity(config).eval_sequence(theirs(frames))
    compare(agreement, "IDF1", IDENTITY_NAMES, ev.identity(frames, threshold), official)


def test_speed(agreement: Any) -> None:
    frames = recording(0, steps=500, objects=20)
    data = theirs(frames)
    runs = (lambda: ev.hota(frames), lambda: HOTA().eval_sequence(data))
    taken = [[0.0] * 5, [0.0] * 5]
    for k in range(5):
        for which, run in enumerate(runs):
            start = time.perf_counter()
            run()
            taken[which][k] = time.perf_counter() - start
    agreement.speed("HOTA", TOOL, min(taken[0]), min(taken[1]))
