"""The page of pictures: things are where they should be in them, and the same arguments give the same page."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console

from perception_nodes.datasets import find_rig
from perception_nodes.datatypes import ElementType
from perception_nodes.runs import gallery as made
from perception_nodes.runs.gallery_pictures import (
    BACKGROUND,
    BOX_BGR,
    NOISE,
    NOISE_BGR,
    STREET,
    MomentView,
    seen_from_above,
    seen_from_behind,
)
from perception_nodes.runs.sim_bench import OBJECTS, busy_street
from perception_nodes.simulation.scenarios import find_scenario
from perception_nodes.simulation.simulation import Simulation


def view(xyz: list[list[float]], owner: list[int] | None = None, **values: Any) -> MomentView:
    points = np.array(xyz, np.float32).reshape(-1, 3)
    owners = np.array(owner if owner is not None else [STREET] * len(points), np.int64)
    none = {"corners_m": np.zeros((0, 8, 3)), "label": np.zeros(0, np.uint8), "seen": np.zeros(0, bool)}
    return MomentView(points, owners, np.full(len(points), 30.0, np.float32), **{**none, **values})


def drawn(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (picture != np.array(BACKGROUND)).any(axis=2)


def test_ahead_is_up_and_left_is_left() -> None:
    empty, one = seen_from_above(view([])), seen_from_above(view([[20.0, 10.0, 0.0]]))
    v, u = (int(x) for x in np.argwhere((empty != one).any(axis=2)).mean(axis=0))
    assert abs(u - (350 - 70)) <= 1 and abs(v - (434 - 140)) <= 1  # 7 px a metre, the vehicle at 62 %


def test_the_higher_point_is_drawn_over_the_lower_one() -> None:
    low, high = [30.0, 0.0, 0.0], [30.0, 0.0, 4.0]
    both = seen_from_above(view([high, low]))
    np.testing.assert_array_equal(both, seen_from_above(view([high])))
    assert (both != seen_from_above(view([low]))).any()


def test_boxes_have_the_colour_of_their_class_and_unseen_ones_none() -> None:
    square = np.array([[1.0, 1], [-1, 1], [-1, -1], [1, -1]]) * 3 + np.array([15.0, 0.0])
    corners = np.concatenate([np.c_[square, np.zeros(4)], np.c_[square, np.full(4, 2.0)]])[None]
    for seen, colour in ((True, BOX_BGR[7]), (False, (90, 90, 90))):
        picture = seen_from_above(
            view([], corners_m=corners, label=np.array([7], np.uint8), seen=np.array([seen]))
        )
        away = np.abs(picture.astype(int) - np.array(colour)).sum(axis=2)  # edges are smoothed
        assert (away < 120).sum() > 50


def test_from_behind_the_nearer_point_is_lower_and_noise_is_red() -> None:
    near, far = (drawn(seen_from_behind(view([[x, 0.0, 0.0]]))) for x in (5.0, 40.0))
    assert np.argwhere(near)[:, 0].mean() > np.argwhere(far)[:, 0].mean() + 50
    left = seen_from_behind(view([[20.0, 5.0, 0.0]], [NOISE]))
    assert np.argwhere(drawn(left))[:, 1].mean() < 350
    assert (left[drawn(left)] == np.array(NOISE_BGR)).all()


def test_nothing_outside_the_pictures_hurts() -> None:
    far = view(
        [[1e6, -1e6, 3.0], [-500.0, 0.0, 0.0]],
        lines=[(ElementType.LANE_DIVIDER, np.array([[1e5, 0, 0], [2e5, 1, 0.0]])),
               (ElementType.TRAFFIC_SIGN, np.array([[1e5, 1e5, 2.0]]))],
        radar_m=np.array([[1e4, 0.0, 0.0]]), radar_mps=np.array([5.0]),
    )  # fmt: skip
    assert not drawn(seen_from_behind(far)).any()
    np.testing.assert_array_equal(seen_from_above(far), seen_from_above(view([])))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_page(tmp_path_factory.mktemp("gallery"))


def make_page(folder: Path) -> str:
    scenario = replace(find_scenario("occluded_pedestrian"), duration_s=1.0)
    out = made.gallery(folder, [scenario], find_rig("vlp16"), 1, Console(file=io.StringIO()))
    return out.read_text()


def test_the_page_is_whole_and_always_the_same(page: str, tmp_path: Path) -> None:
    assert not re.search(r'(src|href)="(https?:|/)', page)
    assert make_page(tmp_path) == page


def test_the_page_has_pictures_of_every_moment_and_weather(page: str) -> None:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    (scenario,) = data["scenarios"]
    assert scenario["purpose"].startswith("A child steps out")
    assert "seen child" in scenario["limits"] and "ego_stops True" in scenario["limits"]
    assert [round(m["time_s"], 1) for m in scenario["moments"]] == [0.2, 0.5, 0.8]
    assert [w["name"] for w in data["weather"]["items"]] == [
        "clear",
        "rain 3",
        "snow 3",
        "fog 3",
        "low_sun 3",
        "night 3",
    ]
    raw = base64.b64decode(scenario["moments"][0]["sweeps"][0]["src"].split(",")[1])
    picture = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape == (700, 700, 3)


def test_points_are_shown_where_they_were_at_the_end_of_the_sweep() -> None:
    """What stands is where its box is, though the vehicle moved 0.9 m while it was swept."""
    simulation = Simulation(find_scenario("occluded_pedestrian"), find_rig("default"), 1, sensors=["top"])
    frame, before = made.moment_at(simulation, 3.0)
    shown = made.moment_view(simulation, frame, before)
    row = int(np.flatnonzero(frame.truth.label == 0)[0])  # the van, a car of the taxonomy
    assert np.linalg.norm(frame.truth.velocity_mps[row]) == 0
    owner = int(np.flatnonzero(frame.states.id == frame.truth.detection_id[row])[0])
    points, corners = shown.xyz_m[shown.owner == owner], shown.corners_m[row]
    assert len(points) > 30
    assert abs(points[:, 0].min() - corners[:, 0].min()) < 0.15  # its back, which the pulses meet
    low, high = corners.min(axis=0) - 0.1, corners.max(axis=0) + 0.1
    assert np.mean(((points > low) & (points < high)).all(axis=1)) > 0.97


def test_the_street_of_the_bench_has_the_objects_that_it_says() -> None:
    simulation = Simulation(busy_street(), find_rig("default"), 1, sensors=["top"])
    assert abs(len(simulation.traffic.states(0.0)) - OBJECTS) <= 6
