"""Traffic lights, stop lines and right of way of a Lanelet2 map, put onto its lanes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import shapely

from perception_nodes.geometry import wrap_angle

from .junctions import phases_of
from .osm import OsmMap, Relation, Way
from .plan import Post
from .profile import Arm
from .roads import Lane, Signal

F64 = npt.NDArray[np.float64]

_JUNCTION_M = 45.0  # lights nearer to each other belong to one junction
_HEAD_M = 2.9


class HasRules(Protocol):
    """A lanelet, as far as rules go."""

    @property
    def id(self) -> int:
        """Of its relation."""
        ...

    @property
    def rules(self) -> tuple[int, ...]:
        """Ids of the regulatory elements that it names."""
        ...


def rules_of(
    source: OsmMap,
    middle: F64,
    roads: Iterable[HasRules],
    lanes: tuple[Lane, ...],
    of_lanelet: dict[int, list[int]],
    stop_ways: list[tuple[Way, F64]],
) -> tuple[tuple[Lane, ...], tuple[Signal, ...], tuple[Post, ...], tuple[F64, ...]]:
    """Lanes with their stops, signals and who goes first; the signals, their poles, the stop lines (2, 2)."""
    by_id = {lane.id: lane for lane in lanes}
    stops = tuple(line[[0, -1]] for _, line in stop_ways)
    _stop_at_lines(by_id, stops)
    signals, posts = _lights(source, middle, roads, by_id, of_lanelet)
    _right_of_way(source, by_id, of_lanelet)
    _number_junctions(by_id)
    return tuple(by_id.values()), signals, posts, stops


def _stop_at_lines(by_id: dict[int, Lane], stops: tuple[F64, ...]) -> None:
    shapes = [shapely.LineString(line) for line in stops]
    for lane in list(by_id.values()):
        centre = shapely.LineString(lane.centre_m[:, :2])
        hits = [hit for shape in shapes if not (hit := centre.intersection(shape)).is_empty]
        if hits and not lane.turn:
            at = min(lane.project(np.array(hit.centroid.coords[0]))[0] for hit in hits)
            by_id[lane.id] = replace(lane, stop_s_m=max(at - 0.3, 0.1))


def _lights(
    source: OsmMap,
    middle: F64,
    roads: Iterable[HasRules],
    by_id: dict[int, Lane],
    of_lanelet: dict[int, list[int]],
) -> tuple[tuple[Signal, ...], tuple[Post, ...]]:
    """One signal for each regulatory element that lanes name."""
    found: list[tuple[F64, float, list[int]]] = []
    named: dict[int, list[int]] = {}
    for let in roads:
        for rule in let.rules:
            named.setdefault(rule, []).extend(of_lanelet[let.id])
    for rule, lane_ids in named.items():
        relation = source.relations.get(rule)
        if relation is None or relation.tags.get("subtype") != "traffic_light":
            continue
        at = _place(source, relation)
        heading = by_id[lane_ids[0]].at(0.0)[1][0]
        if at is None:
            continue
        # One light may be named by several rules.
        known = next((f for f in found if np.hypot(*(f[0] - at + middle)) < 0.5), None)
        if known is None:
            found.append((at - middle, float(heading), lane_ids))
        else:
            known[2].extend(lane_ids)
    signals: list[Signal] = []
    posts: list[Post] = []
    for group, members in enumerate(_clusters(np.array([f[0] for f in found]).reshape(-1, 2))):
        arms = [Arm(0, False, float(wrap_angle(found[k][1] + np.pi)), 3.0, 3.0) for k in members]
        phases, _ = phases_of(arms)
        for k, arm, phase in zip(members, arms, phases, strict=True):
            at, _, lane_ids = found[k]
            number, (x, y) = len(signals) + 1, (float(at[0]), float(at[1]))
            signals.append(Signal(number, (x, y, _HEAD_M), arm.heading_rad, group + 1, phase))
            posts.append(Post("signal", x, y, arm.heading_rad, signal=number))
            for lane_id in lane_ids:
                _govern(by_id, lane_id, number)
    return tuple(signals), tuple(posts)


def _govern(by_id: dict[int, Lane], lane_id: int, signal: int) -> None:
    """A signal holds a lane where it stops; one named by a lane across the junction holds those that lead into it."""
    lane = by_id[lane_id]
    before = [x for x in by_id.values() if lane_id in x.successors] if lane.turn else []
    for held in before or [lane]:
        stop = held.stop_s_m if np.isfinite(held.stop_s_m) else max(held.length_m - 0.5, 0.1)
        by_id[held.id] = replace(held, signal=held.signal or signal, stop_s_m=stop)


def _place(source: OsmMap, relation: Relation) -> F64 | None:
    """(2,) the middle of the first light that the rule refers to."""
    for kind, ref, role in relation.members:
        if kind == "way" and role == "refers" and ref in source.ways and len(source.ways[ref].points_m):
            return np.asarray(source.ways[ref].points_m[:, :2].mean(axis=0))
    return None


def _clusters(at: F64) -> list[list[int]]:
    """Indices of places that are joined by steps shorter than a junction is wide."""
    left, out = list(range(len(at))), []
    while left:
        cluster = [left.pop(0)]
        for k in cluster:
            near = [j for j in left if np.hypot(*(at[j] - at[k])) < _JUNCTION_M]
            cluster += near
            left = [j for j in left if j not in near]
        out.append(sorted(cluster))
    return out


def _right_of_way(source: OsmMap, by_id: dict[int, Lane], of_lanelet: dict[int, list[int]]) -> None:
    for relation in source.relations.values():
        if relation.tags.get("subtype") != "right_of_way":
            continue
        roles: dict[str, list[int]] = {"yield": [], "right_of_way": []}
        for _, ref, role in relation.members:
            roles.setdefault(role, []).extend(of_lanelet.get(ref, []))
        for lane_id in roles["yield"]:
            first = {*by_id[lane_id].yields_to, *roles["right_of_way"]} - {lane_id}
            by_id[lane_id] = replace(by_id[lane_id], yields_to=tuple(sorted(first)))


def _number_junctions(by_id: dict[int, Lane]) -> None:
    """Lanes with a turn that touch each other cross the same junction."""
    turning = [lane for lane in by_id.values() if lane.turn]
    at = np.array([lane.centre_m[:, :2].mean(axis=0) for lane in turning]).reshape(-1, 2)
    for number, members in enumerate(_clusters(at)):
        for k in members:
            by_id[turning[k].id] = replace(by_id[turning[k].id], junction=number + 1)
