"""Roads between places drawn up as lanes, junctions, crossings, areas and paint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from .junctions import phases_of, ways_of, with_priority
from .markings import Style, crossing_bars, crossing_polygon, stop_line
from .paint import between, offset
from .plan import Line, Patch, Post
from .profile import Arm, Place, Road, arms_of, set_back
from .roads import Crossing, Lane, Signal

F64 = npt.NDArray[np.float64]

CROSSING_M = 3.6
_CROSSING_FROM_MOUTH_M = 0.8
_STOP_BEFORE_CROSSING_M = 1.0


@dataclass(eq=False)
class Network:
    """Everything that follows from roads and places; filled by `draw_network`.

    asphalt, lines: further ones beside those of the roads; caps: the world ends there.
    """

    places: tuple[Place, ...]
    roads: tuple[Road, ...]
    style: Style
    arms: dict[int, list[Arm]] = field(default_factory=dict)
    lanes: dict[int, Lane] = field(default_factory=dict)
    of_road: dict[int, list[int]] = field(default_factory=dict)
    crossings: list[Crossing] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    patches: list[Patch] = field(default_factory=list)
    stop_lines: list[F64] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    low_kerb: list[F64] = field(default_factory=list)
    asphalt: list[BaseGeometry] = field(default_factory=list)
    caps: list[BaseGeometry] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def trimmed(self, road: int) -> F64:
        """(N, 2) the line of a road between the mouths at its ends."""
        r = self.roads[road]
        start, end = self.ends(road)
        return between(r.line_m, start.setback_m, r.length_m - end.setback_m)

    def ends(self, road: int) -> tuple[Arm, Arm]:
        """The arm at the start and the one at the end of a road."""
        both = [
            arm
            for place in (self.roads[road].start, self.roads[road].end)
            for arm in self.arms[place]
            if arm.road == road
        ]
        first = next(arm for arm in both if not arm.at_end)
        last = next(arm for arm in both if arm.at_end)
        return first, last


def draw_network(places: Sequence[Place], roads: Sequence[Road], style: Style) -> Network:
    """Lanes, junctions, crossings, signals and paint of all roads."""
    net = Network(tuple(places), tuple(roads), style)
    for k, place in enumerate(places):
        net.arms[k] = arms_of(k, net.roads)
        set_back(net.arms[k], place.radius_m)
        _mark_major(net.arms[k], net.roads)
        for arm in net.arms[k]:
            walked = net.roads[arm.road].profile.pavement_m > 0
            arm.has_crossing = walked and len(net.arms[k]) > 2
    for k in range(len(roads)):
        _lanes_of_road(net, k)
    for k, place in enumerate(places):
        if len(net.arms[k]) > 1:
            _junction(net, k, place)
    for k, road in enumerate(roads):
        for at in road.crossings_m:
            add_crossing(net, k, at)
    return net


def _mark_major(arms: list[Arm], roads: tuple[Road, ...]) -> None:
    """The pair of arms that is most like one road through, wider first."""
    best: tuple[float, Arm, Arm] | None = None
    for i, a in enumerate(arms):
        for b in arms[i + 1 :]:
            straight = -float(np.cos(a.heading_rad - b.heading_rad))
            speed = roads[a.road].profile.speed_mps + roads[b.road].profile.speed_mps
            score = straight + 0.1 * speed
            if best is None or score > best[0]:
                best = (score, a, b)
    if best is not None:
        best[1].major = best[2].major = True


def _lanes_of_road(net: Network, k: int) -> None:
    road = net.roads[k]
    line = net.trimmed(k)
    drawn: list[Lane] = []
    for slot in road.profile.slots:
        xy = offset(line, slot.left_m)
        xy = xy if slot.forward else xy[::-1]
        centre = np.column_stack([xy, np.zeros(len(xy))])
        speed = road.profile.speed_mps if slot.kind == "driving" else 5.0
        drawn.append(Lane(next(net.ids), centre, slot.width_m, speed, slot.kind))
    for i, slot in enumerate(road.profile.slots):
        beside = [0, 0]
        for side, j in enumerate((i - 1, i + 1)):
            if 0 <= j < len(drawn) and road.profile.slots[j].forward == slot.forward:
                beside[side] = drawn[j].id
        left, right = beside if slot.forward else beside[::-1]
        net.lanes[drawn[i].id] = replace(drawn[i], left=left, right=right)
    net.of_road[k] = [lane.id for lane in drawn]
    _note_arms(net, k, net.of_road[k])


def _note_arms(net: Network, k: int, ids: list[int]) -> None:
    """Which lanes come in and go out at both ends, each from the left as its driver sees them."""
    slots = net.roads[k].profile.slots
    forward = tuple(i for i, s in zip(ids, slots, strict=True) if s.forward and s.kind == "driving")
    backward = tuple(i for i, s in zip(ids, slots, strict=True) if not s.forward and s.kind == "driving")[
        ::-1
    ]
    cycles = {s.forward: i for i, s in zip(ids, slots, strict=True) if s.kind == "bicycle"}
    start, end = net.ends(k)
    start.incoming, start.outgoing = backward, forward
    end.incoming, end.outgoing = forward, backward
    start.bicycle_in, start.bicycle_out = cycles.get(False, 0), cycles.get(True, 0)
    end.bicycle_in, end.bicycle_out = cycles.get(True, 0), cycles.get(False, 0)


def outward(net: Network, arm: Arm) -> F64:
    """(N, 2) the line of an arm from its mouth outwards."""
    line = net.trimmed(arm.road)
    return line[::-1] if arm.at_end else line


def zone_m(arm: Arm, control: str) -> float:
    """How far from the mouth lanes end, in front of crossing and stop line."""
    if arm.has_crossing:
        return _CROSSING_FROM_MOUTH_M + CROSSING_M + _STOP_BEFORE_CROSSING_M
    return 0.0 if control in ("open", "join") else 1.0


def _junction(net: Network, k: int, place: Place) -> None:
    arms = net.arms[k]
    ways = with_priority(ways_of(arms, net.lanes, k + 1, lambda: next(net.ids)), arms, place.control)
    follow: dict[int, list[int]] = {}
    for way in ways:
        net.lanes[way.lane.id] = way.lane
        follow.setdefault(way.before, []).append(way.lane.id)
    for before, after in follow.items():
        net.lanes[before] = replace(net.lanes[before], successors=tuple(after))
    traffic, walkers = phases_of(arms)
    for arm, for_cars, for_walkers in zip(arms, traffic, walkers, strict=True):
        if place.control == "signals":
            arm.signal = _signal(net, arm, k + 1, for_cars)
        _stop(net, arm, place.control)
        if arm.has_crossing:
            from_m = _CROSSING_FROM_MOUTH_M
            own = 0
            if place.control == "signals":
                own = len(net.signals) + 1
                net.signals.append(_walkers_signal(net, arm, own, k + 1, for_walkers))
            add_crossing(net, arm.road, _along(net, arm, from_m + CROSSING_M / 2), own)


def _along(net: Network, arm: Arm, from_mouth_m: float) -> float:
    """Distance along the road's own line of a place before the mouth of an arm."""
    length = net.roads[arm.road].length_m
    at = arm.setback_m + from_mouth_m
    return length - at if arm.at_end else at


