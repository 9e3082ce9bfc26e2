"""The parts of a scenario, with their ranges and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Literal

from perception_nodes.datatypes import ConfigurationError, param
from perception_nodes.simulation.faults import Fault

XY = tuple[float, float]
_PLACE: Final = {"low": -1e4, "high": 1e4}  # streets are far smaller, m
# What `build_world` can be asked for; here, so that a wrong word is found with its line.
WORLD_KINDS: Final = (
    "straight", "curve", "junction", "signals", "town", "highway", "roadworks", "tunnel", "car_park", "narrow",
)  # fmt: skip


@dataclass(frozen=True)
class WorldSpec:
    """kind and options as `build_world` takes them, or the path of a Lanelet2 file; seed: None = that of the drive."""

    kind: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    osm: str = ""
    seed: int | None = param(None, "of the street", low=0)

    def __post_init__(self) -> None:
        if bool(self.kind) == bool(self.osm):
            raise ConfigurationError("wanted either kind or osm")
        if self.kind:
            from perception_nodes.simulation.world.options import checked_options  # late: shapely

            if self.kind not in WORLD_KINDS:
                raise ConfigurationError(f"kind {self.kind!r}: wanted one of {list(WORLD_KINDS)}")
            checked_options(self.kind, self.options)


@dataclass(frozen=True)
class EgoSpec:
    """The vehicle with the sensors.

    drive: route = follows lanes, path = follows `path` (x, y in odom), recorded = is at each time where `poses` say
    (time of the drive, x, y, yaw of base_link in odom; before and after it stands), external = by commands, still.
    start_xy_m: near which point it begins (None = drawn); start_s_m: from the beginning of the lane; turns: what it
    does at the next junctions, straight on after them; change_lanes: it overtakes.
    """

    drive: Literal["route", "path", "recorded", "external", "still"] = "route"
    start_xy_m: XY | None = field(default=None, metadata=_PLACE)
    start_s_m: float | None = param(None, "distance from the start of its lane", low=0.0)
    turns: tuple[Literal["straight", "left", "right"], ...] = ()
    speed_mps: float = param(13.9, "wished speed, lanes' limits permitting", low=0.0, high=60.0)
    initial_speed_mps: float | None = param(None, "None: as it wishes", low=0.0, high=60.0)
    change_lanes: bool = False
    path: tuple[XY, ...] = field(default=(), metadata=_PLACE)
    poses: tuple[tuple[float, float, float, float], ...] = field(default=(), metadata=_PLACE)
    deadman_s: float = param(0.5, "external: brakes when no command came for so long", low=0.05)

    def __post_init__(self) -> None:
        if (self.drive == "path") != (len(self.path) >= 2):
            raise ConfigurationError("path: wanted at least 2 points with drive: path, and none else")
        if (self.drive == "recorded") != (len(self.poses) >= 2):
            raise ConfigurationError(
                "poses: wanted at least 2 of [s, x, y, yaw] with drive: recorded, and none else"
            )
        if any(a[0] >= b[0] for a, b in pairwise(self.poses)):
            raise ConfigurationError("poses: wanted ascending times")
        if self.poses and len({pose[1:3] for pose in self.poses}) < 2:
            raise ConfigurationError("poses: wanted a recording in which the ego moves, or drive: still")

    @property
    def line(self) -> tuple[XY, ...]:
        """Points of an ego that does not go along lanes, none twice in a row."""
        points = self.path if self.drive == "path" else tuple((x, y) for _, x, y, _ in self.poses)
        return tuple(p for k, p in enumerate(points) if k == 0 or p != points[k - 1])


@dataclass(frozen=True)
class TrafficSpec:
    """Who else is there: numbers that are wanted; as many are placed as there is room for."""

    vehicles: int = param(0, "driving, by their share on the road", low=0, high=400)
    kinds: tuple[str, ...] = ()
    cyclists: int = param(0, "in bicycle lanes, or at the right edge", low=0, high=200)
    pedestrians: int = param(0, "on pavements", low=0, high=500)
    crossing_share: float = param(0.3, "share of them that uses crossings", low=0.0, high=1.0)
    jaywalkers: int = param(0, "who cross the road anywhere", low=0, high=100)
    parked_share: float = param(0.0, "of the places on parking lanes", low=0.0, high=1.0)
    leaving: int = param(0, "parked cars that pull out", low=0, high=20)
    parking: int = param(0, "of the vehicles, those that look for a place to park", low=0, high=20)
    trailers: float = param(0.0, "share of lorries that are articulated", low=0.0, high=1.0)
    within_m: float = param(150.0, "of the ego's start", low=20.0, high=2000.0)
    clear_ahead_m: float = param(12.0, "no vehicle begins nearer before or behind the ego", low=0.0)


@dataclass(frozen=True)
class Trigger:
    """When a scripted actor begins: when all that is given holds. Nothing given: at the start of the drive.

    time_s of the drive; ego_within_m of the actor's first point; ego_travelled_m since the start; ego_near_xy_m: the
    ego is within 5 m of this point (of the actor's frame).
    """

    time_s: float | None = param(None, "at or after", low=0.0)
    ego_within_m: float | None = param(None, "distance to the actor", low=0.0)
    ego_travelled_m: float | None = param(None, "way of the ego", low=0.0)
    ego_near_xy_m: XY | None = field(default=None, metadata=_PLACE)


@dataclass(frozen=True)
class ScriptedActor:
    """One thing that does what the scenario says.

    path: points, in frame route (distance along the ego's route from its start; to the left of it) or odom (x, y). One
    point = it stands there, towards yaw_rad (in frame route against the route's direction). speed_mps: one, or one for
    each leg; reacts: it brakes for what is in its way; hidden: it is not there before its trigger; at the end it stands
    or vanishes.
    """

    name: str
    kind: str
    path: tuple[XY, ...] = field(metadata=_PLACE)
    frame: Literal["route", "odom"] = "route"
    speed_mps: float | tuple[float, ...] = param(0.0, "over ground", low=0.0, high=60.0)
    yaw_rad: float = param(0.0, "of one that stands", low=-6.3, high=6.3)
    start: Trigger = field(default_factory=Trigger)
    reacts: bool = True
    hidden: bool = False
    end: Literal["stand", "vanish"] = "stand"
    reverse: bool = False
    asset: str = ""

    def __post_init__(self) -> None:
        if not self.path:
            raise ConfigurationError("path: wanted at least one point")
        if any(a == b for a, b in zip(self.path, self.path[1:], strict=False)):
            raise ConfigurationError("path: a point occurs twice in a row")
        if isinstance(self.speed_mps, tuple) and len(self.speed_mps) != len(self.path) - 1:
            legs, given = len(self.path) - 1, len(self.speed_mps)
            raise ConfigurationError(f"speed_mps: wanted one, or one for each of {legs} legs, got {given}")
        if len(self.path) > 1 and min(self.speeds) <= 0:
            raise ConfigurationError("speed_mps: wanted more than 0 on a path")

    @property
    def speeds(self) -> tuple[float, ...]:
        """One for each leg."""
        if isinstance(self.speed_mps, tuple):
            return self.speed_mps
        return (float(self.speed_mps),) * max(1, len(self.path) - 1)


@dataclass(frozen=True)
class WeatherEffect:
    """One thing of the weather with its severity from 1 to 5."""

    kind: Literal["rain", "snow", "fog", "dust", "wet", "low_sun", "night", "dirt", "blocked"]
    severity: int = param(3, "1 slight to 5 extreme", low=1, high=5)


@dataclass(frozen=True)
class MustHold:
    """What a drive with healthy perception must give; None = not asked.

    collisions: of the ego; min_ttc_s: at least, of the ego with anything before it; hard_brakes, false_brakes: at most;
    ego_travels_m: at least; ego_stops: it halts at some time; seen: scripted actors that must be detected.
    """

    collisions: int | None = param(0, "at most", low=0)
    min_ttc_s: float | None = param(None, "at least", low=0.0)
    hard_brakes: int | None = param(None, "at most", low=0)
    false_brakes: int | None = param(0, "at most", low=0)
    ego_travels_m: float | None = param(None, "at least", low=0.0)
    ego_stops: bool | None = None
    seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """One drive. must: what must hold, in words; must_hold: the same in numbers; file: where it was read from."""

    purpose: str
    must: str
    world: WorldSpec
    name: str = ""
    duration_s: float = param(20.0, "length of the drive", low=0.5, high=3600.0)
    warm_up_s: float = param(0.0, "traffic moves so long before the drive starts", low=0.0, high=120.0)
    ego: EgoSpec = field(default_factory=EgoSpec)
    traffic: TrafficSpec = field(default_factory=TrafficSpec)
    actors: tuple[ScriptedActor, ...] = ()
    weather: tuple[WeatherEffect, ...] = ()
    faults: tuple[Fault, ...] = ()
    must_hold: MustHold = field(default_factory=MustHold)
    file: str = field(default="", metadata={"given": False})

    def __post_init__(self) -> None:
        names = [actor.name for actor in self.actors]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ConfigurationError(f"actors: the name {twice[0]!r} occurs twice")
        if unknown := sorted(set(self.must_hold.seen) - set(names)):
            raise ConfigurationError(f"must_hold.seen: no actor {unknown[0]!r}: wanted some of {names}")
