"""A drive: the world, everybody in it, and what the sensors of a rig give, 0.1 s after 0.1 s."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from perception_nodes.datatypes import (
    ConfigurationError,
    Detections3D,
    MapElements,
    Modality,
    Rig,
    SensorSpec,
)
from perception_nodes.geometry import Transform

from .assets import Catalogue
from .faults import Emission, FaultSchedule
from .scenarios import Scenario
from .sensors.beams import lidar_spec
from .sensors.lidar import LidarModel, LidarSweep
from .sensors.moment import Moment
from .sensors.scene import Scene
from .sensors.specs import Mounting
from .traffic.ego import EgoVehicle, ExternalEgo, RecordedEgo
from .traffic.states import ActorStates, EgoState
from .traffic.traffic import Traffic
from .truth import true_objects
from .weather import Weather
from .world import World, build_world, world_from_osm

if TYPE_CHECKING:
    from .sensors.camera import CameraFrame
    from .sensors.inertial import InertialSample
    from .sensors.radar import RadarFrame

START_NS: Final = 1_700_000_000_000_000_000
STEP_S: Final = 0.1
INERTIAL: Final = "inertial"
_NS: Final = 1_000_000_000
_MOST_OFFSET_S: Final = 10.0


@dataclass(frozen=True)
class EgoCommand:
    """What an external driver wants: angle of the front wheels, + = left, and acceleration."""

    steering_rad: float
    acceleration_mps2: float


@dataclass(frozen=True, eq=False)
class SimFrame:
    """What one step gives; `truth` and `states` hold at `stamp_ns`, the end of the step.

    lidars, cameras, radars: what those that are due measured, by name, as if nothing were broken; inertial: samples
    since the last step; truth: boxes in odom (detection_id = id of the actor, num_points over all lidars, visibility =
    share of the pulses aimed at it that returned); emissions: what goes out now, with clock offsets and faults.
    """

    index: int
    time_s: float
    stamp_ns: int
    odom_from_base: Transform
    ego: EgoState
    states: ActorStates
    truth: Detections3D
    lidars: Mapping[str, LidarSweep] = field(default_factory=dict)
    cameras: Mapping[str, CameraFrame] = field(default_factory=dict)
    radars: Mapping[str, RadarFrame] = field(default_factory=dict)
    inertial: tuple[InertialSample, ...] = ()
    emissions: tuple[Emission, ...] = ()


class Simulation:
    """One drive of a rig through a scenario; the same arguments give the same bits.

    sensors: names of those to render (None = all, and the inertial ones); threads: for rays, without effect on results.
    Raises ConfigurationError for what the rig or the scenario asks for and cannot be had.
    """

    def __init__(
        self,
        scenario: Scenario,
        rig: Rig,
        seed: int = 1,
        *,
        sensors: Collection[str] | None = None,
        threads: int = 1,
        start_ns: int = START_NS,
    ) -> None:
        self.scenario, self.rig, self.seed, self.start_ns = scenario, rig, seed, start_ns
        self.weather = Weather.of(scenario.weather)
        self.world = world_of(scenario, seed)
        self.traffic = Traffic(
            self.world,
            scenario,
            Catalogue(),
            seed,
            ego_lwh_m=rig.vehicle_lwh_m,
            ego_centre_m=rig.base_to_center_m,
        )
        self._models = {spec.name: _Sensor(spec, rig) for spec in _chosen(rig, sensors)}
        self._inertial = _inertial(rig, seed) if sensors is None or INERTIAL in sensors else None
        self._scene = Scene(self.world.mesh, self.traffic.assets, threads)
        names = [*self._models, INERTIAL]
        self.faults = FaultSchedule(start_ns, names, list(scenario.faults), seed)
        self._external: ExternalEgo | None = None
        poses = np.array(scenario.ego.poses, np.float64)
        self._recorded = RecordedEgo(self.world.surface, poses) if len(poses) else None
        self._moment: Moment | None = None
        self._held: list[Emission] = []
        self._index = 0

    def __len__(self) -> int:
        return int(self.scenario.duration_s / STEP_S + 1e-9)

    @property
    def time_s(self) -> float:
        """Of the drive, after the last step."""
        return self._index * STEP_S

    @property
    def mounts(self) -> dict[str, Transform]:
        """base_from_sensor as the rig file says it (cameras: the optical frame)."""
        return {name: sensor.base_from_sensor for name, sensor in self._models.items()}

    @property
    def cameras(self) -> dict[str, Any]:
        """`geometry.CameraModel` of each camera."""
        return {
            name: s.model.camera for name, s in self._models.items() if s.spec.modality == Modality.CAMERA
        }

    def frames(self) -> Iterator[SimFrame]:
        """All steps that are left of the scenario."""
        while self._index < len(self):
            yield self.tick()

    def tick(self, command: EgoCommand | None = None) -> SimFrame:
        """The next 0.1 s. A command makes the vehicle externally driven, from the first one on."""
        before, start = self.traffic.states(self.time_s), self._ego
        samples = self._step(command)
        after, end = self.traffic.states(self.time_s), self._ego
        moment = Moment(
            self._scene, self.world, self.traffic.assets, self.weather, self.time_s - STEP_S, self.time_s,
            (before, after), (start, end),
        )  # fmt: skip
        self._moment = moment
        return self._measured(moment, samples)

    def sweep_in(self, weather: Weather, lidar: str) -> LidarSweep:
        """What a lidar would have given in the last `tick` in other weather; nothing is changed by it.

        Raises ConfigurationError before the first.
        """
        if self._moment is None:
            raise ConfigurationError("a sweep in other weather: wanted a tick before it")
        moment = replace(self._moment, weather=weather)
        sweep: LidarSweep = self._models[lidar].measure(moment, self._stamp_ns, self._rng(lidar))
        return sweep

    def skip(self, command: EgoCommand | None = None) -> None:
        """The next 0.1 s, of which nothing is measured (what drifts drifts on)."""
        self._step(command)

    def _step(self, command: EgoCommand | None) -> tuple[InertialSample, ...]:
        before = self._ego
        self.traffic.step(STEP_S, self._driven(command))
        self._index += 1
        if self._inertial is None:
            return ()
        return tuple(self._inertial.step(before, self._ego, STEP_S, self._stamp_ns))

    def map_truth(self) -> MapElements:
        """Exact lines, crossings and signs of the street, odom."""
        return MapElements(self.start_ns, self.rig.odom_frame, self.world.elements)

    @property
    def _ego(self) -> EgoState:
        if self._external is not None:
            return self._external.state
        return self.traffic.ego if self._recorded is None else self._recorded.at(self.time_s)

    def _driven(self, command: EgoCommand | None) -> EgoState | None:
        if self._external is None and (command is not None or self.scenario.ego.drive == "external"):
            vehicle = EgoVehicle(deadman_s=self.scenario.ego.deadman_s)
            self._external = ExternalEgo(self.world.surface, self.traffic.ego, vehicle)
        if self._external is None:
            return self._recorded.at(self.time_s + STEP_S) if self._recorded is not None else None
        if command is not None:
            self._external.command(command.steering_rad, command.acceleration_mps2)
        return self._external.step(STEP_S)

    @property
    def _stamp_ns(self) -> int:
        return self.start_ns + round(self.time_s * _NS)

    def _measured(self, moment: Moment, samples: tuple[InertialSample, ...]) -> SimFrame:
        stamp_ns = self._stamp_ns
        due = [s for s in self._models.values() if s.due(self._index)]
        seen = {s.spec.name: s.measure(moment, stamp_ns, self._rng(s.spec.name)) for s in due}
        lidars, cameras, radars = (
            {s.spec.name: seen[s.spec.name] for s in due if s.spec.modality == modality}
            for modality in (Modality.LIDAR, Modality.CAMERA, Modality.RADAR)
        )
        frame = SimFrame(
            self._index - 1, self.time_s, stamp_ns, self._ego.odom_from_base, self._ego, moment.span[1],
            true_objects(stamp_ns, moment, self.rig.odom_frame, list(lidars.values())), lidars,
            cameras, radars, samples,
        )  # fmt: skip
        return replace(frame, emissions=self._sent(frame))

    def _sent(self, frame: SimFrame) -> tuple[Emission, ...]:
        values = {
            **{name: sweep.cloud for name, sweep in frame.lidars.items()},
            **{name: camera.image for name, camera in frame.cameras.items()},
            **{name: radar.scan for name, radar in frame.radars.items()},
        }
        fresh = [self._models[name].emission(value, frame.stamp_ns) for name, value in values.items()]
        fresh += [Emission(INERTIAL, s.stamp_ns, s.stamp_ns, s) for s in frame.inertial]
        waiting = [*self._held, *self.faults.apply(fresh)]
        self._held = [e for e in waiting if e.publish_ns > frame.stamp_ns]
        return tuple(sorted((e for e in waiting if e.publish_ns <= frame.stamp_ns), key=_order))

    def _rng(self, name: str) -> np.random.Generator:
        return np.random.Generator(
            np.random.Philox(key=[self.seed, zlib.crc32(name.encode()) << 32 | self._index])
        )


class _Sensor:
    """One sensor of the rig: where it sits, what renders it, when it is due."""

    def __init__(self, spec: SensorSpec, rig: Rig) -> None:
        where = f"rig {rig.name}: sensor {spec.name}"
        if spec.mount_xyz_m is None or spec.mount_rpy_rad is None:
            raise ConfigurationError(
                f"{where}: mount_xyz_m: the simulator wanted the place of the sensor, got none"
            )
        if not spec.frame:
            raise ConfigurationError(f"{where}: frame: the simulator wanted the name of its frame, got none")
        if abs(spec.offset_s) > _MOST_OFFSET_S:
            raise ConfigurationError(
                f"{where}: offset_s {spec.offset_s}: the simulator wanted at most {_MOST_OFFSET_S:g} s either way"
            )
        self.spec = spec
        self._period = round(1.0 / spec.rate_hz / STEP_S, 6)
        if self._period < 1 or self._period != int(self._period):
            raise ConfigurationError(
                f"{where}: rate_hz {spec.rate_hz}: wanted 10 Hz divided by a whole number"
            )
        self._mounting, model = Mounting.split(spec.model, f"{where}: model")
        self.base_from_sensor = Transform.from_xyz_rpy(spec.mount_xyz_m, spec.mount_rpy_rad)
        error = Transform.from_xyz_rpy(self._mounting.error_xyz_m, self._mounting.error_rpy_rad)
        self.model = _model(spec, self.base_from_sensor @ error, model, f"{where}: model")

    def due(self, index: int) -> bool:
        """Whether it measures in the step that ends as the `index`-th."""
        return index % int(self._period) == 0

    def measure(self, moment: Moment, stamp_ns: int, rng: np.random.Generator) -> Any:
        """What it gives at the end of the moment."""
        match self.spec.modality:
            case Modality.LIDAR:
                return self.model.sweep(moment, stamp_ns, rng)
            case Modality.CAMERA:
                return self.model.frame(moment, stamp_ns, rng)
            case _:
                return self.model.scan(moment, stamp_ns, rng)

    def emission(self, value: Any, stamp_ns: int) -> Emission:
        """Sent under the stamp that its clock gives it."""
        said = stamp_ns + round((self._mounting.clock_s + self.spec.offset_s) * _NS)
        value = value if said == stamp_ns else replace(value, stamp_ns=said)
        return Emission(self.spec.name, said, stamp_ns + round(self._mounting.latency_s * _NS), value)


def world_of(scenario: Scenario, seed: int) -> World:
    """The street of a scenario."""
    spec = scenario.world
    rng = np.random.default_rng([seed if spec.seed is None else spec.seed, 1])
    if spec.osm:
        return world_from_osm(Path(spec.osm), rng)
    return build_world(spec.kind, rng, **spec.options)


def _chosen(rig: Rig, sensors: Collection[str] | None) -> list[SensorSpec]:
    names = [s.name for s in rig.sensors] if sensors is None else [n for n in sensors if n != INERTIAL]
    chosen = [rig.sensor(name) for name in dict.fromkeys(names)]
    topics: dict[str, str] = {}
    for spec in chosen:
        for topic in filter(None, (spec.topic, spec.info_topic)):
            if topic in topics:
                raise ConfigurationError(
                    f"rig {rig.name}: sensor {spec.name}: topic {topic!r}: is that of sensor {topics[topic]!r} too"
                )
            topics[topic] = spec.name
    return chosen


# Cameras, radars and inertial sensors are imported where a rig has them: their kernels take a second to load.
def _inertial(rig: Rig, seed: int) -> Any:
    from .sensors.inertial import InertialModel, inertial_spec

    return InertialModel(inertial_spec(rig.inertial, f"rig {rig.name}: inertial"), seed)


def _model(spec: SensorSpec, base_from_sensor: Transform, model: Mapping[str, Any], where: str) -> Any:
    if spec.modality == Modality.LIDAR:
        lidar = lidar_spec(model, where)
        if lidar.sweep_s > STEP_S + 1e-9:
            raise ConfigurationError(f"{where}: sweep_s {lidar.sweep_s}: wanted at most {STEP_S}")
        return LidarModel(lidar, base_from_sensor, spec.frame, compensated=spec.motion_compensated)
    if spec.modality == Modality.CAMERA:
        from .sensors.camera import CameraSensor, camera_spec

        return CameraSensor(camera_spec(model, where), base_from_sensor, spec.frame)
    from .sensors.radar import RadarSensor, radar_spec

    return RadarSensor(radar_spec(model, where), base_from_sensor, spec.frame)


def _order(emission: Emission) -> tuple[int, str]:
    return emission.publish_ns, emission.sensor
