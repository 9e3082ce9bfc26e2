"""A junction of two roads with signals or without, by hand: no world is built for it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from perception_nodes.simulation.world.roads import Crossing, Lane, RoadGraph, Signal

ARMS = np.array([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)])
ZONE_M, REACH_M, OFF_M = 12.0, 150.0, 1.75
TURNS = {"right": 1, "straight": 2, "left": 3}


class Flat:
    """Ground that rises by 2 % along x."""

    def height(self, xy_m: np.ndarray) -> np.ndarray:
        return 0.02 * np.asarray(xy_m)[:, 0]


def flat(xy: Any) -> np.ndarray:
    xy = np.asarray(xy, float)
    return np.column_stack([xy, np.zeros(len(xy))])


def line(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return flat(a + (b - a) * np.linspace(0, 1, 70)[:, None])


def bend(a: np.ndarray, da: np.ndarray, b: np.ndarray, db: np.ndarray) -> np.ndarray:
    t = np.linspace(0, 1, 20)[:, None]
    k = 0.39 * np.linalg.norm(b - a)
    c, d = a + k * da, b - k * db
    return flat((1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * c + 3 * (1 - t) * t * t * d + t**3 * b)


def _right(k: int) -> np.ndarray:
    return np.array([ARMS[k, 1], -ARMS[k, 0]])


def junction_lanes(*, signals: bool) -> list[Lane]:
    """Ids 1, 3, 5, 7 lead in, 2, 4, 6, 8 out, 9 to 20 across."""
    lanes, across = [], []
    number = {}
    for k in range(4):
        for turn in TURNS:
            number[k, turn] = 9 + len(number)
    for k, arm in enumerate(ARMS):
        side = OFF_M * _right(k)
        into, out = (
            line(arm * REACH_M - side, arm * ZONE_M - side),
            line(arm * ZONE_M + side, arm * REACH_M + side),
        )
        follow = tuple(number[k, turn] for turn in TURNS)
        stop, signal = REACH_M - ZONE_M - 4.5, (k % 2 + 1) if signals else 0
        lanes += [Lane(2 * k + 1, into, 3.5, 13.9, "driving", follow, stop_s_m=stop, signal=signal)]
        lanes += [Lane(2 * k + 2, out, 3.5, 13.9)]
    for (k, turn), lane_id in number.items():
        to = (k + TURNS[turn]) % 4
        start, end = lanes[2 * k].centre_m[-1, :2], lanes[2 * to + 1].centre_m[0, :2]
        facing = (k + 2) % 4
        first = (number[facing, "straight"], number[facing, "right"]) if turn == "left" else ()
        across.append(Lane(lane_id, bend(start, -ARMS[k], end, ARMS[to]), 3.5, 9.0, "driving", (2 * to + 2,),
                           yields_to=first, junction=1, turn=turn))  # fmt: skip
    return lanes + across


def junction_graph(*, signals: bool) -> RoadGraph:
    crossings, walks = [], []
    for k, arm in enumerate(ARMS):
        middle, right = arm * (ZONE_M + 2.2), _right(k)
        corners = [middle - 1.5 * arm - 4 * right, middle - 1.5 * arm + 4 * right]
        corners += [middle + 1.5 * arm + 4 * right, middle + 1.5 * arm - 4 * right]
        lanes = ((2 * k + 1, REACH_M - ZONE_M - 2.2), (2 * k + 2, 2.2))
        crossings.append(
            Crossing(k + 1, flat(corners), flat([middle - 4 * right, middle + 4 * right]), lanes)
        )
        other = ARMS[(k + 1) % 4]
        walks.append(flat([arm * REACH_M + other * 6, arm * 6 + other * 6, arm * 6 + other * REACH_M]))
    phases = (
        (("red", 16.0), ("green", 12.0), ("yellow", 4.0)),
        (("green", 12.0), ("yellow", 3.0), ("red", 17.0)),
    )
    lights = tuple(Signal(n + 1, (0, 0, 5), 0.0, 1, p) for n, p in enumerate(phases)) if signals else ()
    return RoadGraph(tuple(junction_lanes(signals=signals)), tuple(crossings), lights, tuple(walks))


def street(*, signals: bool = False) -> Any:
    rows = [(x, 4.9, 0.0, 0.0, 6.2, 2.1) for x in range(40, 120, 8)]
    return SimpleNamespace(
        graph=junction_graph(signals=signals),
        surface=Flat(),
        ego=(1, 30.0),
        parking=np.array(rows),
        verges=np.zeros((0, 6)),
    )


@pytest.fixture(scope="session")
def with_signals() -> Any:
    return street(signals=True)


@pytest.fixture(scope="session")
def without_signals() -> Any:
    return street()
