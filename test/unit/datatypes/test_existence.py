"""What a belief is worth: maps that rise and can be undone, by the group of a track's class."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import CAR, PEDESTRIAN, UNKNOWN, ConfigurationError
from perception_nodes.datatypes.existence import (
    EXISTENCE_GROUPS,
    ExistenceCalibration,
    ExistenceTable,
    existence_groups,
)

# 0.2, 0.5, 0.8 have log odds -1.386, 0, 1.386.
TABLE = ExistenceTable((0.2, 0.5, 0.8), (0.2, 0.8, 0.9))


def test_between_its_points_a_table_is_straight_in_log_odds():
    # 1/3: log odds -0.693, half way from those of 0.2 to 0; the result lies half way from -1.386 to 1.386.
    assert TABLE.forward(np.array([1 / 3]))[0] == pytest.approx(0.5)


def test_beyond_its_ends_a_table_goes_on_as_steep():
    # Slope 2 below: a log odds of -1.386 less than that of 0.2 becomes -2.773 less.
    at = np.log(0.25) * 2
    assert TABLE.forward(np.array([1 / (1 + np.exp(-at))]))[0] == pytest.approx(
        1 / (1 + np.exp(-3 * np.log(0.25)))
    )


def test_what_a_table_did_is_undone():
    belief = np.linspace(0.001, 0.999, 500)
    there = TABLE.forward(belief)
    assert (np.diff(there) > 0).all()
    np.testing.assert_allclose(TABLE.backward(there), belief, atol=1e-9)


def test_each_group_has_its_own_table_and_others_keep_their_belief():
    calibration = ExistenceCalibration("some", 0.1, {"vehicle": TABLE, "tentative": TABLE})
    label = np.array([CAR, CAR, PEDESTRIAN, PEDESTRIAN])
    tentative = np.array([False, True, False, True])
    got = calibration.probability(label, tentative, np.full(4, 0.5))
    np.testing.assert_allclose(got, [0.8, 0.8, 0.5, 0.8])
    np.testing.assert_allclose(calibration.belief(label, tentative, got), 0.5)


def test_the_groups_are_the_kinds_of_the_taxonomy():
    groups = existence_groups(np.array([CAR, PEDESTRIAN, UNKNOWN]), np.zeros(3, bool))
    assert [EXISTENCE_GROUPS[g] for g in groups] == ["vehicle", "person", "unknown"]


@pytest.mark.parametrize(
    ("belief", "probability"),
    [((0.2, 0.1), (0.1, 0.2)), ((0.1, 0.2), (0.2, 0.2)), ((0.0, 0.2), (0.1, 0.2)), ((0.1, 0.2), (0.1, 0.2, 0.3)),
     ((0.5,), (0.5,)), ((0.1, float("nan")), (0.1, 0.2)), ((1e-9, 1e-8, 0.5), (0.1, 0.2, 0.9)),
     ((0.1, 0.2, 0.5), (1e-9, 1e-8, 0.9))],
)  # fmt: skip
def test_tables_that_do_not_rise_are_refused(belief, probability):
    with pytest.raises(ConfigurationError, match="wanted rising numbers between 0 and 1"):
        ExistenceTable(belief, probability)


def test_names_of_groups_are_checked():
    with pytest.raises(ConfigurationError, match="no such group: \\['cars'\\]"):
        ExistenceCalibration("some", 0.1, {"cars": TABLE})


def test_a_calibration_has_a_name():
    with pytest.raises(ConfigurationError, match="wanted a name"):
        ExistenceCalibration("", 0.1, {})


@pytest.mark.parametrize("error", [-0.1, 1.5, float("inf")])
def test_an_expected_error_is_a_share(error):
    with pytest.raises(ConfigurationError, match=r"expected_error .*: wanted 0 to 1"):
        ExistenceCalibration("some", error, {"vehicle": TABLE})
