"""Each cause on a case that is worked out by hand, the counts, and bad input."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from perception_nodes.datatypes import LABEL_INDEX, ConfigurationError, InputError
from perception_nodes.evaluation import BoxFrame
from perception_nodes.evaluation.diagnosis import Cause, DiagnosisConfig, Kind, Outage, diagnose

CAR, TRUCK, UNKNOWN = (LABEL_INDEX[n] for n in ("car", "truck", "unknown"))


def frame(xy: list[tuple[float, float]], k: int = 0, **other: Any) -> BoxFrame:
    n = len(xy)
    values: dict[str, Any] = {
        "id": np.arange(n),
        "label": np.full(n, CAR),
        "score": np.full(n, 0.9),
        "center_m": np.column_stack([np.array(xy, float).reshape(n, 2), np.full(n, 0.8)]),
        "lwh_m": np.tile([4.5, 1.9, 1.6], (n, 1)),
        "yaw_rad": np.zeros(n),
        "velocity_mps": np.zeros((n, 2)),
        "num_points": np.full(n, 50),
        "ego_xy_m": np.zeros(2),
    }
    return BoxFrame(k * 100_000_000, **{**values, **{k: np.asarray(v) for k, v in other.items()}})


def causes(truth: BoxFrame, ours: BoxFrame, **options: Any) -> set[tuple[str, str]]:
    return {(e.kind.value, e.cause.value) for e in diagnose([truth], [ours], **options).errors}


NONE: list[tuple[float, float]] = []
HERE = [(10.0, 0.0)]


@pytest.mark.parametrize(
    ("truth", "ours", "expected"),
    [
        (frame(HERE), frame(HERE), set()),
        (frame(NONE), frame(HERE), {("false alarm", "background")}),
        (frame(HERE), frame([(10.0, 3.0)]), {("miss", "localisation"), ("false alarm", "localisation")}),
        (frame(HERE), frame([(10.0, 0.7)]), {("imprecise", "localisation")}),
        (frame(HERE), frame([(10.0, 5.0)]), {("miss", "unexplained"), ("false alarm", "background")}),
        (frame(HERE), frame(HERE, label=[TRUCK]), {("miss", "class"), ("false alarm", "class")}),
        (frame(HERE), frame(HERE, label=[UNKNOWN]), {("miss", "class"), ("false alarm", "class")}),
        (frame(HERE), frame([(10.0, 0.0), (10.2, 0.0)]), {("false alarm", "duplicate")}),
        (
            frame(HERE, lwh_m=[[12.0, 2.5, 3.0]]),
            frame([(10.0, 0.0), (15.0, 0.0)], lwh_m=[[12.0, 2.5, 3.0]] * 2),
            {("false alarm", "duplicate")},
        ),
        (frame(HERE), frame(HERE, yaw_rad=[3.1]), {("imprecise", "heading")}),
        (frame(HERE), frame(HERE, lwh_m=[[9.5, 2.5, 1.6]]), {("imprecise", "size")}),
        (frame([(60.0, 0.0)]), frame(NONE), {("miss", "out of range")}),
        (frame(NONE), frame([(60.0, 0.0)]), {("false alarm", "out of range")}),
        (frame(HERE, num_points=[4]), frame(NONE), {("miss", "too few points")}),
        (frame(HERE, num_points=[-1]), frame(NONE), {("miss", "unexplained")}),
        (frame([(10.0, 0.0), (20.0, 0.0)]), frame(HERE), {("miss", "occluded")}),
        (frame([(10.0, 0.0), (12.1, 0.0)]), frame([(10.0, 0.0)]), {("miss", "duplicate")}),
        (frame(HERE, label=[UNKNOWN]), frame(NONE), set()),
        (frame(NONE), frame(HERE, label=[UNKNOWN]), set()),
        (frame(NONE), frame(NONE), set()),
    ],
)
def test_one_error_has_one_cause(truth: BoxFrame, ours: BoxFrame, expected: set[tuple[str, str]]) -> None:
    assert causes(truth, ours) == expected


def test_a_taller_box_is_not_hidden_by_a_low_one() -> None:
    truth = frame([(10.0, 0.0), (20.0, 0.0)])
    low = dataclasses.replace(
        truth, lwh_m=np.array([[4.5, 1.9, 0.4], [4.5, 1.9, 4.0]]), center_m=truth.center_m * 1.0
    )
    low.center_m[0, 2] = 0.2
    low.center_m[1, 2] = 2.0
    assert causes(low, frame(HERE, lwh_m=low.lwh_m[:1])) == {("miss", "unexplained")}


def test_given_occlusion_is_taken_instead_of_ours() -> None:
    assert causes(frame(HERE), frame(NONE), hidden=[np.array([0.9])]) == {("miss", "occluded")}
    assert causes(frame(HERE), frame(NONE), hidden=[np.array([np.nan])]) == {("miss", "unexplained")}


def drive(missing: range) -> tuple[list[BoxFrame], list[BoxFrame]]:
    truth = [frame([(10.0, 0.0), (20.0, 8.0)], k) for k in range(40)]
    return truth, [f.select(np.full(2, k not in missing)) for k, f in enumerate(truth)]


def test_misses_after_an_outage_belong_to_it_until_the_first_match() -> None:
    truth, ours = drive(range(10, 25))
    outage = Outage("top", truth[10].stamp_ns, truth[18].stamp_ns)
    diagnosis = diagnose(truth, ours, outages=[outage])
    assert diagnosis.share(Cause.SENSOR_MISSING).misses == 30
    assert {e.outage for e in diagnosis.errors} == {0}
    # No more than a second after its end.
    short = Outage("top", truth[10].stamp_ns, truth[12].stamp_ns)
    config = DiagnosisConfig(recovery_s=0.5, silent_frames=100)
    assert diagnose(truth, ours, config, [short]).share(Cause.SENSOR_MISSING).misses == 2 * (3 + 5)


def test_an_outage_that_costs_no_recall_explains_nothing() -> None:
    truth, ours = drive(range(0))
    ours[5] = ours[5].select(np.array([True, False]))
    diagnosis = diagnose(truth, ours, outages=[Outage("rear", 0, truth[-2].stamp_ns, True)])
    assert diagnosis.share(Cause.DROPPED_INPUT).count == 0 and diagnosis.felt == (False,)


def test_a_drop_before_anything_was_found_is_not_what_a_starting_tracker_misses() -> None:
    truth, ours = drive(range(2))
    drop = Outage("top", truth[0].stamp_ns, truth[0].stamp_ns, True)
    assert diagnose(truth, ours, outages=[drop]).share(Cause.DROPPED_INPUT).count == 0
    later = drive(range(10, 11))[1]
    drop = Outage("top", truth[10].stamp_ns, truth[10].stamp_ns, True)
    assert diagnose(truth, later, outages=[drop]).share(Cause.DROPPED_INPUT).count == 2


def test_objects_that_are_never_found_are_not_put_down_to_an_outage() -> None:
    truth, ours = drive(range(10, 20))
    ours = [f.select(f.id == 0) for f in ours]
    diagnosis = diagnose(truth, ours)
    assert {e.truth_id for e in diagnosis.errors if e.cause is Cause.SENSOR_MISSING} == {0}


def test_gains_are_what_mean_ap_would_be() -> None:
    """Ten cars, four of them called truck: worked by hand with AP of nuScenes."""
    spots = [(5.0 + 4 * k, 0.0) for k in range(10)]
    truth = frame(spots)
    ours = frame(spots, label=[CAR] * 6 + [TRUCK] * 4)
    diagnosis = diagnose([truth], [ours])
    # Recall 0.6 at precision 1: the recalls 0.11 ... 0.60 of 0.11 ... 1.00.
    assert diagnosis.mean_ap == pytest.approx(50 / 90)
    assert diagnosis.share(Cause.CLASS).gain == pytest.approx(40 / 90)
    assert diagnosis.share(Cause.CLASS).lost_share == pytest.approx(1.0)
    assert diagnosis.main_cause is Cause.CLASS


def test_what_is_not_scored_has_a_cause_but_costs_nothing() -> None:
    truth = frame([(10.0, 0.0), (60.0, 5.0), (20.0, 10.0)], num_points=[50, 50, 0])
    diagnosis = diagnose([truth], [frame(HERE)])
    assert diagnosis.mean_ap == pytest.approx(1.0) and diagnosis.main_cause is None
    assert [e.scored for e in diagnosis.errors] == [False, False]
    assert [s.gain for s in diagnosis.causes] == pytest.approx([0.0] * len(Cause), abs=1e-9)


def test_many_turned_boxes_are_named_though_ap_does_not_see_them() -> None:
    truth = [frame(HERE, k) for k in range(20)]
    turned = [dataclasses.replace(f, yaw_rad=np.array([3.0])) for f in truth]
    assert diagnose(truth, turned).main_cause is Cause.HEADING


def test_nothing_at_all_is_a_defined_result() -> None:
    diagnosis = diagnose([], [])
    assert np.isnan(diagnosis.mean_ap) and diagnosis.main_cause is None and not diagnosis.errors
    plain = json.loads(json.dumps(diagnosis.to_dict()))
    assert plain["mean_ap"] is None and plain["systematic"]["model"] == "none"
    assert {c["cause"] for c in plain["causes"]} == {c.value for c in Cause}


def test_predictions_without_a_score_count_as_sure() -> None:
    nan = frame(HERE, score=[np.nan])
    assert diagnose([frame(HERE)], [nan]).mean_ap == pytest.approx(1.0)


def test_the_order_of_boxes_and_frames_does_not_matter(rng: np.random.Generator) -> None:
    truth, ours = drive(range(12, 20))
    a = diagnose(truth, ours)
    turn = [f.select(rng.permutation(len(f))) for f in ours]
    b = diagnose(truth[::-1], [turn[k] for k in rng.permutation(len(turn))])
    assert a.to_dict() == b.to_dict()


def test_every_error_is_counted_once() -> None:
    truth, ours = drive(range(12, 20))
    diagnosis = diagnose(truth, ours)
    missed = [e for e in diagnosis.errors if e.kind is Kind.MISS]
    assert (
        len({(e.stamp_ns, e.truth_id) for e in missed})
        == len(missed)
        == diagnosis.truth_boxes - diagnosis.matched
    )
    assert sum(s.count for s in diagnosis.causes) == len(diagnosis.errors)


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="two frames with one stamp"):
        diagnose([frame(HERE), frame(HERE)], [])
    with pytest.raises(InputError, match="hidden: wanted one value for each true box"):
        diagnose([frame(HERE)], [], hidden=[np.zeros(2)])
    with pytest.raises(InputError, match="outage of top: it ends"):
        Outage("top", 5, 4)
    with pytest.raises(ConfigurationError, match="near_distance_m"):
        DiagnosisConfig(near_distance_m=1.0)
    with pytest.raises(ConfigurationError, match="distances_m"):
        DiagnosisConfig(distances_m=())
    with pytest.raises(ConfigurationError, match="size_iou"):
        DiagnosisConfig(size_iou=1.5)
