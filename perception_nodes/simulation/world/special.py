"""Motorway with a merge, works that close a lane, a tunnel, a car park."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import shapely

from perception_nodes.geometry import resample

from .drawing import Surroundings, plan_of
from .junctions import bezier
from .markings import Style
from .network import Network, draw_network
from .options import Options, ego_start, either, finished, open_end, profile_of, relief_of, style_of
from .paint import between, offset
from .plan import Barrier, Line, Plan, Post
from .profile import Place, Profile, Road, strip_polygon
from .roads import Lane

F64 = npt.NDArray[np.float64]

STEP_M = 4.0
_ACCELERATION_M = 240.0  # of a merge (RAA 2008: 250 m; Green Book: 180-420 m)
_TAPER_M = 60.0


def highway(o: Options, rng: np.random.Generator) -> Plan:
    """Two carriageways with hard shoulders and guard rails; a slip road joins from the right."""
    lanes = either(o.lanes, int(rng.integers(2, 4)))
    half = either(o.length_m, 700.0) / 2
    base = Profile(
        lanes,
        lanes,
        either(o.lane_m, 3.65),
        either(o.median_m, 4.0),
        shoulder_m=2.5,
        pavement_m=0.0,
        speed_mps=33.0,
        edge_lines=True,
    )
    bend = float(rng.uniform(-6e-4, 6e-4))
    x = np.arange(-half, half + 0.1, STEP_M)
    line = np.column_stack([x, bend * x**2 / 2])
    merge = half - 0.25 * half
    cuts = [0, int((merge) / STEP_M), int((merge + _ACCELERATION_M) / STEP_M), len(x) - 1]
    cuts[2] = min(cuts[2], len(x) - 20)
    ends = [line[c] for c in cuts]
    places = [open_end(ends[0]), _join(ends[1]), _join(ends[2]), open_end(ends[3])]
    roads = [
        Road(line[cuts[k] : cuts[k + 1] + 1], replace(base, forward=lanes + (k == 1)), k, k + 1)
        for k in range(3)
    ]
    net = draw_network(places, roads, style_of(o, rng))
    slip = _slip_road(net, base)
    _taper(net, base)
    plan = plan_of(
        "highway",
        net,
        relief_of(o, rng, kerb_m=0.0),
        Surroundings(30.0, either(o.setting, "open")),
        rng,
        ego_start(net, 0, 60.0),
    )
    rails = list(_rails(net, line, base, slip))
    kmh = Post(
        "gantry", *_beside(net, 0, 120.0, -base.right_m - 1.5), _back(net, 0, 120.0), arm_m=base.right_m + 1.0
    )
    return replace(plan, barriers=tuple(rails), posts=(*plan.posts, kmh))


def _join(xy: F64) -> Place:
    return Place(float(xy[0]), float(xy[1]), "join", 2.0)


def _slip_road(net: Network, base: Profile) -> F64:
    """A lane from the right that leads into the acceleration lane; (N, 2) its right edge."""
    lane_id = next(i for i in reversed(net.of_road[1]) if net.lanes[i].kind == "driving")
    lane = replace(net.lanes[lane_id], turn="merge", yields_to=(net.lanes[lane_id].left,))
    net.lanes[lane_id] = lane
    start, yaw = lane.at(0.0)
    end_yaw = float(yaw[0])
    far = start[0, :2] + 150.0 * np.array([np.cos(end_yaw + np.pi + 0.16), np.sin(end_yaw + np.pi + 0.16)])
    xy = resample(bezier(far, end_yaw + 0.28, start[0, :2], end_yaw), STEP_M)
    slip = Lane(
        next(net.ids), np.column_stack([xy, np.zeros(len(xy))]), base.lane_m, 22.0, successors=(lane_id,)
    )
    net.lanes[slip.id] = slip
    # The strip goes on a little under the road, and backwards beyond the domain's border.
    back = xy[0] - 40.0 * np.array([np.cos(end_yaw + 0.28), np.sin(end_yaw + 0.28)])
    strip = np.concatenate([[back], xy, [xy[-1] + 5.0 * np.array([np.cos(end_yaw), np.sin(end_yaw)])]])
    net.asphalt.append(shapely.Polygon(strip_polygon(strip, base.lane_m / 2 + 0.5, base.lane_m / 2 + 2.0)))
    for side in (-1.0, 1.0):
        edge = between(offset(xy, side * (base.lane_m / 2 - 0.1)), 0.0, 118.0 if side > 0 else 149.0)
        net.lines.append(Line(edge, "solid", "solid", wear=net.style.wear))
    net.caps.append(shapely.LineString([xy[0], 2.0 * back - xy[0]]).buffer(14.0, cap_style="flat"))
    return offset(xy, -base.lane_m / 2 - 2.6)


def _taper(net: Network, base: Profile) -> None:
    """Asphalt narrows slowly where the acceleration lane ends."""
    line = between(net.roads[2].line_m, 0.0, _TAPER_M)
    share = np.linspace(1.0, 0.0, len(line))
    right = offset(line, -(base.right_m + share * base.lane_m))
    net.asphalt.append(shapely.Polygon(np.concatenate([line, right[::-1]])))


def _beside(net: Network, road: int, at_m: float, left_m: float) -> tuple[float, float]:
    x, y = offset(between(net.roads[road].line_m, at_m, at_m + 1.0), left_m)[0]
    return float(x), float(y)


def _back(net: Network, road: int, at_m: float) -> float:
    """The heading against the traffic."""
    step = np.diff(between(net.roads[road].line_m, at_m, at_m + 1.0)[[0, -1]], axis=0)[0]
    return float(np.arctan2(-step[1], -step[0]))


def _rails(net: Network, line: F64, base: Profile, slip: F64) -> Iterator[Barrier]:
    yield Barrier("guard_rail", offset(line, 0.6), 0.75)
    yield Barrier("guard_rail", offset(line, -0.6), 0.75)
    yield Barrier("guard_rail", offset(line, base.left_m + 0.8), 0.75)
    yield Barrier("guard_rail", slip, 0.75)
    first = net.roads[0].line_m
    # Where the slip road comes in there is no rail.
    yield Barrier(
        "guard_rail", offset(between(first, 0.0, net.roads[0].length_m - 110.0), -base.right_m - 0.8), 0.75
    )
    yield Barrier("guard_rail", offset(net.roads[1].line_m, -base.right_m - base.lane_m - 0.8), 0.75)
    last = between(net.roads[2].line_m, _TAPER_M + 5.0, net.roads[2].length_m)
    yield Barrier("guard_rail", offset(last, -base.right_m - 0.8), 0.75)


def roadworks(o: Options, rng: np.random.Generator) -> Plan:
    """The right lane of a road with two lanes is closed for a while, behind boards and concrete walls."""
    length, start = either(o.length_m, 360.0), float(rng.uniform(170.0, 190.0))
    works = float(rng.uniform(60.0, 80.0))
    line = resample(np.array([[-length / 2, 0.0], [length / 2, 0.0]]), STEP_M)
    lanes = max(either(o.lanes, 2), 2)
    profile = profile_of(
        o, rng, forward=lanes, backward=lanes, parking=(False, False), bicycle=False, edge_lines=True
    )
    cuts = [0, int(start / STEP_M), int((start + works) / STEP_M), len(line) - 1]
    places = [open_end(line[0]), _join(line[cuts[1]]), _join(line[cuts[2]]), open_end(line[-1])]
    roads = [Road(line[cuts[k] : cuts[k + 1] + 1], profile, k, k + 1) for k in range(3)]
    net = draw_network(places, roads, style_of(o, rng))
    closed = _close_lane(net)
    plan = finished("roadworks", o, net, rng, ego_start(net, 0, 80.0))
    return _with_works(plan, closed)


def _close_lane(net: Network) -> Lane:
    """Take the right lane of the middle road out of the graph; the lane before it ends in its left neighbour."""
    slots = net.roads[1].profile.slots
    lane_id = [i for i, s in zip(net.of_road[1], slots, strict=True) if s.kind == "driving" and s.forward][-1]
    closed = net.lanes.pop(lane_id)
    for lane in list(net.lanes.values()):
        if lane_id in lane.successors or lane.id in closed.successors:
            del net.lanes[lane.id]
    for road, ids in net.of_road.items():
        net.of_road[road] = [i for i in ids if i in net.lanes]
    for lane in list(net.lanes.values()):
        kept = tuple(i for i in lane.successors if i in net.lanes)
        yields = tuple(i for i in lane.yields_to if i in net.lanes)
        right = lane.right if lane.right in net.lanes else 0
        ended = bool(lane.successors) and not kept
        changed = replace(lane, successors=kept, yields_to=yields, right=right)
        if ended:
            changed = replace(changed, turn="merge", yields_to=(lane.left,))
        net.lanes[lane.id] = changed
    return closed


def _with_works(plan: Plan, closed: Lane) -> Plan:
    xy = closed.centre_m[:, :2]
    half, length = closed.width_m / 2, closed.length_m
    taper = between(xy, 0.0, 25.0)
    share = np.linspace(-1.0, 1.0, len(taper))
    slant = offset(taper, share * (half - 0.3))
    inside = offset(between(xy, 25.0, length - 4.0), half - 0.3)
    boards = np.concatenate([resample(slant, 3.0), resample(inside, 9.0)[1:]])
    posts = [Post("beacon", float(x), float(y), np.pi) for x, y in boards]
    sign_at = [closed.at(-s)[0][0, :2] + [0.0, -half - 1.2 - 0.5] for s in (40.0, 90.0)]
    posts += [
        Post("sign", float(x), float(y), np.pi, value)
        for (x, y), value in zip(sign_at, ("30 km/h", "danger"), strict=True)
    ]
    yellow = Line(np.concatenate([slant, inside[1:]]), "solid", "solid", yellow=True)
    wall = Barrier(
        "jersey", between(offset(between(xy, 30.0, length - 8.0), half - 0.9), 0.0, length - 40.0), 0.8
    )
    return replace(
        plan, posts=(*plan.posts, *posts), lines=(*plan.lines, yellow), barriers=(*plan.barriers, wall)
    )


def tunnel(o: Options, rng: np.random.Generator) -> Plan:
    """A road through a tunnel; the drive begins inside or before it, and comes out into the light."""
    length, inside = either(o.length_m, 420.0), float(rng.uniform(110.0, 150.0))
    x = np.linspace(-length / 2, length / 2, 120)
    line = resample(np.column_stack([x, float(rng.uniform(-8, 8)) * np.sin(np.pi * x / length)]), STEP_M)
    lanes = either(o.lanes, int(rng.integers(1, 3)))
    profile = profile_of(
        o,
        rng,
        forward=lanes,
        backward=lanes,
        parking=(False, False),
        bicycle=False,
        edge_lines=True,
        pavement_m=1.0,
        speed_mps=22.0,
    )
    net = draw_network([open_end(line[0]), open_end(line[-1])], [Road(line, profile, 0, 1)], style_of(o, rng))
    at = length / 2 - inside
    bore = between(line, at, at + inside)
    walls = offset(bore, profile.left_m + 0.95), offset(bore, -profile.right_m - 0.95)
    plan = finished("tunnel", o, net, rng, ego_start(net, 0, at + 0.35 * inside), "open")
    height = float(rng.uniform(4.8, 5.5))
    sides = tuple(Barrier("tunnel_wall", wall, height) for wall in walls)
    return replace(plan, barriers=(*plan.barriers, *sides), roofs=((walls[0], walls[1], height),))


_BAY_M, _DEEP_M = 2.5, 5.0


def car_park(o: Options, rng: np.random.Generator) -> Plan:
    """Aisles between rows of bays, joined at both ends; one way in."""
    aisles, wide = 3, 3.0
    bays = int(rng.integers(14, 20))
    long, pitch = bays * _BAY_M + 2 * 4.0, 2 * wide + 2 * _DEEP_M
    lane = Profile(1, 1, wide, pavement_m=0.0, speed_mps=4.0, centre_line=False)
    places = [Place(x, (k - 1) * pitch, "equal", 3.0) for k in range(aisles) for x in (0.0, long + 2 * wide)]
    places.append(Place(-40.0, 0.0, "open"))
    roads = [_aisle(places, 2 * k, 2 * k + 1, lane) for k in range(aisles)]
    roads += [
        _aisle(places, 2 * k + side, 2 * k + 2 + side, lane) for k in range(aisles - 1) for side in (0, 1)
    ]
    roads.append(_aisle(places, len(places) - 1, 2, lane))
    net = draw_network(places, roads, Style(either(o.wear, 0.15)))
    top = pitch + wide + _DEEP_M
    net.asphalt.append(shapely.box(-wide, -top, long + 3 * wide, top))
    relief = replace(relief_of(o, rng), crown=0.0, slope=either(o.slope, float(rng.uniform(0.0, 0.02))))
    plan = plan_of(
        "car_park",
        net,
        relief,
        Surroundings(16.0, either(o.setting, "suburb")),
        rng,
        (net.of_road[len(roads) - 1][-1], 10.0),
    )
    starts = (long + 2 * wide - bays * _BAY_M) / 2 + _BAY_M * np.arange(bays + 1)
    rows = [(k - 1) * pitch + side * (wide + _DEEP_M / 2) for k in range(aisles) for side in (-1, 1)]
    lines = [_bay_line(x, y) for y in rows for x in starts]
    places_at = [[x + _BAY_M / 2, y, _nose(y, pitch), _DEEP_M, _BAY_M] for y in rows for x in starts[:-1]]
    lamps = [Post("lamp", float(x), float(y), 0.0) for y in (-pitch / 2, pitch / 2) for x in starts[2::6]]
    return replace(
        plan, lines=(*plan.lines, *lines), parking=np.array(places_at), posts=(*plan.posts, *lamps)
    )


def _aisle(places: list[Place], a: int, b: int, profile: Profile) -> Road:
    ends = np.array([[places[k].x_m, places[k].y_m] for k in (a, b)])
    return Road(resample(ends, STEP_M), profile, a, b)


def _bay_line(x: float, y: float) -> Line:
    return Line(np.array([[x, y - _DEEP_M / 2], [x, y + _DEEP_M / 2]]), "solid", "", width_m=0.1, wear=0.15)


def _nose(y: float, pitch: float) -> float:
    """Noses point away from the aisle."""
    return np.pi / 2 if (y + 1.5 * pitch) % pitch > pitch / 2 else -np.pi / 2