def _stop(net: Network, arm: Arm, control: str) -> None:
    """Where the lanes of an arm stop, and the line across them."""
    zone = zone_m(arm, control)
    if not arm.incoming or zone == 0:
        return
    for lane_id in (*arm.incoming, *((arm.bicycle_in,) if arm.bicycle_in else ())):
        lane = net.lanes[lane_id]
        at = max(lane.length_m - zone, 0.5)
        net.lanes[lane_id] = replace(lane, stop_s_m=at, signal=arm.signal)
    minor = control == "priority" and not arm.major
    if control == "signals" or minor:
        line = outward(net, arm)
        own = [net.lanes[i] for i in arm.incoming]
        # Seen outwards, incoming traffic is on the left.
        inner = net.roads[arm.road].profile.median_m / 2
        far = inner + sum(lane.width_m for lane in own)
        where, patch = stop_line(line, zone + 0.3, inner + 0.1, far - 0.1)
        net.stop_lines.append(where)
        net.patches.append(replace(patch, wear=net.style.wear))


def _signal(net: Network, arm: Arm, group: int, phases: tuple[tuple[str, float], ...]) -> int:
    number = len(net.signals) + 1
    line = outward(net, arm)
    at = between(line, zone_m(arm, "signals"), zone_m(arm, "signals") + 1.0)
    x, y = offset(at, arm.left_m + 0.6)[0]
    wide = len(arm.incoming) > 1
    net.posts.append(
        Post(
            "signal",
            float(x),
            float(y),
            arm.heading_rad,
            arm_m=arm.left_m - 2.0 if wide else 0.0,
            signal=number,
        )
    )
    net.signals.append(Signal(number, (float(x), float(y), 2.9), arm.heading_rad, group, phases))
    return number


def _walkers_signal(
    net: Network, arm: Arm, number: int, group: int, phases: tuple[tuple[str, float], ...]
) -> Signal:
    line = outward(net, arm)
    at = between(line, _CROSSING_FROM_MOUTH_M + CROSSING_M / 2, _CROSSING_FROM_MOUTH_M + CROSSING_M / 2 + 1.0)
    x, y = offset(at, -arm.right_m - 0.7)[0]
    looks = arm.heading_rad + np.pi / 2
    net.posts.append(Post("walkers_signal", float(x), float(y), looks, signal=number))
    return Signal(number, (float(x), float(y), 2.4), looks, group, phases, for_walkers=True)


def add_crossing(net: Network, road: int, at_m: float, signal: int = 0) -> None:
    """A crossing over a road with its middle at a distance along the road's line."""
    r = net.roads[road]
    low, high = at_m - CROSSING_M / 2, at_m + CROSSING_M / 2
    polygon = crossing_polygon(r.line_m, low, high, r.profile.left_m, r.profile.right_m)
    middle = between(r.line_m, at_m - 0.1, at_m + 0.1)[[0, -1]]
    path = np.stack(
        [offset(middle, r.profile.left_m).mean(axis=0), offset(middle, -r.profile.right_m).mean(axis=0)]
    )
    net.patches += crossing_bars(polygon, net.style.wear)
    net.low_kerb.append(
        crossing_polygon(r.line_m, low, high, r.profile.left_m + 0.6, r.profile.right_m + 0.6)
    )
    crossed = []
    segment = shapely.LineString(path)
    for lane in (net.lanes[i] for i in net.of_road[road]):
        hit = segment.intersection(shapely.LineString(lane.centre_m[:, :2]))
        if not hit.is_empty:
            crossed.append((lane.id, lane.project(np.array(hit.centroid.coords[0]))[0]))
    flat = np.zeros((4, 1))
    net.crossings.append(
        Crossing(
            len(net.crossings) + 1,
            np.hstack([polygon, flat]),
            np.hstack([path, flat[:2]]),
            tuple(crossed),
            signal,
        )
    )
