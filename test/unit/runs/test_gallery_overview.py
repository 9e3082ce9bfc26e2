"""One picture of a moment: what is where in it, and what cannot be drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.datasets import find_rig
from perception_nodes.datatypes import ConfigurationError
from perception_nodes.runs.gallery_overview import overview
from perception_nodes.simulation.scenarios import EgoSpec, Scenario, TrafficSpec, WorldSpec
from perception_nodes.simulation.simulation import Simulation

RIG = find_rig("default")
STREET = Scenario(
    "p", "m", WorldSpec("car_park"), duration_s=1.0, ego=EgoSpec("still"), traffic=TrafficSpec()
)


def test_the_cameras_are_in_rows_with_the_front_in_the_middle_and_sweeps_below() -> None:
    picture = overview(STREET, RIG, 1, 0.1)
    height, width = 224, 416
    assert picture.shape == (2 * height + 624, 3 * width, 3)
    front = Simulation(STREET, RIG, 1, sensors=["front"]).tick().cameras["front"].image.bgr
    assert np.array_equal(picture[:height, width : 2 * width], front)
    assert (picture[2 * height :] != picture[-1, 0]).any(axis=2).mean() > 0.01


def test_what_cannot_be_drawn_is_said() -> None:
    with pytest.raises(ConfigurationError, match=r"--time 3: wanted 0.1 to 1 s"):
        overview(STREET, RIG, 1, 3)
    blind = replace(RIG, sensors=tuple(s for s in RIG.sensors if s.name == "top"))
    with pytest.raises(ConfigurationError, match="wanted cameras of one size and a lidar"):
        overview(STREET, blind, 1, 0.1)
