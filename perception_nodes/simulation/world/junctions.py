"""How lanes go on across a junction, who yields to whom there, and the phases of its signals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely

from perception_nodes.geometry import wrap_angle

from .profile import Arm
from .roads import Lane

F64 = npt.NDArray[np.float64]

_TURN_RAD: Final = np.radians(35.0)
_LATERAL_MPS2: Final = 2.0
# Ways of vehicles whose middles come nearer than this cannot be used at the same time.
_CLEAR_M: Final = 2.2
GREEN_S, YELLOW_S, CLEAR_S = 18.0, 3.0, 2.0


@dataclass(frozen=True, eq=False)
class Way:
    """A lane across a junction, with the arms that it joins."""

    lane: Lane
    entry: int
    exit: int
    before: int


def turn_between(entry: Arm, leaving: Arm) -> str:
    """What a driver who comes in on one arm does to leave on another."""
    angle = float(wrap_angle(leaving.heading_rad - (entry.heading_rad + np.pi)))
    if abs(angle) <= _TURN_RAD:
        return "straight"
    return "left" if angle > 0 else "right"


def bezier(start: F64, start_yaw: float, end: F64, end_yaw: float) -> F64:
    """(N, 2) a curve that leaves and arrives with the given headings; close to a circle for a plain turn."""
    chord = float(np.hypot(*(end - start)))
    theta = max(abs(float(wrap_angle(end_yaw - start_yaw))), 1e-3)
    # The handle with which a cubic passes through the middle of the arc (Goldapp 1991, eq. 4).
    handle = chord * min(2.0 / 3.0 * np.tan(theta / 4.0) / np.sin(theta / 2.0), 0.7)
    a = start + handle * np.array([np.cos(start_yaw), np.sin(start_yaw)])
    b = end - handle * np.array([np.cos(end_yaw), np.sin(end_yaw)])
    t = np.linspace(0.0, 1.0, max(5, int(chord / 1.0) + 2))[:, None]
    out: F64 = (1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * a + 3 * (1 - t) * t**2 * b + t**3 * end
    return out


def ways_of(
    arms: Sequence[Arm], lanes: dict[int, Lane], junction: int, new_id: Callable[[], int]
) -> list[Way]:
    """All ways across a junction."""
    out = []
    for i, entry in enumerate(arms):
        for j, leaving in enumerate(arms):
            if i == j:
                continue
            turn = turn_between(entry, leaving)
            pairs = _pairs(turn, entry.incoming, leaving.outgoing, alone=len(arms) == 2)
            if entry.bicycle_in and leaving.bicycle_out and (turn != "left" or len(arms) == 2):
                pairs.append((entry.bicycle_in, leaving.bicycle_out))
            out += [Way(_connector(lanes[a], lanes[b], turn, junction, new_id()), i, j, a) for a, b in pairs]
    return out


def _pairs(
    turn: str, incoming: Sequence[int], outgoing: Sequence[int], *, alone: bool
) -> list[tuple[int, int]]:
    """Lanes from which and into which one turns; both are listed from the left."""
    if not incoming or not outgoing:
        return []
    if alone:
        # A road goes on: lanes are added and end on its right.
        return list(zip(incoming, outgoing, strict=False))
    if turn == "straight":
        shift = len(outgoing) - len(incoming)
        last = len(outgoing) - 1
        return [(lane, outgoing[int(np.clip(k + max(shift, 0), 0, last))]) for k, lane in enumerate(incoming)]
    return [(incoming[0], outgoing[0])] if turn == "left" else [(incoming[-1], outgoing[-1])]


def _connector(before: Lane, after: Lane, turn: str, junction: int, lane_id: int) -> Lane:
    start, yaw_in = before.at(before.length_m)
    end, yaw_out = after.at(0.0)
    xy = bezier(start[0, :2], float(yaw_in[0]), end[0, :2], float(yaw_out[0]))
    bend = abs(float(wrap_angle(yaw_out[0] - yaw_in[0])))
    radius = float(np.hypot(*(end - start)[0, :2])) / max(2 * np.sin(bend / 2), 1e-3)
    speed = min(before.speed_mps, after.speed_mps, float(np.sqrt(_LATERAL_MPS2 * radius)))
    return Lane(
        lane_id,
        np.column_stack([xy, np.zeros(len(xy))]),
        min(before.width_m, after.width_m),
        speed,
        before.kind,
        successors=(after.id,),
        junction=junction,
        turn=turn,
    )


def with_priority(ways: list[Way], arms: Sequence[Arm], control: str) -> list[Way]:
    """The ways with `yields_to` filled."""
    lines = [shapely.LineString(way.lane.centre_m[:, :2]) for way in ways]
    out = []
    for i, way in enumerate(ways):
        first = [
            other.lane.id
            for j, other in enumerate(ways)
            if other.entry != way.entry
            and lines[i].distance(lines[j]) < _CLEAR_M
            and _goes_first(other, way, arms, control)
        ]
        out.append(replace(way, lane=replace(way.lane, yields_to=tuple(first))))
    return out


def _goes_first(other: Way, way: Way, arms: Sequence[Arm], control: str) -> bool:
    """Whether `other` has right of way over `way`."""
    facing = turn_between(arms[way.entry], arms[other.entry]) == "straight"
    if control == "signals":
        # Ways of crossing arms are never free together.
        return facing and way.lane.turn == "left" and other.lane.turn != "left"
    rank = int(arms[other.entry].major) - int(arms[way.entry].major)
    if rank:
        return rank > 0
    if facing:
        return way.lane.turn == "left" and other.lane.turn != "left"
    return turn_between(arms[way.entry], arms[other.entry]) == "right"


def phases_of(arms: Sequence[Arm]) -> tuple[list[tuple[tuple[str, float], ...]], ...]:
    """Of each arm, the phases for its traffic and for those who walk across it. Two groups take turns."""
    first = arms[0].heading_rad
    group = [int(abs(np.sin(arm.heading_rad - first)) > np.sin(np.radians(45))) for arm in arms]
    half = GREEN_S + YELLOW_S + CLEAR_S
    red = ("red", half - 1.0)
    ahead = ("red_yellow", 1.0)
    traffic = {
        0: (("green", GREEN_S), ("yellow", YELLOW_S), ("red", CLEAR_S), red, ahead),
        1: (red, ahead, ("green", GREEN_S), ("yellow", YELLOW_S), ("red", CLEAR_S)),
    }
    # Walkers go with the traffic that runs beside them, and have to be across before it ends.
    walk = GREEN_S - 6.0
    walkers = {
        1: (("green", walk), ("red", 2 * half - walk)),
        0: (("red", half), ("green", walk), ("red", half - walk)),
    }
    return [traffic[g] for g in group], [walkers[g] for g in group]
