"""The exact map of a street: what a perfect map builder would publish, laid on the surface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ElementType, MapElement, one_hot_type
from perception_nodes.geometry import resample

from .ground import kerb_lines
from .plan import Plan
from .surface import Surface

F64 = npt.NDArray[np.float64]

_STEP_M = 1.0


class _Draft(NamedTuple):
    kind: ElementType
    points_m: F64
    subtype: str = ""
    value: str = ""
    closed: bool = False


def map_elements(plan: Plan, surface: Surface, signs: tuple[tuple[F64, str], ...]) -> tuple[MapElement, ...]:
    """Lane dividers, edges of the road, centre lines of lanes, crossings, stop lines, signs, lights.

    signs: (3,) middle of the plate in odom, and what it says.
    """
    drafts = [
        *_dividers(plan, surface),
        *_boundaries(plan, surface),
        *_flat_ones(plan, surface),
        *(_Draft(ElementType.TRAFFIC_SIGN, at[None], value.split()[0], value) for at, value in signs),
        *_lights(plan, surface),
    ]
    first = len(drafts) + 1
    number = {lane.id: first + k for k, lane in enumerate(plan.lanes)}
    before: dict[int, list[int]] = {lane.id: [] for lane in plan.lanes}
    for lane in plan.lanes:
        for after in lane.successors:
            before[after].append(number[lane.id])
    out = [_element(k + 1, draft) for k, draft in enumerate(drafts)]
    for lane in plan.lanes:
        xy = _dense(lane.centre_m[:, :2])
        draft = _Draft(ElementType.CENTERLINE, np.column_stack([xy, surface.road_height(xy)]), lane.kind)
        neighbours = (number.get(lane.left, 0), number.get(lane.right, 0))
        after_ids = tuple(number[i] for i in lane.successors)
        out.append(_element(number[lane.id], draft, tuple(before[lane.id]), after_ids, neighbours))
    return tuple(out)


def _element(
    number: int,
    draft: _Draft,
    before: tuple[int, ...] = (),
    after: tuple[int, ...] = (),
    beside: tuple[int, int] = (0, 0),
) -> MapElement:
    points = np.ascontiguousarray(draft.points_m, np.float64)
    sure = np.ones(len(points))
    return MapElement(
        number,
        draft.kind,
        points,
        np.zeros(len(points)),
        sure,
        one_hot_type(draft.kind),
        1.0,
        draft.closed,
        draft.subtype,
        draft.value,
        before,
        after,
        *beside,
    )


def _dense(xy_m: F64) -> F64:
    """A line with its own points and more between them, so that it follows the ground."""
    parts = [resample(xy_m[k : k + 2], _STEP_M)[:-1] for k in range(len(xy_m) - 1)]
    return np.concatenate([*parts, xy_m[-1:]])


def _dividers(plan: Plan, surface: Surface) -> Iterator[_Draft]:
    for line in plan.lines:
        if line.subtype:
            xy = _dense(line.points_m)
            colour = "yellow" if line.yellow else "white"
            points = np.column_stack([xy, surface.road_height(xy)])
            yield _Draft(ElementType.LANE_DIVIDER, points, line.subtype, colour)


def _boundaries(plan: Plan, surface: Surface) -> Iterator[_Draft]:
    """At the foot of the kerb."""
    word = "curb" if plan.relief.kerb_m > 0.03 else "edge"
    for xy in kerb_lines(plan):
        ring = len(xy) > 3 and bool(np.allclose(xy[0], xy[-1]))
        points = xy[:-1] if ring else xy
        yield _Draft(
            ElementType.ROAD_BOUNDARY,
            np.column_stack([points, surface.road_height(points)]),
            word,
            closed=ring,
        )


def _flat_ones(plan: Plan, surface: Surface) -> Iterator[_Draft]:
    for line in plan.stop_lines:
        xy = _dense(line)
        yield _Draft(ElementType.STOP_LINE, np.column_stack([xy, surface.road_height(xy)]))
    for crossing in plan.crossings:
        xy = _dense(np.concatenate([crossing.polygon_m, crossing.polygon_m[:1]])[:, :2])[:-1]
        # Those of maps reach onto the pavements.
        points = np.column_stack([xy, surface.height(xy)])
        yield _Draft(ElementType.PED_CROSSING, points, "zebra", closed=True)


def _lights(plan: Plan, surface: Surface) -> Iterator[_Draft]:
    for signal in plan.signals:
        at = np.array(signal.position_m)
        at[2] += surface.height(at[None, :2])[0]
        word = "pedestrian" if signal.for_walkers else "vehicle"
        yield _Draft(ElementType.TRAFFIC_LIGHT, at[None], word)
