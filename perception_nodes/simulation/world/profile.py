"""What lies across a road, and roads as lines between places."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.geometry import arc_length

from .paint import between, offset

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Slot:
    """A strip of a road: middle to the left of the road's line (m), width, kind of lane, and its direction."""

    left_m: float
    width_m: float
    kind: str
    forward: bool


@dataclass(frozen=True)
class Profile:
    """Cross-section; traffic keeps right. parking: on the left and on the right side; one_way has no backward lanes."""

    forward: int = 1
    backward: int = 1
    lane_m: float = 3.5
    median_m: float = 0.0
    parking: tuple[bool, bool] = (False, False)
    bicycle: bool = False
    shoulder_m: float = 0.0
    pavement_m: float = 3.0
    speed_mps: float = 13.9
    edge_lines: bool = False
    centre_line: bool = True
    parking_m: float = 2.2
    bicycle_m: float = 1.7

    def __post_init__(self) -> None:
        if self.forward < 0 or self.backward < 0 or self.forward + self.backward < 1:
            raise ConfigurationError(
                f"profile: wanted at least one lane, got {self.forward} forward and {self.backward} backward"
            )

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """From the left edge to the right edge."""
        backward = self._side(self.backward, self.parking[0], forward=False)
        forward = self._side(self.forward, self.parking[1], forward=True)
        return (*reversed(backward), *forward)

    def _side(self, lanes: int, parking: bool, *, forward: bool) -> list[Slot]:
        """From the middle outwards."""
        strips = [(self.lane_m, "driving")] * lanes
        strips += [(self.bicycle_m, "bicycle")] * (self.bicycle and lanes > 0)
        strips += [(self.parking_m, "parking")] * parking
        strips += [(self.shoulder_m, "shoulder")] * (self.shoulder_m > 0 and lanes > 0)
        out, at = [], self.median_m / 2
        for width, kind in strips:
            middle = at + width / 2
            out.append(Slot(-middle if forward else middle, width, kind, forward))
            at += width
        return out

    @property
    def left_m(self) -> float:
        """From the road's line to its left edge."""
        return max([self.median_m / 2, *(s.left_m + s.width_m / 2 for s in self.slots)])

    @property
    def right_m(self) -> float:
        """From the road's line to its right edge."""
        return max([self.median_m / 2, *(-s.left_m + s.width_m / 2 for s in self.slots)])


@dataclass(frozen=True, eq=False)
class Road:
    """line_m (N, 2) from place `start` to place `end`, densely; crossings_m: distances of crossings along it."""

    line_m: F64
    profile: Profile
    start: int
    end: int
    crossings_m: tuple[float, ...] = ()

    @property
    def length_m(self) -> float:
        """Of the line."""
        return float(arc_length(self.line_m)[-1])


@dataclass(frozen=True)
class Place:
    """Where roads meet or end. control: open (the world ends), join, priority, equal (right before left), signals."""

    x_m: float
    y_m: float
    control: str = "equal"
    radius_m: float = 6.0


@dataclass(eq=False)
class Arm:
    """A road as seen from a place, outwards. Written while a network is drawn up."""

    road: int
    at_end: bool
    heading_rad: float
    left_m: float
    right_m: float
    major: bool = False
    setback_m: float = 0.0
    incoming: tuple[int, ...] = ()
    outgoing: tuple[int, ...] = ()
    bicycle_in: int = 0
    bicycle_out: int = 0
    has_crossing: bool = False
    signal: int = 0


def arms_of(place: int, roads: tuple[Road, ...]) -> list[Arm]:
    """All arms of a place, counter-clockwise by heading."""
    out = []
    for k, road in enumerate(roads):
        p = road.profile
        for at_end in (False, True):
            if (road.end if at_end else road.start) != place:
                continue
            line = road.line_m[::-1] if at_end else road.line_m
            ahead = between(line, 0.0, min(12.0, road.length_m))[-1] - line[0]
            widths = (p.right_m, p.left_m) if at_end else (p.left_m, p.right_m)
            out.append(Arm(k, at_end, float(np.arctan2(ahead[1], ahead[0])), *widths))
    return sorted(out, key=lambda arm: arm.heading_rad)


def set_back(arms: list[Arm], radius_m: float) -> None:
    """How far from the place each arm's mouth is: where its kerbs leave the rounded corners."""
    for k, arm in enumerate(arms):
        after = arms[(k + 1) % len(arms)]
        theta = (after.heading_rad - arm.heading_rad) % (2 * np.pi)
        if after is arm or theta < 0.2 or theta > np.radians(172):
            continue
        tangent = radius_m / np.tan(theta / 2)
        mine = (after.right_m + arm.left_m * np.cos(theta)) / np.sin(theta) + tangent
        other = (arm.left_m + after.right_m * np.cos(theta)) / np.sin(theta) + tangent
        arm.setback_m = max(arm.setback_m, float(mine))
        after.setback_m = max(after.setback_m, float(other))
    if len(arms) > 1:
        for arm in arms:
            arm.setback_m = max(arm.setback_m, 0.6 * radius_m if len(arms) > 2 else 1.0)


def strip_polygon(line_m: F64, left_m: float, right_m: float) -> F64:
    """(N, 2) ring around the strip from `left_m` to the left of a line to `right_m` to its right."""
    return np.concatenate([offset(line_m, left_m), offset(line_m, -right_m)[::-1]])
