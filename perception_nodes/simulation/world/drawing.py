"""From a network to a plan: areas of asphalt and pavement, paint along the roads, places to park."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from perception_nodes.geometry import arc_length

from .markings import arrow, road_lines
from .network import CROSSING_M, Network, outward, zone_m
from .paint import between, offset
from .plan import Line, Patch, Plan, Post, Relief
from .profile import Arm, strip_polygon
from .roads import Lane

F64 = npt.NDArray[np.float64]

_BEYOND_M = 8.0  # asphalt goes on so far behind an open end, and is cut off by the domain
_PLACE_M = (5.2, 5.9)  # length of a place to park along the kerb
_CLEAR_M = 9.0  # no parking nearer to a mouth or a crossing


@dataclass(frozen=True)
class Surroundings:
    """margin_m: ground beyond the asphalt; setting: what stands there."""

    margin_m: float = 32.0
    setting: str = "town"


def plan_of(
    name: str,
    net: Network,
    relief: Relief,
    around: Surroundings,
    rng: np.random.Generator,
    ego: tuple[int, float],
) -> Plan:
    """The plan of a network."""
    road, islands, domain = areas(net, around.margin_m)
    wide = max(r.profile.pavement_m for r in net.roads)
    pavement = road.buffer(wide).intersection(domain) if wide > 0 else shapely.Polygon()
    walks = sidewalks(road.union(islands), domain, wide) if wide > 0 else ()
    lines = [*net.lines, *(line for k in range(len(net.roads)) for line in _lines(net, k))]
    parking = [place for k in range(len(net.roads)) for place in _parking(net, k, rng)]
    return Plan(
        name,
        tuple(net.lanes[key] for key in sorted(net.lanes)),
        road,
        pavement,
        domain,
        islands,
        around.setting,
        ego,
        relief,
        tuple(net.crossings),
        tuple(net.signals),
        walks,
        tuple(lines),
        tuple(net.stop_lines),
        (*net.patches, *_arrows(net)),
        (*net.posts, *_signs(net)),
        low_kerb=tuple(net.low_kerb),
        parking=np.array(parking).reshape(-1, 5),
    )


def areas(net: Network, margin_m: float) -> tuple[BaseGeometry, BaseGeometry, BaseGeometry]:
    """Asphalt, raised islands in it, and the domain."""
    strips = [_strip(net, k) for k in range(len(net.roads))]
    road = shapely.union_all(
        [*strips, *net.asphalt, *(_rounded(net, k, strips) for k in range(len(net.places)))]
    )
    ends = [k for k, place in enumerate(net.places) if place.control == "open"]
    caps = [*net.caps, *(cap for k in ends for cap in _caps(net, k, margin_m))]
    # The inside of a block is ground too.
    blocks = [shapely.Polygon(part.exterior) for part in shapely.get_parts(road.buffer(margin_m))]
    domain = shapely.union_all(blocks).difference(shapely.union_all(caps))
    islands = shapely.union_all([_median(net, k) for k in range(len(net.roads))])
    # Collinear points of unions would make slivers of triangles.
    road = road.difference(islands).simplify(0.005)
    return road, islands, domain


def _strip(net: Network, k: int) -> BaseGeometry:
    """All of a road from place to place, on beyond open ends."""
    road = net.roads[k]
    line = road.line_m
    if net.places[road.start].control == "open":
        line = np.concatenate([[line[0] - _BEYOND_M * _unit(line[1] - line[0])], line])
    if net.places[road.end].control == "open":
        line = np.concatenate([line, [line[-1] + _BEYOND_M * _unit(line[-1] - line[-2])]])
    return shapely.Polygon(strip_polygon(line, road.profile.left_m, road.profile.right_m)).buffer(0)


def _unit(v: F64) -> F64:
    return np.asarray(v / np.hypot(*v))


def _rounded(net: Network, k: int, strips: list[BaseGeometry]) -> BaseGeometry:
    """A junction with rounded corners."""
    arms, place = net.arms[k], net.places[k]
    if len(arms) < 2:
        return shapely.Polygon()
    at = shapely.Point(place.x_m, place.y_m)
    width = max(max(arm.left_m, arm.right_m) for arm in arms)
    around = at.buffer(max(arm.setback_m for arm in arms) + width + 3.0)
    mine = shapely.union_all([strips[arm.road].intersection(around) for arm in arms])
    mine = mine.union(at.buffer(min(min(arm.left_m, arm.right_m) for arm in arms)))
    turns = [lane for lane in net.lanes.values() if lane.junction == k + 1]
    ribbons = [
        shapely.LineString(lane.centre_m[:, :2]).buffer(lane.width_m / 2 + 0.2, cap_style="flat")
        for lane in turns
    ]
    mine = shapely.union_all([mine, *ribbons])
    closed = mine.buffer(place.radius_m, quad_segs=12).buffer(-place.radius_m, quad_segs=12)
    return closed.intersection(around)


def _caps(net: Network, k: int, margin_m: float) -> Iterator[BaseGeometry]:
    """Behind an open end there is nothing."""
    for arm in net.arms[k]:
        line = net.roads[arm.road].line_m
        line = line[::-1] if arm.at_end else line
        back = _unit(line[0] - line[1])
        side = np.array([-back[1], back[0]]) * (max(arm.left_m, arm.right_m) + margin_m + 5.0)
        far = line[0] + back * (margin_m + _BEYOND_M + 60.0)
        yield shapely.Polygon([line[0] - side, line[0] + side, far + side, far - side])


def _median(net: Network, k: int) -> BaseGeometry:
    """The raised strip between two directions, with round ends that stop before crossings."""
    profile = net.roads[k].profile
    if profile.median_m < 0.5:
        return shapely.Polygon()
    start, end = net.ends(k)
    line = net.trimmed(k)
    low, high = (_clear(net, arm) for arm in (start, end))
    if arc_length(line)[-1] - low - high < 5.0:
        return shapely.Polygon()
    half = profile.median_m / 2
    return shapely.LineString(between(line, low, arc_length(line)[-1] - high)).buffer(half - 0.05)


def _clear(net: Network, arm: Arm) -> float:
    """From the mouth to where medians begin."""
    place = net.places[net.roads[arm.road].end if arm.at_end else net.roads[arm.road].start]
    if place.control in ("open", "join"):
        return 0.0
    half = net.roads[arm.road].profile.median_m / 2
    return (0.8 + CROSSING_M + 0.4 if arm.has_crossing else 0.0) + half


def sidewalks(road: BaseGeometry, domain: BaseGeometry, wide_m: float) -> tuple[F64, ...]:
    """(N, 3) lines that people walk along, in the middle of the pavements, z = 0."""
    middle = road.buffer(max(0.55 * wide_m, 0.5)).boundary.intersection(domain.buffer(-0.5))
    lines = shapely.get_parts(shapely.line_merge(shapely.segmentize(middle, 2.0)))
    flat = [np.asarray(line.coords) for line in lines if line.length > 8.0]
    return tuple(np.column_stack([xy, np.zeros(len(xy))]) for xy in flat)


def _lines(net: Network, k: int) -> Iterator[Line]:
    """The lines along a road between the zones of its ends, broken at crossings."""
    road = net.roads[k]
    ends = net.ends(k)
    # Where a road only changes its lanes the paint goes on.
    back = [0.0 if _control(net, arm) == "join" else arm.setback_m for arm in ends]
    line = between(road.line_m, back[0], road.length_m - back[1])
    length = float(arc_length(line)[-1])
    zones = [zone_m(arm, _control(net, arm)) for arm in ends]
    cuts = [zones[0]]
    for at in sorted(road.crossings_m):
        middle = at - back[0]
        cuts += [middle - CROSSING_M / 2 - 0.8, middle + CROSSING_M / 2 + 0.8]
    cuts.append(length - zones[1])
    for j in range(0, len(cuts), 2):
        if cuts[j + 1] - cuts[j] > 3.0:
            stops = (j > 0 or zones[0] > 0, j + 2 < len(cuts) or zones[1] > 0)
            yield from road_lines(between(line, cuts[j], cuts[j + 1]), road.profile, net.style, stops)


def _control(net: Network, arm: Arm) -> str:
    road = net.roads[arm.road]
    return net.places[road.end if arm.at_end else road.start].control


def _arrows(net: Network) -> Iterator[Patch]:
    """Turn arrows where a direction has several lanes."""
    for arms in net.arms.values():
        for arm in arms:
            if len(arm.incoming) < 2 or len(arms) < 3:
                continue
            for lane in (net.lanes[i] for i in arm.incoming):
                turns = frozenset(net.lanes[i].turn for i in lane.successors)
                for back in (9.0, 28.0):
                    at, yaw = lane.at(min(lane.stop_s_m, lane.length_m) - back)
                    if lane.stop_s_m > back + 10 and turns:
                        yield from arrow(at[0, :2], float(yaw[0]), turns, net.style.wear)


def _signs(net: Network) -> Iterator[Post]:
    """Stop, yield and priority signs at junctions, speed limits where roads begin."""
    for k, place in enumerate(net.places):
        for arm in net.arms[k]:
            line = outward(net, arm)
            if place.control == "priority":
                value = "priority" if arm.major else ("stop" if arm.road % 2 else "yield")
                yield _sign(line, arm, zone_m(arm, "priority") + 1.0, value, arm.heading_rad)
            if place.control == "open" and arm.outgoing:
                kmh = round(net.roads[arm.road].profile.speed_mps * 3.6 / 10) * 10
                x, y = offset(between(line, 14.0, 16.0), -arm.right_m - 0.7)[0]
                yield Post("sign", float(x), float(y), arm.heading_rad + np.pi, f"{kmh} km/h")


def _sign(line: F64, arm: Arm, at_m: float, value: str, looks_rad: float) -> Post:
    x, y = offset(between(line, at_m, at_m + 1.0), arm.left_m + 0.7)[0]
    return Post("sign", float(x), float(y), looks_rad, value)


def _parking(net: Network, k: int, rng: np.random.Generator) -> Iterator[F64]:
    """Places along the parking lanes, clear of mouths and crossings."""
    start, end = net.ends(k)
    for lane in (net.lanes[i] for i in net.of_road[k]):
        if lane.kind != "parking":
            continue
        taboo = [s for crossing in net.crossings for i, s in crossing.lanes if i == lane.id]
        low, high = (_CLEAR_M if _control(net, arm) != "open" else 2.0 for arm in (start, end))
        at = low
        while True:
            length = float(rng.uniform(*_PLACE_M))
            if at + length > lane.length_m - high:
                break
            if all(abs(at + length / 2 - s) > 7.0 for s in taboo):
                yield _place(lane, at + length / 2, length)
            at += length + (float(rng.uniform(6.0, 12.0)) if rng.random() < 0.06 else 0.1)


def _place(lane: Lane, middle_m: float, length_m: float) -> F64:
    at, yaw = lane.at(middle_m)
    return np.array([at[0, 0], at[0, 1], yaw[0], length_m, lane.width_m])
