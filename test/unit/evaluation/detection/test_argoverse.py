"""Argoverse 2 detection: the tool's recorded answer, its tiny cases, cases by hand, a second way, errors."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_nodes.datatypes import InputError
from perception_nodes.evaluation.detection.argoverse import (
    ArgoverseBoxes,
    ArgoverseCategory,
    ArgoverseDetectionConfig,
    argoverse_detection,
)

GOLDEN = Path(__file__).resolve().parents[3] / "data" / "golden" / "av2_det.json"
CAR = "REGULAR_VEHICLE"
ONLY = ArgoverseDetectionConfig(categories=(CAR,))


def cars(x_m: list[float], score: Any = np.nan, stamp_ns: Any = 0, yaw_rad: Any = 0.0) -> ArgoverseBoxes:
    n = len(x_m)
    return ArgoverseBoxes(
        log_id=np.full(n, "log"),
        timestamp_ns=np.full(n, stamp_ns),
        category=np.full(n, CAR),
        center_m=np.array([[x, 1.0, 0.5] for x in x_m]).reshape(n, 3),
        lwh_m=np.full((n, 3), [4.0, 2.0, 1.5]),
        yaw_rad=np.full(n, yaw_rad),
        score=np.full(n, score),
        num_points=np.full(n, 1),
        in_roi=np.ones(n, bool),
    )


def score(truth: ArgoverseBoxes, ours: ArgoverseBoxes, **config: Any) -> ArgoverseCategory:
    return argoverse_detection(truth, ours, dataclasses.replace(ONLY, **config)).categories[CAR]


def figures(c: ArgoverseCategory) -> list[float]:
    return [c.mean_ap, c.translation_error_m, c.scale_error, c.orientation_error_rad, c.cds]


def test_golden_vector() -> None:
    data = json.loads(GOLDEN.read_text())
    truth, ours = (
        ArgoverseBoxes.from_columns(dict(zip(data[f"{n}_cols"], zip(*data[n], strict=True), strict=True)))
        for n in ("gt", "det")
    )
    found = argoverse_detection(truth, ours)
    rounded = [round(v, 3) for v in figures(found.categories[CAR])]
    assert rounded == [data["expected"][k] for k in ("AP", "ATE", "ASE", "AOE", "CDS")]
    assert len(found.categories) == 26
    assert found.mean()["AP"] == pytest.approx(found.categories[CAR].mean_ap / 26)
    assert found.mean(present=True)["CDS"] == found.categories[CAR].cds


def test_perfect_and_nothing() -> None:
    truth = cars([5, 15, 30])
    perfect = score(truth, cars([5, 15, 30], [0.9, 0.8, 0.7]))
    np.testing.assert_allclose(figures(perfect), [1, 0, 0, 0, 1], atol=1e-12)
    assert figures(score(truth, cars([]))) == [0, 2, 1, np.pi, 0]
    assert figures(score(cars([]), cars([5], 0.5))) == [0, 2, 1, np.pi, 0]


def test_one_of_two_found_by_hand() -> None:
    """Hit 0.6 m away; a false alarm; one truth missed: no AP at 0.5 m, else 50 recalls at 1 and one at 0.5."""
    found = score(cars([5, 30]), cars([5.6, 60], [0.9, 0.8], yaw_rad=np.pi / 2))
    np.testing.assert_allclose(found.ap, [0, 50.5 / 101, 50.5 / 101, 50.5 / 101])
    assert found.translation_error_m == pytest.approx(0.6)
    assert found.orientation_error_rad == pytest.approx(np.pi / 2)
    assert found.cds == pytest.approx(found.mean_ap * ((1 - 0.3) + 1 + 0.5) / 3)


def test_errors_are_those_of_hits_at_2_m() -> None:
    found = score(cars([5, 30]), cars([5.5, 33], [0.9, 0.8]))
    assert found.ap[-1] == pytest.approx(1.0)
    assert found.translation_error_m == pytest.approx(0.5)


def test_the_surest_goes_first_even_if_it_is_too_far() -> None:
    """Both are nearest to the same truth: the farther one is surer, so neither is a hit at 1 m.

    The last recall is read behind the false alarm that does not change it: precision 0.5.
    """
    found = score(cars([5]), cars([6.5, 5.1], [0.9, 0.8]))
    np.testing.assert_allclose(found.ap, [0, 0, 100.5 / 101, 100.5 / 101])


def test_a_duplicate_lowers_precision_and_not_recall() -> None:
    twice = score(cars([5, 15]), cars([5, 5, 15], [0.9, 0.8, 0.7]))
    assert twice.precision[0][-1] == pytest.approx(2 / 3)
    assert 0.5 < twice.mean_ap < 1.0


def test_what_is_left_out() -> None:
    beyond = score(cars([5, 149.99, 151]), cars([5, 149.9, 151], 0.9))  # 149.99 m ahead, 1 m aside: 149.995 m
    assert (beyond.num_truth, beyond.num_detections) == (2, 2)
    empty = dataclasses.replace(cars([5, 15]), num_points=np.array([1, 0]))
    assert score(empty, cars([5], 0.9)).num_truth == 1
    off_map = dataclasses.replace(cars([5, 15], 0.9), in_roi=np.array([True, False]))
    assert score(cars([5]), off_map).num_detections == 1


def test_only_the_surest_hundred_of_a_sweep() -> None:
    many = cars([5.0] * 3, [0.1, 0.9, 0.5])
    found = score(cars([5]), many, max_detections=2)
    assert found.num_detections == 2
    two_sweeps = dataclasses.replace(many, timestamp_ns=np.array([0, 0, 1]))
    assert score(cars([5]), two_sweeps, max_detections=2).num_detections == 3


def test_sweeps_are_not_mixed() -> None:
    assert score(cars([5], stamp_ns=1), cars([5], 0.9, stamp_ns=2)).mean_ap == 0.0
    other = dataclasses.replace(cars([5], 0.9), log_id=np.array(["other"]))
    assert score(cars([5]), other).mean_ap == 0.0


def test_yaw_of_quaternions() -> None:
    """Upside down, backwards, straight up (then 0), and one that is not of length 1."""
    wxyz = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [0.707, 0, 0.707, 0], [2, 0, 0, 2]], np.float64)
    columns: dict[str, Any] = {"log_id": ["a"] * 4, "timestamp_ns": [0] * 4, "category": [CAR] * 4}
    columns |= dict(zip(("qw", "qx", "qy", "qz"), wxyz.T, strict=True))
    columns |= {k: np.ones(4) for k in ("length_m", "width_m", "height_m", "tx_m", "ty_m", "tz_m")}
    np.testing.assert_allclose(
        ArgoverseBoxes.from_columns(columns).yaw_rad, [0, np.pi, 0, np.pi / 2], atol=1e-9
    )
    with pytest.raises(InputError, match="a quaternion has no length"):
        ArgoverseBoxes.from_columns(
            columns | {"qw": np.zeros(4), "qx": np.zeros(4), "qy": np.zeros(4), "qz": np.zeros(4)}
        )
    with pytest.raises(InputError, match="column 'qw' is missing"):
        ArgoverseBoxes.from_columns({k: v for k, v in columns.items() if k != "qw"})


def by_loops(truth: ArgoverseBoxes, ours: ArgoverseBoxes, threshold_m: float) -> float:
    """AP told once more, detection by detection."""
    best: dict[tuple[int, int], tuple[float, int]] = {}
    hits = {}
    for i in range(len(ours)):
        sweep = [j for j in range(len(truth)) if truth.timestamp_ns[j] == ours.timestamp_ns[i]]
        if sweep:
            d = [float(np.sqrt(((truth.center_m[j] - ours.center_m[i]) ** 2).sum())) for j in sweep]
            key = (int(ours.timestamp_ns[i]), sweep[int(np.argmin(d))])
            best[key] = max(best.get(key, (-1.0, -1)), (float(ours.score[i]), i))
            hits[i] = min(d) < threshold_m
    good = {i for _, i in best.values() if hits[i]}
    order = sorted(range(len(ours)), key=lambda i: -ours.score[i])
    found = np.cumsum([i in good for i in order])
    precision = found / np.arange(1, len(order) + 1)
    highest = [precision[k:].max() for k in range(len(order))]
    return float(np.mean(np.interp(np.linspace(0, 1, 101), found / len(truth), highest, right=0)))


def test_equals_the_protocol_told_by_loops(rng: np.random.Generator) -> None:
    truth = cars(rng.uniform(-60, 60, 60).tolist(), stamp_ns=rng.integers(0, 9, 60))
    kept = truth.select(rng.random(60) < 0.8)
    noise = rng.normal(0, 1.0, (len(kept), 3))
    ours = dataclasses.replace(kept, center_m=kept.center_m + noise, score=rng.permutation(len(kept)) / 60.0)
    found = score(truth, ours)
    for threshold, ap in zip(ONLY.thresholds_m, found.ap, strict=True):
        assert ap == pytest.approx(by_loops(truth, ours, threshold), abs=1e-12)


def test_wrong_input_is_named() -> None:
    with pytest.raises(InputError, match="a detection has no finite score"):
        score(cars([5]), cars([5]))
    with pytest.raises(InputError, match="truth without num_interior_pts"):
        score(dataclasses.replace(cars([5]), num_points=np.array([-1])), cars([5], 0.9))
    with pytest.raises(InputError, match="category 'CAR' is not one of"):
        dataclasses.replace(cars([5]), category=np.array(["CAR"]))
    with pytest.raises(InputError, match="lwh_m: wanted shape"):
        dataclasses.replace(cars([5]), lwh_m=np.zeros((1, 2)))
    with pytest.raises(InputError, match="center_m: a value is not finite"):
        dataclasses.replace(cars([5]), center_m=np.full((1, 3), np.nan))
