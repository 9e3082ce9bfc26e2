"""Who drives, rides, walks and parks: followers of fixed paths, with the intelligent driver model along them.

Reference: M. Treiber, A. Hennecke, D. Helbing, Congested traffic states in empirical observations and microscopic
simulations, Physical Review E 62, 2000.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .assets import Asset, cyclist, pedestrian, random_car, random_vehicle
from .config import SimulationConfig
from .world import CROSSING_FROM_M, HALF_M, LANE_M, PARKING_M, REACH_M, STOP_FROM_M, World

F64 = npt.NDArray[np.float64]
STEP_S = 0.1
TURN_RADIUS_M = 9.0
EGO_LENGTH_M = 4.6
EGO_CENTRE_M = 1.4  # of the body before base_link (the rear axle)
_WALKING, _RIDING = 1.4, 4.5


@dataclass(frozen=True, eq=False)
class Path:
    """A line (N, 2) of arc length s (N,), with the heading (N,) rad (continuous)."""

    xy_m: F64
    s_m: F64
    heading_rad: F64

    @classmethod
    def through(cls, xy_m: F64) -> Path:
        """The path along the points."""
        step = np.diff(xy_m, axis=0)
        s = np.concatenate([[0.0], np.cumsum(np.hypot(step[:, 0], step[:, 1]))])
        middle = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
        heading = np.concatenate([middle[:1], (middle[1:] + middle[:-1]) / 2, middle[-1:]])
        return cls(xy_m, s, heading)

    def at(self, s_m: F64) -> F64:
        """(N, 3) x, y, heading; beyond the ends straight on."""
        inside = np.clip(s_m, 0.0, self.s_m[-1])
        heading = np.interp(inside, self.s_m, self.heading_rad)
        xy = [np.interp(inside, self.s_m, self.xy_m[:, k]) for k in (0, 1)]
        beyond = s_m - inside
        return np.stack(
            [xy[0] + beyond * np.cos(heading), xy[1] + beyond * np.sin(heading), heading], axis=-1
        )


@dataclass(eq=False)
class _Mover:
    """asset None = the ego. stop_s_m: where it must halt (inf = nowhere); s_m, v_mps, a_mps2 grow by one a step."""

    asset: Asset | None
    path: Path
    length_m: float
    wish_mps: float
    stop_s_m: float
    reacts: bool
    z_m: float
    s_m: list[float]
    v_mps: list[float]
    a_mps2: list[float]

    def pose(self, time_s: F64) -> F64:
        """(N, 4) x, y, heading, speed of the centre at times (before 0: at constant speed)."""
        k = np.clip((time_s / STEP_S).astype(int), 0, len(self.a_mps2) - 1)
        tau = time_s - k * STEP_S
        v, a = np.asarray(self.v_mps)[k], np.asarray(self.a_mps2)[k]
        a = np.where(tau < 0, 0.0, a)
        s = np.asarray(self.s_m)[k] + v * tau + 0.5 * a * tau**2
        return np.column_stack([self.path.at(s), v + a * tau])


@dataclass(frozen=True, eq=False)
class Traffic:
    """All things with a box, in the order of their ids, and the ego."""

    assets: tuple[Asset, ...]
    z_m: F64
    movers: tuple[_Mover, ...]
    ego: _Mover

    def poses(self, time_s: float) -> F64:
        """(N, 4) x, y, heading, speed of every object."""
        return np.concatenate([m.pose(np.array([time_s])) for m in self.movers])

    def ego_base(self, time_s: F64) -> F64:
        """(N, 3) x, y, heading of base_link."""
        pose = self.ego.pose(time_s)
        ahead = np.stack([np.cos(pose[:, 2]), np.sin(pose[:, 2])], axis=1)
        return np.column_stack([pose[:, :2] - EGO_CENTRE_M * ahead, pose[:, 2]])


def build_traffic(world: World, config: SimulationConfig, rng: np.random.Generator) -> Traffic:
    """Place everybody and let them move for the whole drive."""
    ego = _mover(None, ego_path(world), 0.0, config.speed_limit_mps, 0.0)
    driving = [ego, *_vehicles(world, config, rng), *_cyclists(world, config, rng)]
    movers = driving + _pedestrians(world, config, rng)
    for _ in range(int(np.ceil(config.duration_s / STEP_S)) + 2):
        _step(movers, driving)
    still = _parked(world, config, rng)
    everyone = tuple(movers[1:] + still)
    assets = tuple(m.asset for m in everyone if m.asset is not None)
    return Traffic(assets, np.array([m.z_m for m in everyone]), everyone, ego)


def ego_path(world: World) -> Path:
    """Along the main road, right at the junction, away on the crossing road."""
    r, lane = TURN_RADIUS_M, LANE_M / 2
    centre = np.array([world.junction_x_m - lane - r, -lane - r])
    turn = np.linspace(np.pi / 2, 0.0, 31)
    arc = centre + r * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    before = np.column_stack([np.arange(0.0, centre[0], 1.0), np.full(int(np.ceil(centre[0])), -lane)])
    along = np.arange(centre[1] - 1.0, -REACH_M + 30.0, -1.0)
    return Path.through(
        np.concatenate([before, arc, np.column_stack([np.full(len(along), centre[0] + r), along])])
    )


def _lane(world: World, quarter: int, across_m: float) -> Path:
    """A straight path over the junction in the direction of `quarter`, at `across_m` to its right."""
    along = np.array([-REACH_M, REACH_M])
    c, s = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter]
    xy = np.stack([along * c + across_m * s, along * s - across_m * c], axis=1)
    return Path.through(xy + np.array([world.junction_x_m, 0.0]))


def _mover(
    asset: Asset | None,
    path: Path,
    s: float,
    speed: float,
    z: float,
    *,
    stop: float = np.inf,
    reacts: bool = True,
) -> _Mover:
    length = EGO_LENGTH_M if asset is None else asset.lwh_m[0]
    return _Mover(asset, path, length, speed, stop, reacts, z, [s], [speed], [])


def _vehicles(world: World, config: SimulationConfig, rng: np.random.Generator) -> list[_Mover]:
    """Traffic on the main road flows; on the crossing road it waits at the line."""
    out = []
    start = REACH_M - world.junction_x_m  # arc length of x = 0 in the ego's direction
    stop = REACH_M - HALF_M - STOP_FROM_M - 0.8
    # Where the next of a lane is put: on the main road ahead of the last, on the crossing road behind it.
    taken: dict[int, float] = {0: start + 18.0, 1: stop - 14.0, 2: 95.0, 3: stop - 14.0}
    for k in range(config.moving_vehicles):
        quarter = (0, 2, 2, 1, 0, 2, 3, 2, 0, 1)[k % 10]
        asset = random_vehicle(rng)
        crossing = quarter % 2 == 1
        s = taken[quarter] + float(rng.uniform(0, 6))
        apart = asset.lwh_m[0] + float(rng.uniform(16, 26))
        taken[quarter] = s - apart if crossing else s + apart
        speed = config.speed_limit_mps * float(rng.uniform(0.8, 1.1))
        path = _lane(world, quarter, LANE_M / 2)
        mover = _mover(asset, path, s, speed, 0.0, stop=stop if crossing else np.inf)
        if crossing:
            mover.v_mps[0] = min(speed, 0.6 * max(0.0, stop - s - asset.lwh_m[0] / 2))
        out.append(mover)
    return out


def _cyclists(world: World, config: SimulationConfig, rng: np.random.Generator) -> list[_Mover]:
    out = []
    for k in range(config.cyclists):
        quarter = (2, 0, 2, 0)[k % 4]
        x = (
            float(rng.uniform(20, 60)) + 45.0 * k
            if quarter == 2
            else world.junction_x_m + float(rng.uniform(-8, 30))
        )
        s = REACH_M - world.junction_x_m + x if quarter == 0 else REACH_M + world.junction_x_m - x
        path = _lane(world, quarter, LANE_M - 0.2)
        out.append(
            _mover(
                cyclist(float(rng.uniform(1.6, 1.9))),
                path,
                s,
                _RIDING * float(rng.uniform(0.8, 1.2)),
                0.0,
                reacts=False,
            )
        )
    return out


def _pedestrians(world: World, config: SimulationConfig, rng: np.random.Generator) -> list[_Mover]:
    """Along the pavements; every sixth over a crossing that no turning car uses."""
    out = []
    rows: dict[tuple[int, float], tuple[float, float]] = {}
    for k in range(config.pedestrians):
        asset = pedestrian(float(rng.uniform(1.55, 1.92)), float(rng.uniform(0.3, 1.0)))
        speed = _WALKING * float(rng.uniform(0.7, 1.25))
        if k % 6 == 5:
            y = HALF_M + CROSSING_FROM_M + (0.7, 1.9)[k // 6 % 2]
            ends = np.array([[world.junction_x_m - 40.0, y], [world.junction_x_m + 40.0, y]])
            first = 40.0 - HALF_M - 4.0 - float(rng.uniform(0, 5))
            out.append(_mover(asset, Path.through(ends), first, speed, 0.0, reacts=False))
            continue
        quarter = (0, 2, 0, 2, 3)[k % 5]
        side = float(rng.choice([-1.0, 1.0]))
        # Who meets somebody passes beside; who follows keeps the pace and the distance.
        across = side * (HALF_M + (1.5 if side > 0 else 2.4))
        place, pace = rows.get((quarter, side), (0.0, speed))
        rows[quarter, side] = place + 1.2 + float(rng.uniform(0, 14)), pace
        about = REACH_M + {0: -world.junction_x_m + 10, 2: 15.0, 3: 20.0}[quarter]
        path = _lane(world, quarter, across)
        out.append(_mover(asset, path, about + place, pace, world.kerb_height_m, reacts=False))
    return out


def _parked(world: World, config: SimulationConfig, rng: np.random.Generator) -> list[_Mover]:
    out = []
    for quarter in range(4):
        for at in np.arange(HALF_M + 14.0, 130.0, 6.3):
            taken, jitter, back = rng.random(), rng.uniform(-0.3, 0.3, 2), rng.random() < 0.1
            asset = random_car(rng)
            if taken > config.parked_share or asset.lwh_m[0] > 5.6:
                continue
            across = LANE_M + PARKING_M / 2 + 0.1 + 0.3 * jitter[1]
            path = _lane(world, quarter, across)
            for s in (REACH_M - at, REACH_M + at)[int(rng.integers(2)) :]:
                turned = Path(path.xy_m, path.s_m, path.heading_rad + (np.pi if back else 0.0))
                mover = _mover(asset, turned, float(s + jitter[0]), 0.0, 0.0)
                mover.a_mps2.append(0.0)
                out.append(mover)
    return out


def _step(movers: list[_Mover], driving: list[_Mover]) -> None:
    """One `STEP_S` of everybody from the present state."""
    now = np.array([m.path.at(np.array([m.s_m[-1]]))[0] for m in driving])
    accelerations = [_acceleration(m, now, driving) if m.reacts else 0.0 for m in movers]
    for mover, a in zip(movers, accelerations, strict=True):
        v = mover.v_mps[-1]
        held = max(a, -v / STEP_S)  # nobody drives backwards
        mover.a_mps2.append(held)
        mover.s_m.append(mover.s_m[-1] + v * STEP_S + 0.5 * held * STEP_S**2)
        mover.v_mps.append(v + held * STEP_S)


def _acceleration(mover: _Mover, now: F64, driving: list[_Mover]) -> float:
    """The intelligent driver behind the nearest leader on its path, its stop, and its next bend."""
    s, v = mover.s_m[-1], mover.v_mps[-1]
    wish = min(mover.wish_mps, _bend_speed(mover.path, s))
    gap, closing = mover.stop_s_m - s - mover.length_m / 2, v
    if mover.asset is None:
        gap = min(gap, mover.path.s_m[-1] - s)
    ahead = s + np.arange(2.0, 46.0, 1.0)
    line = mover.path.at(ahead)
    distance = np.hypot(line[:, None, 0] - now[None, :, 0], line[:, None, 1] - now[None, :, 1])
    aligned = np.cos(line[:, None, 2] - now[None, :, 2]) > 0.5
    for j in np.flatnonzero(((distance < 1.3) & aligned).any(axis=0)):
        if driving[j] is mover:
            continue
        first = ahead[np.argmin(np.where(aligned[:, j], distance[:, j], np.inf))]
        free = float(first - s) - (mover.length_m + driving[j].length_m) / 2
        if free < gap:
            gap, closing = free, v - driving[j].v_mps[-1]
    wanted = 2.0 + max(0.0, 1.2 * v + v * closing / (2 * np.sqrt(1.5 * 2.0)))
    a = 1.5 * (1 - (v / max(wish, 0.1)) ** 4 - (wanted / max(gap, 0.5)) ** 2)
    return float(np.clip(a, -6.0, 1.5))


def _bend_speed(path: Path, s: float) -> float:
    """Speed from which the next bends are reached with 2 m/s2 across after braking with 1.2 m/s2."""
    at = s + np.arange(0.0, 40.0, 1.0)
    heading = path.at(at)[:, 2]
    curvature = np.abs(np.gradient(heading, 1.0))
    safe = np.sqrt(2.0 / np.maximum(curvature, 1e-3))
    return float(np.sqrt(safe**2 + 2 * 1.2 * np.maximum(at - s - 1.0, 0.0)).min())
