"""A camera before known surfaces, for its tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from perception_nodes.geometry import Transform
from perception_nodes.simulation.assets import Asset, Material, Mesh, box, join, quads
from perception_nodes.simulation.sensors.camera import CameraFrame, CameraSensor, CameraSpec
from perception_nodes.simulation.sensors.camera_develop import _CURVE
from perception_nodes.simulation.sensors.moment import Moment
from perception_nodes.simulation.sensors.scene import Scene
from perception_nodes.simulation.traffic.states import ActorStates, EgoState
from perception_nodes.simulation.weather import Weather
from perception_nodes.simulation.world import RoadGraph
from perception_nodes.simulation.world.paint import Paint, Quads, build_paint

GROUND = quads(np.array([[[-99.0, -99, 0], [99, -99, 0], [99, 99, 0], [-99, 99, 0]]]), Material.ASPHALT)
# Ahead at x = 20, up to 10 m high.
WALL = quads(np.array([[[20.0, -30, 0], [20, 30, 0], [20, 30, 10], [20, -30, 10]]]), Material.WALL)
CUBE = Asset.standing("cube", "car", "car", [box((0, 0, 1), (2, 2, 2), Material.CAR_WHITE)])
POST = Asset.standing("post", "pedestrian", "pedestrian", [box((0, 0, 1), (0.5, 0.5, 2), Material.CLOTH)])
SPEC = CameraSpec(width_px=104, height_px=56, noise=0.0)
# 1.5 m above the ground at the middle of base_link, looking ahead.
MOUNT = Transform.from_xyz_rpy((0.0, 0.0, 1.5), (-np.pi / 2, 0.0, -np.pi / 2))
STILL = EgoState((0.0, 0.0, 0.0, 0.0, 0.0, 0.0))


@dataclass(frozen=True, eq=False)
class Flat:
    """The surface of a world without relief."""

    low_m: tuple[float, float] = (-100.0, -100.0)
    road_m: np.ndarray = field(default_factory=lambda: np.zeros((81, 81)))
    road_height: Callable[[np.ndarray], np.ndarray] = lambda xy: np.zeros(len(xy))


@dataclass(frozen=True, eq=False)
class Street:
    """What a camera asks of a world."""

    mesh: Mesh
    paint: Paint
    surface: Flat = field(default_factory=Flat)
    graph: RoadGraph = field(default_factory=partial(RoadGraph, ()))
    elements: tuple[object, ...] = ()
    houses: tuple[np.ndarray, ...] = ()
    lamps_m: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))


def paint(*corners: tuple[float, float, float, float]) -> Paint:
    """White rectangles x0, y0, x1, y1."""
    quad = np.array([[[a, b], [c, b], [c, d], [a, d]] for a, b, c, d in corners]).reshape(-1, 4, 2)
    return build_paint(Quads(quad, np.ones(len(quad), np.uint8), np.zeros(len(quad))), 1)


def moment(
    *actors: tuple[float, float, int],
    mesh: Mesh = GROUND,
    weather: Weather | None = None,
    painted: Paint | None = None,
    ego: tuple[EgoState, EgoState] = (STILL, STILL),
    threads: int = 1,
) -> Moment:
    """actors: x, y and 0 = a cube of 2 m, 1 = a post of 0.5 x 0.5 x 2 m."""
    pose = np.array([[x, y, 0, 0, 0, 0] for x, y, _ in actors], np.float64).reshape(-1, 6)
    states = ActorStates.standing(np.array([a[2] for a in actors], np.int64), pose)
    scene, world = Scene(mesh, [CUBE, POST], threads), Street(mesh, painted or paint())
    return Moment(scene, world, (CUBE, POST), weather or Weather(), 0.0, 0.1, (states, states), ego)  # type: ignore[arg-type]


def shot(
    at: Moment, spec: CameraSpec = SPEC, seed: int = 1, mount: Transform = MOUNT, **changes: float
) -> CameraFrame:
    """One picture."""
    sensor = CameraSensor(replace(spec, **changes), mount, "front_optical")  # type: ignore[arg-type]
    return sensor.frame(at, 10**9, np.random.default_rng(seed))


def pixel(frame: CameraFrame, odom: tuple[float, float, float]) -> tuple[int, int]:
    """Row and column that a point shows at, by the camera model of camera_info."""
    optical = MOUNT.inverse().apply(np.array([odom], np.float64))
    (uv,), _ = frame.camera.project(optical)
    return int(uv[1]), int(uv[0])


def luminance(frame: CameraFrame) -> np.ndarray:
    """(H, W) mean of the channels of the picture, 0..255."""
    return np.asarray(frame.image.bgr.astype(np.float64).mean(axis=-1))


def radiance(frame: CameraFrame) -> np.ndarray:
    """(H, W) light that the picture was made of, up to what is too bright for it."""
    level = (np.arange(len(_CURVE)) / (len(_CURVE) - 1) * 2.0) ** 2
    known = np.interp(np.arange(256), *(a[np.unique(_CURVE, return_index=True)[1]] for a in (_CURVE, level)))
    return np.asarray(known[frame.image.bgr].mean(axis=-1) / frame.gain)


__all__ = [
    "CUBE",
    "GROUND",
    "MOUNT",
    "POST",
    "SPEC",
    "STILL",
    "WALL",
    "join",
    "luminance",
    "moment",
    "paint",
    "pixel",
    "radiance",
    "shot",
]
