"""What a camera needs to know of a street besides its mesh: tints of houses, lamps, signs, and how much sky is seen."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import shapely
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter
from scipy.spatial import cKDTree

from perception_nodes.datatypes import ElementType
from perception_nodes.simulation.assets.materials import ALBEDO_RGB, Material
from perception_nodes.simulation.traffic.states import ActorStates
from perception_nodes.simulation.world import World

from .scene import Scene

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]

SKY_CELL_M: Final = 4.0
# Directions in which sky is looked for, even in solid angle times cosine.
_RINGS, _TURNS = 3, 6
_WALLS: Final = (Material.FACADE, Material.BRICK, Material.CONCRETE, Material.WALL)
# Codes of triangles: 0 nothing; from _LAMP on three a signal (green, yellow, red); below 0 signs.
LAMP: Final = 1
# Street lamps that light one place.
_LAMPS, _LAMP_REACH_M = 4, 40.0
_SIGN_KINDS: Final = {"stop": 1, "yield": 2, "priority": 3, "danger": 4}


class Place(NamedTuple):
    """What does not change.

    tint (T, 3), code (T,) of the triangles of the street; face (T,): the same for both halves of a face; signs (S, 5):
    middle, kind, half width; sky (W, H): share of the sky that is seen from the nodes of a grid that begins at low
    (2,), m, odom; lamps (L, 3): street lamps, and those that light each cell of the grid (W, H, 4), -1 = none.
    """

    tint: F32
    code: I32
    face: I32
    signs: F64
    sky: F32
    low: F64
    lamps: F64
    lighting: I32


@lru_cache(maxsize=4)
def place_of(world: World, scene: Scene) -> Place:
    """Of one street; found once."""
    mesh = world.mesh
    middle = mesh.vertices[mesh.triangles].mean(axis=1)
    code = np.zeros(len(middle), np.int32)
    lamps = np.flatnonzero(mesh.material == Material.LAMP)
    code[lamps] = _lamp_codes(middle[lamps], world)
    signs = _signs(world)
    plates = np.flatnonzero(mesh.material == Material.SIGN)
    if len(signs) and len(plates):
        away, nearest = cKDTree(signs[:, :3]).query(middle[plates])
        code[plates] = np.where(away < 1.0, -1 - nearest, 0)
    low = np.asarray(world.surface.low_m, np.float64)
    sky = _sky(world, scene, low)
    return Place(
        _tints(world, middle),
        code,
        mesh.triangles[:, 0].astype(np.int32),
        signs,
        sky,
        low,
        world.lamps_m,
        _lighting(world.lamps_m, low, sky.shape),
    )


def _lighting(lamps_m: F64, low: F64, size: tuple[int, ...]) -> I32:
    """(W, H, 4) the nearest lamps of each cell, as far as their light matters."""
    out = np.full((*size, _LAMPS), -1, np.int32)
    if len(lamps_m):
        nodes = np.stack(np.meshgrid(*(np.arange(n) for n in size), indexing="ij"), axis=-1)
        away, index = cKDTree(lamps_m[:, :2]).query(low + SKY_CELL_M * (nodes + 0.5), k=_LAMPS)
        out[:] = np.where(away < _LAMP_REACH_M, index, -1)
    return out


def lit_lamps(world: World, time_s: float) -> npt.NDArray[np.uint8]:
    """(codes,) whether each lamp of the signals is on, by code of its triangles."""
    out = np.zeros(3 * len(world.graph.signals) + LAMP + 3, np.uint8)
    for k, signal in enumerate(world.graph.signals):
        colour = signal.colour(time_s)
        out[LAMP + 3 * k : LAMP + 3 * k + 3] = colour == "green", "yellow" in colour, "red" in colour
    return out


def _lamp_codes(middle: F64, world: World) -> I32:
    """Triangles of one disc follow each other, and the discs of one head do so from below."""
    out = np.zeros(len(middle), np.int32)
    signals = world.graph.signals
    if not signals or not len(middle):
        return out
    tree = cKDTree(np.array([s.position_m[:2] for s in signals]))
    start = 0
    for k in range(1, len(middle) + 1):
        if k < len(middle) and np.hypot(*(middle[k, :2] - middle[start, :2])) < 0.3:
            continue
        level = np.round((middle[start:k, 2] - middle[start:k, 2].min()) / 0.3).astype(int)
        # A head over the road hangs on an arm of up to 8 m.
        _, own = tree.query(middle[start, :2])
        if level.max() == 1:
            level = 2 * level
        out[start:k] = LAMP + 3 * int(own) + np.minimum(level, 2)
        start = k
    return out


def _signs(world: World) -> F64:
    """(S, 5) middle of the plates, kind (0 = round, for speeds), half width."""
    half = {1: 0.45, 2: 0.5, 3: 0.42, 4: 0.5}
    rows = []
    for element in world.elements:
        if element.type == ElementType.TRAFFIC_SIGN:
            kind = _SIGN_KINDS.get(element.subtype, 0)
            rows.append([*element.points_m[0], kind, half.get(kind, 0.3)])
    return np.array(rows, np.float64).reshape(-1, 5)


def _tints(world: World, middle: F64) -> F32:
    """Each house has its colour; leaves, planks and stones differ a little from each other."""
    mesh, n = world.mesh, len(middle)
    rng = np.random.default_rng(7)
    out = np.ones((n, 3))
    _, face = np.unique(mesh.triangles[:, 0], return_inverse=True)
    loose = np.isin(mesh.material, (Material.FOLIAGE, Material.WOOD, Material.GRASS))
    out[loose] = rng.uniform(0.75, 1.25, (face.max() + 1, 1))[face[loose]]
    out[loose, 0] *= rng.uniform(0.8, 1.2, face.max() + 1)[face[loose]]
    walls = np.flatnonzero(np.isin(mesh.material, _WALLS))
    if len(world.houses) and len(walls):
        away, own = cKDTree(_perimeters(world)).query(middle[walls, :2])
        own = own // _STEPS
        light = rng.uniform(0.55, 1.25, (len(world.houses), 1))
        warm = rng.normal(0.0, 0.09, (len(world.houses), 1)) * np.array([1.0, 0.1, -1.1])
        paint = light * (1.0 + warm + rng.normal(0.0, 0.04, (len(world.houses), 3)))
        near = away < 1.5
        out[walls[near]] = paint[own[near]]
    top = 0.88 / ALBEDO_RGB[mesh.material]
    return np.ascontiguousarray(np.clip(out, 0.2, top), np.float32)


_STEPS: Final = 48


def _perimeters(world: World) -> F64:
    """(houses x _STEPS, 2) points along the walls of all houses."""
    share = np.arange(_STEPS // 4)[:, None] / (_STEPS // 4)
    rows = [c[k] + share * (c[(k + 1) % 4] - c[k]) for c in world.houses for k in range(4)]
    return np.concatenate(rows)


def _sky(world: World, scene: Scene, low: F64) -> F32:
    """(W, H) by rays from 1.5 m above the ground; under houses as beside them."""
    size = (np.array(world.surface.road_m.shape) * 2.5 / SKY_CELL_M).astype(int) + 2
    xy = low + SKY_CELL_M * np.stack(
        np.meshgrid(*(np.arange(n) for n in size), indexing="ij"), axis=-1
    ).reshape(-1, 2)
    foot = np.column_stack([xy, world.surface.road_height(xy) + 1.5]).astype(np.float32)
    none = ActorStates.standing(np.zeros(0, np.int64), np.zeros((0, 6)))
    view = scene.look((none, none))
    seen = np.zeros(len(xy))
    for ring in range(_RINGS):
        rise = np.arcsin(np.sqrt((ring + 0.5) / _RINGS))
        for turn in range(_TURNS):
            angle = 2 * np.pi * (turn + 0.5 * ring) / _TURNS
            towards = np.array([np.cos(angle) * np.cos(rise), np.sin(angle) * np.cos(rise), np.sin(rise)])
            seen += ~view.stops(foot, towards, np.zeros(len(xy), np.float32), 100.0)
    seen /= _RINGS * _TURNS
    outside = np.ones(len(xy))
    for corners in world.houses:
        outside[shapely.contains_xy(shapely.Polygon(corners), xy[:, 0], xy[:, 1])] = 0.0
    weight, seen = outside.reshape(tuple(size)), seen.reshape(tuple(size)) * outside.reshape(tuple(size))
    near, wide = (gaussian_filter(weight, sigma) for sigma in (0.45, 3.0))
    value = np.where(
        near > 0.05,
        gaussian_filter(seen, 0.45) / np.maximum(near, 0.05),
        gaussian_filter(seen, 3.0) / np.maximum(wide, 1e-3),
    )
    # Beside a tunnel lies open ground, behind its wall: the dark reaches a node farther than the roof.
    covered = (seen < 0.1) & (weight > 0)
    value = np.where(maximum_filter(covered, 3), minimum_filter(np.where(weight > 0, value, 1.0), 3), value)
    return np.ascontiguousarray(np.clip(value, 0.0, 1.0), np.float32)
