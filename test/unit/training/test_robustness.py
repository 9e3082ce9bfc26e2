"""Bad weather and broken lidars: the same moment otherwise seen, late sweeps against the present, tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra [train]")

from perception_nodes.datasets.rigs import known_rig
from perception_nodes.datatypes import ConfigurationError, Modality, PointCloud
from perception_nodes.simulation.iterator import Drives, random_drive
from perception_nodes.simulation.scenarios import WeatherEffect
from perception_nodes.simulation.simulation import Simulation
from perception_nodes.simulation.weather import Weather
from perception_nodes.training.frames import compensated_rig, points_config
from perception_nodes.training.real import geometric
from perception_nodes.training.robustness import (
    CLEAN,
    FAULTS,
    TURN_RAD,
    WEATHER,
    Suite,
    _street,
    conditions,
    robustness,
    table,
)
from perception_nodes.training.score import ClassScore

RIG = compensated_rig(known_rig("vlp16"))
LIDAR = RIG.of(Modality.LIDAR)[0].name
STEP_NS = 100_000_000


@pytest.fixture(scope="module")
def street() -> tuple[Any, dict[str, Any], Any]:
    """Truth, what each condition leaves, and the pose, twelve steps into a street."""
    return next(_street(RIG, 1_000, Suite(streets=1, frames=1, stride=12)))


def same(a: PointCloud, b: PointCloud) -> bool:
    return np.array_equal(a.xyz_m, b.xyz_m)


def test_the_same_moment_in_other_weather_changes_nothing() -> None:
    drives = Drives(frames=2, stride=1, weather_share=0.0, street="straight")
    one, two = (Simulation(random_drive(5, drives), RIG, 5, sensors=[LIDAR]) for _ in range(2))
    with pytest.raises(ConfigurationError, match="wanted a tick"):
        one.sweep_in(Weather(), LIDAR)
    seen, alike = (s.tick().lidars[LIDAR].cloud for s in (one, two))
    fog = one.sweep_in(Weather.of([WeatherEffect("fog", 5)]), LIDAR).cloud
    far = [int((np.hypot(*c.xyz_m[:, :2].T) > 30).sum()) for c in (fog, seen)]
    assert far[0] < 0.2 * far[1]
    assert same(one.sweep_in(Weather(), LIDAR).cloud, seen)
    assert same(seen, alike)
    assert same(one.tick().lidars[LIDAR].cloud, two.tick().lidars[LIDAR].cloud)


def test_faults_leave_the_newest_sweep_that_has_come(street: tuple[Any, dict[str, Any], Any]) -> None:
    truth, seen, _ = street
    now = truth.stamp_ns
    assert set(seen) == {f"{n} {s}" if s else n for n, s in conditions()}
    assert seen[CLEAN].cloud.stamp_ns == now
    assert [now - seen[f"delayed {s}"].cloud.stamp_ns for s in (1, 2, 3, 4)] == [
        k * STEP_NS for k in (1, 2, 3, 5)
    ]
    assert now - seen["slow 5"].cloud.stamp_ns in range(10 * STEP_NS)
    assert seen["intermittent 1"] is None or same(
        seen["intermittent 1"].cloud, seen[CLEAN].cloud
    ) == (seen["intermittent 1"].cloud.stamp_ns == now)  # fmt: skip
    turned, clean = (np.arctan2(*seen[k].cloud.xyz_m[:, 1::-1].T) for k in ("wrong 5", CLEAN))
    step = np.angle(np.exp(1j * (turned - clean)))
    assert np.median(step) == pytest.approx(TURN_RAD[4], abs=1e-3)


def test_weather_is_worse_the_more_severe(street: tuple[Any, dict[str, Any], Any]) -> None:
    _, seen, _ = street
    for kind in ("fog", "dust", "blocked", "dirt"):
        far = [int((np.hypot(*seen[f"{kind} {s}"].cloud.xyz_m[:, :2].T) > 15).sum()) for s in (1, 3, 5)]
        assert far[0] > far[1] > far[2], kind


@pytest.mark.slow
def test_a_whole_suite_of_one_frame() -> None:
    calls = []
    detector = geometric(points_config(RIG))
    scores = robustness(
        {"geometric": detector}, RIG, Suite(streets=1, frames=1, stride=6), lambda: calls.append(0)
    )
    by = scores["geometric"]
    assert len(calls) == 1
    assert set(by) == {f"{n} {s}" if s else n for n, s in conditions()}
    assert by["garbage 5"].keys() == by[CLEAN].keys()
    assert by["wrong 5"]["car"].ap < by[CLEAN]["car"].ap
    assert by[CLEAN]["car"].ap > 0.05


def score(ap: float) -> dict[str, ClassScore]:
    return {"car": ClassScore("car", ap, {}, 40, {})}


def test_tables_say_what_is_left() -> None:
    by = {f"{n} {s}" if s else n: score(0.5 - 0.1 * s) for n, s in conditions()}
    lines = table({"learned": by}, "car")
    assert lines[0] == "car, 40 objects; clean: learned 0.500"
    assert "| fog | learned | 0.40 (80 %) | 0.30 (60 %) | 0.20 (40 %) | 0.10 (20 %) | 0.00 (0 %) |" in lines
    assert len(lines) == 4 + len(WEATHER) + len(FAULTS) + 1
    assert table({"learned": by}, "bus") == []
