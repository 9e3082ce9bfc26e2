"""Paint is where the lines of the map are, in their colour, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from perception_nodes.datatypes import ElementType
from perception_nodes.geometry import resample
from perception_nodes.simulation.world import World, build_world
from perception_nodes.simulation.world.paint import (
    NONE,
    WHITE,
    YELLOW,
    build_paint,
    offset,
    quads_of,
    strokes,
)
from perception_nodes.simulation.world.plan import Line, Patch

WorldOf = Callable[..., World]
ALONG = np.array([[0.0, 0.0], [30.0, 10.0]])


def share(world_paint: object, line: np.ndarray) -> float:
    return float(np.mean(world_paint.at(resample(line, 0.03)) != NONE))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("style", "low", "high"), [("solid", 0.99, 1.0), ("dashed", 0.28, 0.40)])
def test_lines_are_painted_by_their_style(style: str, low: float, high: float) -> None:
    paint = build_paint(quads_of([Line(ALONG, style, style)], []), 0)
    assert low <= share(paint, ALONG) <= high
    assert share(paint, offset(ALONG, 0.3)) == 0


def test_a_double_line_is_two_with_a_gap() -> None:
    paint = build_paint(quads_of([Line(ALONG, "double", "double_solid", 0.15)], []), 0)
    assert share(paint, ALONG) < 0.4
    assert min(share(paint, offset(ALONG, side)) for side in (-0.15, 0.15)) > 0.95


def test_dashes_are_as_long_as_they_should_be() -> None:
    pieces = strokes(Line(np.array([[0.0, 0.0], [30.0, 0.0]]), "dashed", "dashed", dash_m=3.0, gap_m=6.0))
    assert [(p[0, 0], p[-1, 0]) for p in pieces] == [(3.0, 6.0), (12.0, 15.0), (21.0, 24.0)]


@pytest.mark.parametrize("wear", [0.1, 0.3, 0.6, 0.9])
def test_worn_paint_is_gone_in_proportion(wear: float) -> None:
    field = Patch(np.array([[0.0, 0.0], [20.0, 0.0], [20.0, 20.0], [0.0, 20.0]]), wear=wear)
    left = np.mean(build_paint(quads_of([], [field]), 7).tiles > 0) * 25.6**2 / 400
    assert left == pytest.approx(1 - wear, abs=0.06)


def test_colours_and_places_without_paint() -> None:
    paint = build_paint(
        quads_of([Line(ALONG, "solid", "", yellow=True), Line(ALONG + np.array([0, 5]), "solid", "")], []), 0
    )
    assert paint.at(np.array([[15.0, 5.0], [15.0, 10.0], [15.0, 7.5], [1e6, -1e6]])).tolist() == [
        YELLOW,
        WHITE,
        0,
        0,
    ]


def test_no_paint_at_all() -> None:
    assert build_paint(quads_of([], []), 0).at(np.array([[0.0, 0.0], [5.0, -3.0]])).tolist() == [NONE, NONE]


def test_area_of_a_quadrilateral_in_either_order() -> None:
    corners = np.array([[0.0, 0.0], [3.0, 1.0], [3.5, 3.0], [0.5, 2.0]])
    for order in (corners, corners[::-1]):
        cells = int((build_paint(quads_of([], [Patch(order)]), 0).tiles > 0).sum())
        assert cells * 0.05**2 == pytest.approx(5.5, rel=0.01)


@pytest.mark.parametrize("kind", ["straight", "signals", "highway", "roadworks"])
def test_dividers_of_the_map_are_painted(kind: str) -> None:
    world = build_world(kind, np.random.default_rng(2), wear=0.0)
    dividers = [e for e in world.elements if e.type == ElementType.LANE_DIVIDER]
    assert dividers
    for element in dividers:
        line = element.points_m[:, :2]
        if element.subtype == "solid":
            assert share(world.paint, line) > 0.97, element.id
        elif element.subtype == "dashed" and len(line) > 30:
            assert 0.2 < share(world.paint, line) < 0.7, element.id
        colour = YELLOW if element.value == "yellow" else WHITE
        found = world.painted(resample(line, 0.05))
        assert np.mean(found[found > 0] == colour) > 0.9 if (found > 0).any() else element.subtype != "solid"


def test_stop_lines_and_crossings_of_the_map_are_painted() -> None:
    world = build_world("signals", np.random.default_rng(2), wear=0.0)
    stops = [e for e in world.elements if e.type == ElementType.STOP_LINE]
    assert len(stops) == 4
    for element in stops:
        assert share(world.paint, element.points_m[:, :2]) > 0.95
    for crossing in world.graph.crossings:
        assert 0.35 < share(world.paint, crossing.path_m[:, :2]) < 0.6
