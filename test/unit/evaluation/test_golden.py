"""The values that the official tools give for fixed inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_nodes import evaluation as ev

GOLDEN = Path(__file__).parents[2] / "data" / "golden"


def load(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return data


def box_frames(rows: list[list[Any]], names: list[str]) -> list[ev.BoxFrame]:
    frames = []
    for k, name in enumerate(names):
        own = np.array([r[1:10] for r in rows if r[0] == name], float).reshape(-1, 9)
        n = len(own)
        center = np.column_stack([own[:, :2], np.zeros(n)])
        index = np.arange(n)
        lwh = own[:, [3, 2, 4]]
        frames.append(
            ev.BoxFrame(k, index, index * 0, own[:, 8], center, lwh, own[:, 5], own[:, 6:8], index * 0 + 9)
        )
    return frames


@pytest.fixture(scope="module")
def nuscenes() -> tuple[list[ev.BoxFrame], list[ev.BoxFrame], dict[str, Any]]:
    data = load("nuscenes_det")
    names = sorted({r[0] for r in data["gt"]} | {r[0] for r in data["pred"]})
    return box_frames(data["gt"], names), box_frames(data["pred"], names), data["expected"]


@pytest.mark.parametrize("distance", ["0.5", "1.0", "2.0", "4.0"])
def test_nuscenes_average_precision(nuscenes: Any, distance: str) -> None:
    truth, ours, expected = nuscenes
    matches = ev.match_by_score(truth, ours, float(distance))
    assert ev.average_precision(matches) == pytest.approx(expected["AP"][distance], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("translation", "trans_err"),
        ("scale", "scale_err"),
        ("orientation", "orient_err"),
        ("velocity", "vel_err"),
    ],
)
def test_nuscenes_true_positive_errors(nuscenes: Any, name: str, key: str) -> None:
    truth, ours, expected = nuscenes
    matches = ev.match_by_score(truth, ours, 2.0)
    error = ev.mean_error(matches, ev.hit_errors(truth, ours, matches)[name])
    assert error == pytest.approx(expected["TP@2m"][key], abs=1e-6)


def test_tracking_scores_equal_trackeval() -> None:
    data = load("hota")
    frames = [
        (np.array(t, np.int64), np.array(p, np.int64), np.array(s).reshape(len(t), len(p)))
        for t, p, s in zip(data["gt_ids"], data["tracker_ids"], data["similarity"], strict=True)
    ]
    clear, hota = ev.clear(frames, 0.5), ev.hota(frames)
    got = {
        "HOTA": hota.hota,
        "DetA": hota.det_a,
        "AssA": hota.ass_a,
        "DetRe": hota.det_re,
        "DetPr": hota.det_pr,
        "AssRe": hota.ass_re,
        "AssPr": hota.ass_pr,
        "LocA": hota.loc_a,
        "MOTA": clear.mota,
        "MOTP": clear.motp,
        "IDSW": clear.id_switches,
        "Frag": clear.fragments,
        "CLR_TP": clear.true_positives,
        "CLR_FN": clear.false_negatives,
        "CLR_FP": clear.false_positives,
        "IDF1": ev.idf1(frames, 0.5),
    }
    assert got == pytest.approx({k: data["expected"][k] for k in got}, abs=1e-6)


@pytest.mark.parametrize("threshold", ["0.5", "1.0", "1.5"])
def test_map_chamfer(threshold: str) -> None:
    data = load("map_chamfer")
    frames = [
        ([np.array(g) for g in f["gt"]], [np.array(p) for p in f["pred"]], np.array(f["score"]))
        for f in data["frames"]
    ]
    assert ev.chamfer_ap(frames, float(threshold)) == pytest.approx(data["expected"][threshold], abs=1e-6)


def test_parallel_lines_are_their_distance_apart() -> None:
    line = np.stack([np.linspace(0, 10, 100), np.zeros(100)], axis=1)
    assert ev.chamfer_distance(line, line + np.array([0, 1])) == pytest.approx(1.0)
