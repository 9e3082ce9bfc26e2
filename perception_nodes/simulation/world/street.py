"""A world: the road graph on its ground, the mesh of all that stands still, the paint, and the exact map of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import MapElement
from perception_nodes.simulation.assets.meshes import Mesh, join

from .elements import map_elements
from .furniture import post_mesh, sign_plate
from .ground import ground_mesh
from .growth import grown
from .paint import Paint, build_paint, quads_of
from .placing import Settlement, settle
from .plan import Plan, Post
from .roads import RoadGraph, Signal
from .structures import barrier, house, roof
from .surface import Surface, build_surface

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class World:
    """Everything that does not move, odom.

    mesh: all of it, as triangles; elements: map truth, on the surface; parking (P, 6): x, y, z, yaw of the middle of
    each place to park, its length and width; verges (V, 6): where cars stand off the road, against what grows there;
    ego: lane id and distance along it where a drive starts; houses (4, 2) each: footprints; lamps_m (L, 3): the heads
    of street lamps.
    """

    name: str
    graph: RoadGraph
    surface: Surface
    mesh: Mesh
    paint: Paint
    elements: tuple[MapElement, ...]
    parking: F64
    ego: tuple[int, float]
    verges: F64 = field(default_factory=lambda: np.zeros((0, 6)))
    houses: tuple[F64, ...] = ()
    lamps_m: F64 = field(default_factory=lambda: np.zeros((0, 3)))

    def painted(self, xy_m: F64) -> npt.NDArray[np.uint8]:
        """(N,) 0 none, 1 white, 2 yellow at points (N, 2) of the road; worn paint is absent where it is gone."""
        return self.paint.at(xy_m)


def assemble(plan: Plan, rng: np.random.Generator) -> World:
    """Give a plan its heights, houses, furniture and paint."""
    surface = build_surface(plan, rng)
    settled = settle(plan, rng)
    posts = (*plan.posts, *settled.posts)
    feet = surface.height(np.array([[p.x_m, p.y_m] for p in posts]).reshape(-1, 2))
    graph = RoadGraph(
        tuple(replace(lane, centre_m=_lifted(lane.centre_m, surface)) for lane in plan.lanes),
        tuple(
            replace(c, polygon_m=_lifted(c.polygon_m, surface), path_m=_lifted(c.path_m, surface))
            for c in plan.crossings
        ),
        tuple(_standing(signal, surface) for signal in plan.signals),
        tuple(np.column_stack([w[:, :2], surface.height(w[:, :2])]) for w in plan.sidewalks),
    )
    signs = tuple(
        (sign_plate(p, float(z)), p.value) for p, z in zip(posts, feet, strict=True) if p.kind == "sign"
    )
    built = list(_built(plan, settled, surface, rng))
    standing = [post_mesh(p, rng).moved((0.0, 0.0, float(z))) for p, z in zip(posts, feet, strict=True)]
    return World(
        plan.name,
        graph,
        surface,
        join([ground_mesh(plan, surface), *built, *standing]),
        build_paint(quads_of(plan.lines, plan.patches), int(rng.integers(2**31))),
        map_elements(plan, surface, signs),
        _places(plan.parking, surface),
        plan.ego,
        _places(np.array(settled.lining.places).reshape(-1, 5), surface),
        tuple(settled.houses),
        _lamps(posts, standing),
    )


def _lifted(xyz_m: F64, surface: Surface) -> F64:
    """On the asphalt."""
    return np.column_stack([xyz_m[:, :2], surface.road_height(xyz_m[:, :2])])


def _places(places: F64, surface: Surface) -> F64:
    """(P, 6) of (P, 5): with their height."""
    return np.column_stack([places[:, :2], surface.height(places[:, :2]), places[:, 2:]])


def _standing(signal: Signal, surface: Surface) -> Signal:
    """Its height counted from the ground."""
    x, y, z = signal.position_m
    foot = float(surface.height(np.array([[x, y]]))[0])
    return replace(signal, position_m=(x, y, z + foot))


def _built(plan: Plan, settled: Settlement, surface: Surface, rng: np.random.Generator) -> Iterator[Mesh]:
    for corners, height in zip(settled.houses, settled.heights_m, strict=True):
        yield house(corners, height, surface.height, rng)
    for b in (*plan.barriers, *settled.barriers):
        yield barrier(b.kind, b.points_m, b.height_m, surface.height, rng)
    for left, right, height in plan.roofs:
        yield roof(left, right, height, surface.road_height)
    if settled.lining.woods or settled.lining.banks:
        yield grown(settled.lining, plan, surface.height, rng)


def _lamps(posts: tuple[Post, ...], built: list[Mesh]) -> F64:
    """(L, 3) where the light comes from: the highest part of each street lamp, at the end of its arm."""
    heads = [mesh.vertices[np.argsort(mesh.vertices[:, 2])[-4:]].mean(axis=0)
             for post, mesh in zip(posts, built, strict=True) if post.kind == "lamp"]  # fmt: skip
    return np.array(heads, np.float64).reshape(-1, 3)
