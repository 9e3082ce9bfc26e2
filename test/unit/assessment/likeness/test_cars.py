"""Pulses at a car that is a box: which return, which go past, and where its points lie."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.assessment.likeness.cars import OpenCar, add_cars, match_cars, open_cars
from perception_nodes.assessment.likeness.curves import FACES, Tally
from perception_nodes.assessment.likeness.rays import Fired, meet
from perception_nodes.assessment.likeness.views import Boxes, Raw

from .conftest import SETUP, SPEC, boxes, flat, seen

CAR = (10.0, 0.0, -1.25, 4.0, 2.0, 1.5, 0.0)
FIRED = Fired.of(SETUP)


def with_car(car: Boxes, *, keep: float = 1.0, behind: float = 0.0) -> Raw:
    """The flat ground with a solid car; of the pulses at it a share returns from it, another from 5 m behind."""
    d = SPEC.directions().reshape(-1, 3)
    ring = np.tile(np.arange(SPEC.rings), SPEC.columns)
    met = meet(d, np.arange(len(d)), car, 0, 0.0)
    ground = flat()
    range_m = np.linalg.norm(ground.xyz_m, axis=1)
    unit = ground.xyz_m / range_m[:, None]
    covered = np.zeros(len(range_m), bool)
    shaded = meet(unit, np.arange(len(unit)), car, 0, 0.0)
    covered[shaded.index] = True
    chance = np.random.default_rng(1).random(len(met.index))
    far = np.where(chance < keep, met.into_m, met.out_m + 5.0)
    use = chance < keep + behind
    xyz = np.concatenate([ground.xyz_m[~covered], far[use, None] * d[met.index[use]]])
    rings = np.concatenate([ground.ring[~covered], ring[met.index[use]]])
    return Raw(xyz, np.full(len(xyz), 7.0), rings, None)


def test_of_a_solid_car_every_pulse_returns_from_its_near_end():
    [car] = open_cars(seen(with_car(boxes(CAR)), boxes(CAR)), FIRED)
    counts = car.counts
    assert counts.above["car_returned"].sum() == counts.below["car_returned"].sum() > 50
    assert counts.above["car_lost"].sum() == counts.above["car_through"].sum() == 0
    face = dict(zip(FACES, counts.above["box_face"], strict=True))
    assert face["near end"] > 0.75 and face["far end"] == face["far side"] == face["inside"] == 0
    assert face["near end"] + face["top"] == pytest.approx(1.0)
    assert counts.above["box_length"][-1] > 0.75


def test_pulses_that_go_through_or_are_lost_are_told_apart():
    [car] = open_cars(seen(with_car(boxes(CAR), keep=0.5, behind=0.3), boxes(CAR)), FIRED)
    total = car.counts.below["car_returned"].sum()
    shares = [car.counts.above[k].sum() / total for k in ("car_returned", "car_through", "car_lost")]
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=0.12)
    assert sum(shares) == pytest.approx(1.0)


def test_a_car_behind_another_is_not_in_the_open():
    hidden = (20.0, 0.0, -1.25, 4.0, 1.6, 1.4, 0.0)
    found = open_cars(seen(with_car(boxes(CAR)), boxes(CAR, hidden)), FIRED)
    assert len(found) == 1


def test_length_is_counted_towards_the_lidar_whichever_way_the_car_faces():
    away = (*CAR[:6], np.pi)
    one, two = (open_cars(seen(with_car(boxes(c)), boxes(c)), FIRED)[0].counts for c in (CAR, away))
    np.testing.assert_allclose(one.above["box_length"], two.above["box_length"], atol=1e-9)


def test_simulated_cars_get_the_shares_of_the_real_ones():
    def cars(*strata: int) -> list[list[OpenCar]]:
        return [[OpenCar(s, Tally(1, 0)) for s in strata]]

    real, simulated = match_cars(cars(0, 0, 0, 1, 5), cars(0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2))
    # Stratum 5 has no simulated car and 2 no real one.
    assert real[[0, 1, 2, 5]].tolist() == [1, 1, 0, 0]
    assert simulated[[0, 1, 2, 5]].tolist() == [0.5, 1 / 3, 0, 0]


def test_weights_scale_both_what_is_counted_and_out_of_what():
    car = OpenCar(4, Tally(1, 0))
    car.counts.means("car_lost", np.array([10.0]), np.array([3.0]), 12.0)
    weights, tally = np.zeros(15), Tally(1, 0)
    weights[4] = 0.5
    add_cars([car, car], weights, tally)
    assert tally.above["car_lost"].sum() == 3.0 and tally.below["car_lost"].sum() == 12.0
