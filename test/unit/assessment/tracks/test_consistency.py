"""The figures of consistency against samples whose answer is known, and the simulated detector against its model."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from perception_nodes.assessment.tracks.consistency import (
    _COLUMNS,
    ConsistencyOptions,
    Samples,
    _tell_position,
    collect,
    existence,
    heading_flips,
    independent,
    position_row,
    speed_error_mps,
)
from perception_nodes.assessment.tracks.simulated import (
    FALSE_ID,
    Actors,
    DetectorModel,
    Frame,
    SimulatedDetector,
    visible_from,
)
from perception_nodes.datatypes import CAR, LABEL_INDEX, ConfigurationError
from perception_nodes.geometry import Transform
from perception_nodes.tracking import TrackerConfig

HERE = Transform.identity()


def samples(n, **known):
    values = dict.fromkeys(_COLUMNS, np.zeros(n)) | {"id": np.arange(n), "pxx": np.ones(n), "pyy": np.ones(n)}
    values |= known
    return Samples(np.stack([np.broadcast_to(values[name], n).astype(float) for name in _COLUMNS], axis=1))


def cars(*xy):
    n = len(xy)
    center = np.column_stack([np.array(xy, float).reshape(n, 2), np.full(n, 0.8)])
    return Actors(
        np.arange(1, n + 1),
        np.full(n, CAR),
        center,
        np.tile([4.5, 1.9, 1.6], (n, 1)),
        np.zeros(n),
        np.zeros((n, 2)),
    )


def reports(model, truth, frames):
    detector = SimulatedDetector(model, 3)
    return [detector(k * 100_000_000, truth, HERE) for k in range(1, frames + 1)]


@pytest.mark.parametrize(("factor", "inside"), [(1.0, 0.95), (2.0, 0.527)])
def test_errors_of_the_stated_size_are_consistent_and_twice_as_large_ones_are_not(factor, inside):
    # P(chi2 of 2 degrees of freedom < 5.99 / 4) = 1 - exp(-5.99 / 8) = 0.527.
    error = factor * np.random.default_rng(1).standard_normal((2, 20_000))
    row = position_row(samples(20_000, ex=error[0], ey=error[1], nis=2 * factor**2))
    assert row.inside == pytest.approx(inside, abs=0.01)
    assert (row.nees_band[0] < row.nees < row.nees_band[1]) == (factor == 1.0)
    assert row.nis == pytest.approx(2 * factor**2)


def test_classes_of_many_boxes_have_rows_of_their_own_below_their_group():
    console = Console(file=StringIO(), width=120)
    both = np.concatenate([samples(300, label=CAR).numbers, samples(20, label=LABEL_INDEX["bus"]).numbers])
    _tell_position(Samples(both), console)
    rows = [line.split() for line in console.file.getvalue().splitlines()]
    assert [(r[0], r[1], r[2]) for r in rows[2:]] == [("vehicle", "moving", "320"), ("car", "moving", "300")]


def test_of_a_track_one_sample_in_three_seconds_counts():
    once = independent(samples(60, id=np.repeat([1, 2], 30), age=np.tile(0.2 * np.arange(30), 2)))
    assert once.sum() == 4


def test_far_tracks_and_those_of_false_alarms_are_not_there():
    _, true = existence(samples(3, actor=[1, FALSE_ID, 1], distance=[0.1, 0.1, 5.0]))
    assert true.tolist() == [1.0, 0.0, 0.0]


def test_the_velocity_is_judged_a_second_after_birth_of_what_moves():
    age, speed = [1.0, 1.0, 0.5, 1.0], [5.0, 8.0, 5.0, 0.0]
    error, count = speed_error_mps(samples(4, age=age, speed=speed, speed_error=[0.2, 0.4, 9.0, 9.0]))
    assert (error, count) == (pytest.approx(0.3), 2)


def test_a_flip_counts_only_while_the_sign_is_known():
    yaw = [0.0, 3.1, 3.1, 0.0, 0.1]
    rate = heading_flips(samples(5, id=1, time=0.1 * np.arange(5), yaw=yaw, front=[0, 1, 1, 1, 1]))
    assert rate.count == 1
    assert rate.exposure_s == pytest.approx(0.3)


def test_the_detector_errs_as_its_model_says():
    model = DetectorModel(
        clutter=0.0, position_std_m=0.2, position_std_per_m=0.0, slow_std_m=0.15, slow_time_s=0.2
    )
    found = reports(model, cars((10.0, 5.0)), 3000)
    seen = [d for d in found if len(d)]
    error = np.array([d.center_m[0, :2] for d in seen]) - (10.0, 5.0)
    assert len(seen) / len(found) == pytest.approx(0.95 * 0.5 ** (125 / 4900), abs=0.02)
    np.testing.assert_allclose(error.std(axis=0), 0.25, rtol=0.07)
    assert seen[0].covariance[0, 0, 0] == pytest.approx(0.25**2)
    extent = np.array([d.lwh_m[0, :2] for d in seen])
    assert abs(np.corrcoef(error.T, extent.T)[:2, 2:]).max() < 0.2
    assert (seen[0].covariance[0, :2, 4:6] == 0).all()


def test_false_alarms_are_as_many_as_stated_and_marked():
    found = reports(DetectorModel(clutter=4.0), cars(), 500)
    assert np.mean([len(d) for d in found]) == pytest.approx(4.0, abs=0.3)
    assert all((d.detection_id >= FALSE_ID).all() for d in found)


def test_walls_stay_where_they_are_with_a_score_of_their_own():
    model = DetectorModel(clutter=0.0, walls=30.0, position_std_m=0.01, position_std_per_m=0.0)
    found = reports(model, cars(), 40)
    assert all((d.detection_id >= FALSE_ID).all() for d in found)
    center, score = (np.concatenate([getattr(d, name) for d in found]) for name in ("center_m", "score"))
    place = np.round(center[:, :2] / 0.5).astype(int)
    _, of, count = np.unique(place, axis=0, return_inverse=True, return_counts=True)
    assert 10 < (count > 15).sum() < 50
    spread = [score[of == k].std() for k in np.flatnonzero(count > 15)]
    assert np.median(spread) < 0.7 * score.std()


def test_a_car_right_behind_another_is_hidden():
    share = visible_from(cars((10.0, 0.0), (16.0, 0.0)), np.array([0.0, 0.0, 1.2]))
    assert share[0] == 1.0
    assert share[1] < 0.2


def test_samples_belong_to_the_actor_whose_detection_came_last():
    model, truth = DetectorModel(clutter=0.0), cars((10.0, 5.0), (10.0, -9.0))
    frames = [Frame(truth, d, HERE) for d in reports(model, truth, 20)]
    got = Samples(collect(frames, TrackerConfig(), 0))
    assert set(got["actor"]) == {1.0, 2.0}
    assert len(set(zip(got["id"].tolist(), got["actor"].tolist(), strict=True))) == 2
    assert np.median(got["distance"]) < 0.3


def test_drives_are_not_judged_with_what_was_fitted_on_them():
    with pytest.raises(ConfigurationError, match="3 is judged too"):
        ConsistencyOptions(seeds=(3, 4), fit_seeds=(2, 3))


@pytest.mark.parametrize("changes", [{"seeds": ()}, {"scenarios": ()}])
def test_nothing_to_judge_is_refused(changes):
    with pytest.raises(ConfigurationError, match="wanted scenarios and seeds"):
        ConsistencyOptions(**changes)
