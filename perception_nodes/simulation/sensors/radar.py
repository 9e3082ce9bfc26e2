"""A scan of a radar: aim rays, see what sends something back, over which ways, and what is detected of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import RadarScan
from perception_nodes.geometry import Transform, wrap_angle
from perception_nodes.simulation.assets import Asset
from perception_nodes.simulation.traffic.states import ActorStates
from perception_nodes.simulation.weather import Weather

from . import radar_signal as signal
from .moment import Moment
from .radar_air import attenuation_per_m, dirt_loss_db, drops
from .radar_ghosts import double_echoes, ghost_echoes, images_over_walls
from .radar_posts import posts_of
from .radar_signal import Cells, Echoes
from .radar_spec import RADARS, RadarSpec, radar_spec
from .radar_targets import (
    Bodies,
    Lit,
    Place,
    actor_echoes,
    aim_at_actors,
    aim_at_posts,
    grid,
    post_echoes,
    street_echoes,
    within_reach,
)
from .radar_under import Hidden, behind_vehicles, under_echoes
from .scene import Hits, Scene

__all__ = ["RADARS", "RadarFrame", "RadarSensor", "RadarSpec", "radar_spec"]

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class RadarFrame:
    """What one scan gives, M detections by range.

    scan: in the sensor's frame, radial speed against the sensor; snr_db (M,); owner (M,): row of the actor, -1 = the
    street, -2 = nothing is there (noise, side lobe, ghost); origin (M,): `radar_signal.Origin`.
    """

    scan: RadarScan
    snr_db: F32
    owner: I32
    origin: U8


class RadarSensor:
    """One radar on the vehicle, looking along +x of its frame."""

    def __init__(self, spec: RadarSpec, base_from_sensor: Transform, frame_id: str) -> None:
        self.spec, self.frame_id, self._base_from_sensor = spec, frame_id, base_from_sensor
        self._assets: tuple[Asset, ...] | None = None
        self._bodies = Bodies.of(())

    def scan(self, moment: Moment, stamp_ns: int, rng: np.random.Generator) -> RadarFrame:
        """What the radar reports of the end of the moment."""
        place = self._place(moment)
        echoes = self._echoes(moment, place, rng)
        cells = self._cells(moment.weather, echoes)
        cells = signal.fluctuating(self.spec, cells, rng)
        cells = Cells.join([cells, signal.side_lobes(self.spec, cells, rng)])
        cells = signal.distinct(self.spec, cells)
        noise_db, burst = signal.interference(self.spec, rng)
        found = signal.detected(self.spec, cells, noise_db + dirt_loss_db(moment.weather.dirt), rng)
        found = Cells.join([found, signal.false_alarms(self.spec, rng), burst])
        found = signal.with_errors(self.spec, found, rng)
        rcs = signal.shown_rcs_dbsm(self.spec, found, rng)
        kept = self._reported(moment.weather, found, rcs)
        return self._frame(found.take(kept), rcs[kept], stamp_ns)

    def _place(self, moment: Moment) -> Place:
        """Where the sensor is at the end of the moment, and how it moves: with the vehicle and around it."""
        ego = moment.ego[1]
        odom_from_base = ego.odom_from_base
        arm = odom_from_base.rotation @ self._base_from_sensor.translation_m
        turning = np.cross(np.array([0.0, 0.0, ego.yaw_rate_rps]), arm)
        odom_from_sensor = odom_from_base @ self._base_from_sensor
        return Place(
            odom_from_sensor.rotation,
            odom_from_sensor.translation_m,
            ego.speed_mps * odom_from_base.rotation[:, 0] + turning,
            float(odom_from_base.translation_m[2]),
        )

    def _echoes(self, moment: Moment, place: Place, rng: np.random.Generator) -> Echoes:
        """Everything that sends something back, from one bundle of rays (and a second one over walls)."""
        if self._assets is not moment.assets:
            self._assets, self._bodies = moment.assets, Bodies.of(moment.assets)
        spec, posts = self.spec, posts_of(moment.world.mesh)
        reached = within_reach(place, spec, moment.span[1], self._bodies)
        span = (moment.span[0], replace(moment.span[1], present=reached))
        actors = aim_at_actors(place, span[1], self._bodies)
        upright = aim_at_posts(place, spec, posts)
        over = grid(spec, rng) @ place.rotation.T
        aimed = np.concatenate([actors.points_m, upright.points_m]) - place.position_m
        aimed /= np.maximum(np.linalg.norm(aimed, axis=1, keepdims=True), 1e-9)
        directions = np.concatenate([aimed, over]).astype(np.float32)
        hits = self._cast(moment.scene, place, directions, span)
        ends = np.cumsum([0, len(actors.of), len(upright.of), len(over)])
        first, second, third = (_part(directions, hits, slice(a, b)) for a, b in pairwise(ends))
        lit = actor_echoes(place, actors, first, (span[1], self._bodies), rng)
        parts = [
            lit.echoes,
            double_echoes(spec, lit),
            post_echoes(place, upright, second[1], posts),
            street_echoes(place, spec, third, posts.of_triangle),
            drops(spec, moment.weather.rain_mm_h, place.velocity_mps @ place.rotation, rng),
        ]
        hidden = behind_vehicles(place, spec, actors, first[1], (span[1], self._bodies))
        return Echoes.join([*parts, *self._around(moment.scene, place, span, (lit, third, hidden))])

    def _around(
        self, scene: Scene, place: Place, span: tuple[ActorStates, ActorStates],
        seen: tuple[Lit, tuple[F32, Hits], Hidden],
    ) -> list[Echoes]:  # fmt: skip
        """What comes back over walls and under vehicles, if the second part of its way is free."""
        lit, walls, hidden = seen
        images = images_over_walls(place, self.spec, lit, walls)
        start = np.concatenate([images.bounce_m, hidden.start_m])
        if len(start) == 0:
            return []
        way = np.concatenate([lit.points_m[images.of], hidden.points_m]) - start
        length = np.sqrt((way**2).sum(axis=1))
        way /= np.maximum(length, 1e-9)[:, None]
        start += 0.05 * way
        ones = np.ones(len(way), np.float32)
        hits = scene.cast(
            start.astype(np.float32), way.astype(np.float32), ones, span, float(length.max()) + 1.0
        )
        free = hits.owner == np.concatenate([lit.echoes.owner[images.of], hidden.row])
        images = images.take(np.flatnonzero(free[: len(images.of)]))
        hidden = hidden.take(free[len(free) - len(hidden.row) :])
        return [
            ghost_echoes(place, lit, images),
            under_echoes(place, self.spec, hidden, (span[1], self._bodies)),
        ]

    def _cast(
        self, scene: Scene, place: Place, directions: F32, span: tuple[ActorStates, ActorStates]
    ) -> Hits:
        origins = np.broadcast_to(place.position_m.astype(np.float32), directions.shape)
        ones = np.ones(len(directions), np.float32)
        return scene.cast(origins, directions, ones, span, self.spec.max_range_m)

    def _cells(self, weather: Weather, echoes: Echoes) -> Cells:
        wet = min(0.95, self.spec.road_reflection * (1.0 + 0.6 * weather.wetness))
        loss = attenuation_per_m(weather.rain_mm_h, weather.snow_mm_h)
        height = max(float(self._base_from_sensor.translation_m[2]), 0.05)
        free = ~_blocked(weather, np.arctan2(echoes.xyz_m[:, 1], echoes.xyz_m[:, 0]))
        shown = Echoes(**{k: v[free] for k, v in vars(echoes).items()}) if not free.all() else echoes
        return signal.measured_cells(self.spec, shown, loss, height, wet)

    def _reported(self, weather: Weather, cells: Cells, rcs_dbsm: F64) -> npt.NDArray[np.int64]:
        """Index by range of what lies in field and range and no blocked sector; the strongest if there are too many."""
        spec = self.spec
        inside = (cells.range_m >= spec.min_range_m) & (cells.range_m <= spec.max_range_m)
        inside &= (np.abs(cells.sine) <= np.sin(spec.half_field_rad)) & (rcs_dbsm >= spec.min_rcs_dbsm)
        inside &= ~_blocked(weather, np.arcsin(np.clip(cells.sine, -1.0, 1.0)))
        index = np.flatnonzero(inside)
        if len(index) > spec.max_detections:
            index = index[np.argsort(-cells.snr[index], kind="stable")[: spec.max_detections]]
        return index[np.argsort(cells.range_m[index], kind="stable")]

    def _frame(self, cells: Cells, rcs_dbsm: F64, stamp_ns: int) -> RadarFrame:
        azimuth, level = np.arcsin(cells.sine), np.cos(cells.elevation_rad)
        way = [level * np.cos(azimuth), level * np.sin(azimuth), np.sin(cells.elevation_rad)]
        xyz = (np.stack(way, axis=1) * cells.range_m[:, None]).astype(np.float32)
        scan = RadarScan(
            stamp_ns, self.frame_id, xyz, cells.speed_mps.astype(np.float32), rcs_dbsm.astype(np.float32)
        )
        snr_db = (10.0 * np.log10(cells.snr)).astype(np.float32)
        return RadarFrame(scan, snr_db, cells.owner, cells.origin)


def _part(directions: F32, hits: Hits, part: slice) -> tuple[F32, Hits]:
    range_m, material, normal, owner, triangle = hits.columns
    kept = (range_m[part], material[part], normal[part], owner[part], triangle[part])
    return directions[part], Hits(*kept, hits.aimed)


def _blocked(weather: Weather, azimuth_rad: F64) -> npt.NDArray[np.bool_]:
    out = np.zeros(len(azimuth_rad), bool)
    for middle, width in weather.blocked_rad:
        out |= np.abs(wrap_angle(azimuth_rad - middle)) < width / 2
    return out
