"""Streets of towns: straight, curved, junctions with and without signals, a net of blocks, a narrow street."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import resample

from .junctions import bezier
from .network import draw_network
from .options import Options, ego_start, either, finished, open_end, profile_of, style_of
from .plan import Plan
from .profile import Place, Profile, Road

F64 = npt.NDArray[np.float64]

STEP_M = 2.0


def straight(o: Options, rng: np.random.Generator) -> Plan:
    """One road; a crossing behind its middle."""
    length = either(o.length_m, 340.0)
    line = resample(np.array([[-length / 2, 0.0], [length / 2, 0.0]]), STEP_M)
    road = Road(line, profile_of(o, rng), 0, 1, (length * float(rng.uniform(0.55, 0.65)),))
    net = draw_network([open_end(line[0]), open_end(line[-1])], [road], style_of(o, rng))
    return finished("straight", o, net, rng, ego_start(net, 0, length / 2 - 60.0))


def narrow(o: Options, rng: np.random.Generator) -> Plan:
    """A street in which two cars hardly pass each other, with cars parked on one side, slightly bent."""
    length = either(o.length_m, 240.0)
    sway = float(rng.uniform(-9.0, 9.0))
    x = np.linspace(-length / 2, length / 2, 80)
    line = resample(np.column_stack([x, sway * np.sin(2 * np.pi * x / length)]), STEP_M)
    profile = profile_of(
        o,
        rng,
        lane_m=either(o.lane_m, 2.6),
        parking=(False, either(o.parking, True)),
        bicycle=False,
        centre_line=False,
        pavement_m=1.5,
        speed_mps=8.3,
    )
    net = draw_network([open_end(line[0]), open_end(line[-1])], [Road(line, profile, 0, 1)], style_of(o, rng))
    return finished("narrow", o, net, rng, ego_start(net, 0, 40.0))


def curve(o: Options, rng: np.random.Generator) -> Plan:
    """Straight, a bend to either side, straight."""
    arm = either(o.length_m, 220.0) / 2
    radius = either(o.radius_m, float(rng.uniform(35.0, 120.0)))
    turn = float(rng.uniform(0.6, 1.5)) * float(rng.choice([-1.0, 1.0]))
    angle = np.linspace(0.0, turn, max(8, int(radius * abs(turn) / STEP_M)))
    bend = radius * np.sign(turn) * np.column_stack([np.sin(angle), 1.0 - np.cos(angle)])
    ahead = np.array([np.cos(turn), np.sin(turn)])
    line = resample(np.concatenate([[[-arm, 0.0]], bend, [bend[-1] + arm * ahead]]), STEP_M)
    road = Road(line, profile_of(o, rng), 0, 1)
    net = draw_network([open_end(line[0]), open_end(line[-1])], [road], style_of(o, rng))
    setting = "suburb" if rng.random() < 0.5 else "town"
    return finished("curve", o, net, rng, ego_start(net, 0, arm - 40.0), setting)


def junction(o: Options, rng: np.random.Generator) -> Plan:
    """Three or four arms; signs say who goes first, or the right before the left."""
    control = "priority" if rng.random() < 0.7 else "equal"
    arms = 3 if rng.random() < 0.4 else 4
    return _star("junction", o, rng, control, arms)


def signals(o: Options, rng: np.random.Generator) -> Plan:
    """Four arms with traffic lights."""
    return _star("signals", o, rng, "signals", 4)


def _star(name: str, o: Options, rng: np.random.Generator, control: str, arms: int) -> Plan:
    length = either(o.length_m, 130.0)
    lanes = either(o.lanes, int(rng.integers(1, 3)) if control == "signals" else 1)
    main = profile_of(
        o, rng, forward=lanes, backward=lanes, median_m=either(o.median_m, 2.0 if rng.random() < 0.3 else 0.0)
    )
    side = profile_of(
        o, rng, forward=max(lanes - 1, 1), backward=max(lanes - 1, 1), pavement_m=main.pavement_m
    )
    headings = (
        np.array([np.pi, 0.0, np.pi / 2, -np.pi / 2])[:arms]
        + np.append([0.0, 0.0], rng.uniform(-0.25, 0.25, 2))[:arms]
    )
    places, roads = [Place(0.0, 0.0, control, float(rng.uniform(5.0, 8.0)))], []
    for k, heading in enumerate(headings):
        end = length * np.array([np.cos(heading), np.sin(heading)])
        places.append(open_end(end))
        line = resample(np.stack([end, np.zeros(2)]), STEP_M)
        # Two arms opposite to each other are one road through, with its left and right where they were.
        profile = main if k < 2 else side
        roads.append(Road(line[::-1], profile, 0, k + 1) if k % 2 else Road(line, profile, k + 1, 0))
    net = draw_network(places, roads, style_of(o, rng))
    return finished(name, o, net, rng, ego_start(net, 0, length - 75.0))


def town(o: Options, rng: np.random.Generator) -> Plan:
    """A net of streets around blocks, with streets that lead out of it; its widest crossings have signals."""
    n = int(either(o.blocks, 2)) + 1
    across = (
        np.cumsum([0.0, *rng.uniform(80.0, 110.0, n - 1)]),
        np.cumsum([0.0, *rng.uniform(75.0, 105.0, n - 1)]),
    )
    at = np.stack(np.meshgrid(*across, indexing="ij"), axis=-1) + rng.uniform(-6.0, 6.0, (n, n, 2))
    at -= at[n // 2, n // 2]
    rows, columns = ([_town_profile(o, rng, k == n // 2) for k in range(n)] for _ in range(2))
    places = [_corner(at[i, j], i == n // 2 or j == n // 2, rng) for i in range(n) for j in range(n)]
    roads: list[Road] = []
    for k in range(n):
        _street([k * n + j for j in range(n)], places, roads, rows[k], rng)
        _street([i * n + k for i in range(n)], places, roads, columns[k], rng)
    net = draw_network(places, roads, style_of(o, rng))
    first = next(i for i, road in enumerate(roads) if road.end == (n // 2) * n + n // 2)
    return finished("town", o, net, rng, ego_start(net, first, 12.0))


def _town_profile(o: Options, rng: np.random.Generator, wide: bool) -> Profile:
    lanes = either(o.lanes, 2 if wide and rng.random() < 0.5 else 1)
    median = either(o.median_m, 2.0 if lanes > 1 and rng.random() < 0.5 else 0.0)
    return profile_of(
        o,
        rng,
        forward=lanes,
        backward=lanes,
        median_m=median,
        pavement_m=3.0,
        speed_mps=13.9 if wide else 8.3,
    )


def _corner(xy: F64, wide: bool, rng: np.random.Generator) -> Place:
    control = "signals" if wide and rng.random() < 0.7 else ("priority" if wide else "equal")
    return Place(float(xy[0]), float(xy[1]), control, float(rng.uniform(4.5, 7.0)))


def _street(
    through: list[int], places: list[Place], roads: list[Road], profile: Profile, rng: np.random.Generator
) -> None:
    """Roads along a row of corners, and on beyond both ends."""
    xy = np.array([[places[k].x_m, places[k].y_m] for k in through])
    out = [xy[0] + 60.0 * _unit(xy[0] - xy[1]), xy[-1] + 60.0 * _unit(xy[-1] - xy[-2])]
    ends = []
    for end in out:
        ends.append(len(places))
        places.append(open_end(end))
    chain, points = [ends[0], *through, ends[1]], np.concatenate([[out[0]], xy, [out[1]]])
    for (a, b), (p, q) in zip(pairwise(chain), pairwise(points), strict=True):
        sway = float(rng.uniform(-0.12, 0.12)) if a in through and b in through else 0.0
        yaw = float(np.arctan2(*(q - p)[::-1]))
        roads.append(Road(resample(bezier(p, yaw + sway, q, yaw - sway), STEP_M), profile, a, b))


def _unit(v: F64) -> F64:
    return np.asarray(v / np.hypot(*v))
