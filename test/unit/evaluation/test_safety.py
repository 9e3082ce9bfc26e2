"""Weighted and ranked recall and support errors on a hand-worked scene."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import LABEL_INDEX, InputError

EGO = ev.MovingBoxes(np.zeros((1, 2)), np.array([[4.0, 2.0]]), np.zeros(1), np.array([[10.0, 0.0]]))
# Standing ahead: TTC 3 s. In the next lane, passing: none, but reachable. Far behind: none. Ahead at 54 m: TTC 5 s.
SCENE = [(34.0, 0.0), (20.0, 4.0), (-40.0, 0.0), (54.0, 0.0)]


@pytest.fixture
def truth(boxes: Any) -> list[ev.BoxFrame]:
    return [boxes(0, SCENE)]


def test_times_weights_and_ranks(boxes: Any, truth: list[ev.BoxFrame]) -> None:
    rows = ev.safety_rows(truth, [boxes(0, SCENE[:2])], EGO)
    np.testing.assert_allclose(rows.ttc_s, [3, np.inf, np.inf, 5])
    np.testing.assert_allclose(rows.weight, [5 / 6, 0.05, 0.05, 0.5])
    np.testing.assert_array_equal(rows.rank, [1, 2, 3, 2])
    np.testing.assert_array_equal(rows.found, [True, True, False, False])
    np.testing.assert_allclose(rows.openscenario_ttc_s[[0, 2, 3]], [3.4, np.inf, 5.4])
    np.testing.assert_allclose(rows.range_m, np.hypot(*np.array(SCENE).T))


def test_weighted_recall_by_hand(boxes: Any, truth: list[ev.BoxFrame]) -> None:
    result = ev.ttc_weighted_recall(ev.safety_rows(truth, [boxes(0, SCENE[:2])], EGO))
    total = 5 / 6 + 0.05 + 0.05 + 0.5
    assert result.all.weighted == pytest.approx((5 / 6 + 0.05) / total)
    assert (result.all.plain.value, result.all.weight) == (0.5, pytest.approx(total))
    assert [p.name for p in result.by_range] == ["0-20 m", "20-40 m", "40-60 m"]
    assert [p.plain.total for p in result.by_range] == [0, 2, 2]
    assert result.by_range[1].weighted == 1.0 and np.isnan(result.by_range[0].weighted)
    assert [(p.name, p.weighted) for p in result.by_class] == [("car", result.all.weighted)]


def test_what_is_missed_decides(boxes: Any, truth: list[ev.BoxFrame]) -> None:
    near, far = (
        ev.ttc_weighted_recall(ev.safety_rows(truth, [boxes(0, SCENE[k : k + 1])], EGO)).all for k in (0, 2)
    )
    assert near.plain == far.plain and near.weighted > 10 * far.weighted


def test_ranked_recall_by_hand(boxes: Any, truth: list[ev.BoxFrame]) -> None:
    result = ev.risk_ranked_recall(ev.safety_rows(truth, [boxes(0, SCENE[:2])], EGO))
    assert [(p.name, p.plain.hits, p.plain.total) for p in result.ranks] == [
        ("imminent", 1, 1),
        ("potential", 1, 2),
        ("other", 0, 1),
    ]


def test_unknown_motion_is_counted_and_left_out(boxes: Any) -> None:
    truth = [boxes(0, SCENE[:2], velocity=[(np.nan, np.nan), (0.0, 0.0)])]
    rows = ev.safety_rows(truth, truth, EGO)
    result = ev.ttc_weighted_recall(rows)
    assert (result.unknown, result.all.plain.total, ev.risk_ranked_recall(rows).unknown) == (1, 1, 1)
    assert np.isnan([rows.ttc_s[0], rows.weight[0], rows.openscenario_ttc_s[0]]).all()


def test_score_label_and_distance_decide_who_is_found(boxes: Any, truth: list[ev.BoxFrame]) -> None:
    low = boxes(0, SCENE, score=[0.4] * 4)
    assert not ev.safety_rows(truth, [low], EGO).found.any()
    assert ev.safety_rows(truth, [low], EGO, ev.SafetyConfig(min_score=0.4)).found.all()
    trucks = replace(boxes(0, SCENE), label=np.full(4, LABEL_INDEX["truck"]))
    assert not ev.safety_rows(truth, [trucks], EGO).found.any()
    shifted = boxes(0, [(x, y + d) for (x, y), d in zip(SCENE, (1.9, 2.0, 2.1, 0.0), strict=True)])
    np.testing.assert_array_equal(ev.safety_rows(truth, [shifted], EGO).found, [True, False, False, True])


def test_support_error_by_hand(boxes: Any) -> None:
    # The centre is right, but the box is 1 m too short: its near side lies 0.5 m further off.
    truth, ours = boxes(0, [(10.0, 0.0)]), boxes(0, [(10.0, 0.0)])
    short = replace(ours, lwh_m=np.array([[3.0, 2.0, 1.5]]))
    before = boxes(-1, [(20.0, 0.0), (0.0, 30.0)])
    two = ev.support_errors([before, truth, boxes(1, [])], [before, short, boxes(1, [])])
    np.testing.assert_allclose(two.error_m, [0, 0, 0.5])
    np.testing.assert_array_equal([two.frame, two.truth_row], [[0, 0, 1], [0, 1, 0]])
    result = ev.support_errors([truth], [short])
    assert (result.bias_m, result.mean_abs_m, result.p95_too_far_m) == (0.5, 0.5, 0.5)
    near = ev.support_errors([short], [truth])
    assert (near.bias_m, near.mean_abs_m, near.p95_too_far_m) == (-0.5, 0.5, 0.0)
    none = ev.support_errors([truth], [boxes(0, [])])
    assert np.isnan([none.bias_m, none.mean_abs_m, none.p95_too_far_m]).all()


def test_nothing_at_all() -> None:
    nobody = ev.MovingBoxes(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), np.zeros((0, 2)))
    result = ev.ttc_weighted_recall(ev.safety_rows([], [], nobody))
    assert np.isnan(result.all.weighted) and result.by_class == ()


def test_errors(boxes: Any, truth: list[ev.BoxFrame]) -> None:
    with pytest.raises(InputError, match="1 of truth and 0 of predictions"):
        ev.safety_rows(truth, [], EGO)
    with pytest.raises(InputError, match=r"one ego rectangle per frame \(2\), got 1"):
        ev.safety_rows([*truth, boxes(1, [])], [*truth, boxes(1, [])], EGO)
    with pytest.raises(InputError, match="score is NaN"):
        ev.safety_rows(truth, [boxes(0, [(1, 1)], score=[np.nan])], EGO)
    with pytest.raises(InputError, match="ascending"):
        ev.ttc_weighted_recall(ev.safety_rows(truth, truth, EGO), (10.0, 5.0))
    with pytest.raises(InputError, match="no ego position"):
        ev.support_errors([replace(truth[0], ego_xy_m=None)], truth)
    with pytest.raises(InputError, match="imminent_s"):
        ev.SafetyConfig(imminent_s=9.0)
