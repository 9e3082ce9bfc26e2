"""A lidar before known surfaces: ranges, times, materials, air, and that nothing but the seed decides."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError, PointCloud
from perception_nodes.geometry import Transform
from perception_nodes.simulation.assets import (
    REFLECTIVITY,
    RETRO_GAIN,
    Asset,
    Material,
    Mesh,
    box,
    join,
    quads,
)
from perception_nodes.simulation.sensors.beams import LIDARS, LidarSpec, lidar_spec
from perception_nodes.simulation.sensors.lidar import LidarModel, LidarSweep
from perception_nodes.simulation.sensors.moment import Moment
from perception_nodes.simulation.sensors.optics import MIRRORED, ROUGHNESS, oren_nayar_ratio
from perception_nodes.simulation.sensors.returns import measure, sent_back
from perception_nodes.simulation.sensors.scene import Scene
from perception_nodes.simulation.traffic.states import ActorStates, EgoState
from perception_nodes.simulation.weather import Weather

GROUND = quads(np.array([[[-99.0, -99, 0], [99, -99, 0], [99, 99, 0], [-99, 99, 0]]]), Material.PAVEMENT)
# Ahead at x = 20, up to 10 m high.
WALL = quads(np.array([[[20.0, -30, 0], [20, 30, 0], [20, 30, 10], [20, -30, 10]]]), Material.WALL)
CUBE = Asset.standing("cube", "car", "car", [box((0, 0, 1), (4, 2, 2), Material.CAR_WHITE)])
EXACT = replace(
    LIDARS["dense32"], range_std_m=0.0, range_step_m=0.0, dropout=0.0, divergence_mrad=0.0, ghosts=0.0
)
MOUNT = Transform.from_xyz_rpy((0.0, 0.0, 2.0), (0.0, 0.0, 0.0))


@dataclass(frozen=True)
class _World:
    """Ground with paint where x > 5."""

    mesh: Mesh

    def painted(self, xy_m: np.ndarray) -> np.ndarray:
        return np.where(xy_m[:, 0] > 5, 1, 0).astype(np.uint8)


def moment(
    mesh: Mesh,
    *cars: tuple[float, ...],
    weather: Weather | None = None,
    ego: tuple[EgoState, EgoState] | None = None,
) -> Moment:
    states = ActorStates.standing(np.zeros(len(cars), np.int64), np.array(cars, np.float64).reshape(-1, 6))
    still = EgoState((0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    world = _World(mesh)
    scene = Scene(mesh, [CUBE])
    return Moment(
        scene, world, (CUBE,), weather or Weather(), 0.0, 0.1, (states, states), ego or (still, still)
    )  # type: ignore[arg-type]


def sweep(at: Moment, spec: LidarSpec = EXACT, seed: int = 1, *, compensated: bool = False) -> LidarSweep:
    return LidarModel(spec, MOUNT, "top", compensated=compensated).sweep(
        at, 10**9, np.random.default_rng(seed)
    )


def test_points_lie_on_the_wall_and_on_the_ground():
    cloud = sweep(moment(join([GROUND, WALL]))).cloud
    ahead = np.abs(np.arctan2(cloud.xyz_m[:, 1], cloud.xyz_m[:, 0])) < 0.3
    x, z = cloud.xyz_m[ahead, 0], cloud.xyz_m[ahead, 2] + 2.0
    assert np.minimum(np.abs(x - 20.0), np.abs(z)).max() < 1e-4
    assert (np.abs(x - 20.0) < 1e-4).sum() > 300 and (np.abs(z) < 1e-4).sum() > 300


def test_elevations_times_and_rings_are_those_of_the_table():
    cloud = sweep(moment(join([GROUND, WALL]))).cloud
    elevation = np.arctan2(cloud.xyz_m[:, 2], np.hypot(cloud.xyz_m[:, 0], cloud.xyz_m[:, 1]))
    np.testing.assert_allclose(np.rad2deg(elevation), np.asarray(EXACT.elevation_deg)[cloud.ring], atol=1e-3)
    assert cloud.time_s is not None and cloud.time_s.min() > -0.1 and cloud.time_s.max() <= 0.0
    azimuth = np.unwrap(np.arctan2(cloud.xyz_m[:, 1], cloud.xyz_m[:, 0]) % (2 * np.pi))
    assert np.corrcoef(cloud.time_s, azimuth)[0, 1] < -0.9  # clockwise


def test_a_moving_vehicle_bends_the_wall_and_compensation_straightens_it():
    ego = EgoState((0.0, 0, 0, 0, 0, 0), 10.0), EgoState((1.0, 0, 0, 0, 0, 0), 10.0)
    at = moment(WALL, ego=ego)
    raw, straight = sweep(at).cloud, sweep(at, compensated=True).cloud
    np.testing.assert_allclose(straight.xyz_m[:, 0], 19.0, atol=1e-4)
    fraction = 1.0 + raw.time_s / 0.1
    np.testing.assert_allclose(raw.xyz_m[:, 0], 20.0 - fraction, atol=1e-4)


def test_hits_and_aimed_count_what_stands_in_front():
    near, far = (10.0, 0, 0, 0, 0, 0), (16.0, 0, 0, 0, 0, 0)
    alone = sweep(moment(GROUND, far))
    both = sweep(moment(GROUND, near, far))
    assert both.aimed[1] == alone.aimed[0] and both.hits[1] < 0.7 * alone.hits[0]
    assert (both.owner == 0).sum() == both.hits[0] > 100
    assert set(both.owner.tolist()) <= {-1, 0, 1}


def test_noise_has_its_size_and_depends_on_the_seed_only():
    at = moment(WALL)
    spec = replace(EXACT, range_std_m=0.03)
    one, same, other = (sweep(at, spec, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.cloud.xyz_m, same.cloud.xyz_m)
    assert one.cloud.xyz_m.shape != other.cloud.xyz_m.shape or (one.cloud.xyz_m != other.cloud.xyz_m).any()
    direction = one.cloud.xyz_m / np.linalg.norm(one.cloud.xyz_m, axis=1, keepdims=True)
    error = np.linalg.norm(one.cloud.xyz_m, axis=1) - 20.0 / direction[:, 0]
    assert 0.028 < error.std() < 0.05 and abs(error.mean()) < 0.005


def test_half_of_the_pulses_return_at_the_stated_range():
    board = quads(
        np.array([[[20.0, -30, -9], [20, 30, -9], [20, 30, 10], [20, -30, 10]]]), Material.CAR_BLACK
    )
    shares = []
    for half_range_m in (15.0, 200.0):
        at = moment(board)
        spec = replace(EXACT, half_range_m=half_range_m)
        got = sweep(at, spec)
        shares.append(len(got.cloud))
    assert shares[0] < 0.5 * shares[1]


def test_paint_is_brighter_than_the_road_around_it():
    road = quads(np.array([[[-50.0, -50, 0], [50, -50, 0], [50, 50, 0], [-50, 50, 0]]]), Material.ASPHALT)
    got = sweep(moment(road))
    x, level = got.cloud.xyz_m[:, 0], got.cloud.intensity
    assert level is not None
    paint = got.material == Material.ROAD_PAINT
    np.testing.assert_array_equal(paint, x > 5)
    ring = got.cloud.ring == 3
    assert np.median(level[paint & ring]) > 2 * np.median(level[~paint & ring])


def test_most_pulses_go_through_a_window_and_meet_what_is_behind():
    pane = quads(np.array([[[10.0, -30, -9], [10, 30, -9], [10, 30, 30], [10, -30, 30]]]), Material.GLASS)
    got = sweep(moment(join([pane, WALL])))
    behind = np.abs(got.cloud.xyz_m[:, 0] - 20.0) < 1e-3
    assert behind.sum() > 2 * (np.abs(got.cloud.xyz_m[:, 0] - 10.0) < 1e-3).sum() > 0


def test_edges_give_points_between_or_on_the_nearer_surface():
    at = moment(join([GROUND, WALL]), (19.0, 0, 0, 0, 0, 0))
    wide, exact = (sweep(at, replace(EXACT, divergence_mrad=d)).cloud for d in (20.0, 0.0))
    _, a, b = np.intersect1d(_pulse(wide), _pulse(exact), return_indices=True)
    assert len(a) > 0.99 * len(exact)
    moved = np.linalg.norm(wide.xyz_m[a] - exact.xyz_m[b], axis=1) > 0.01
    assert 0 < moved.sum() < 0.1 * len(exact)


def _pulse(cloud: PointCloud) -> np.ndarray:
    """A number for each pulse that returned."""
    return np.round(cloud.time_s.astype(np.float64) * 1e6).astype(np.int64) * 64 + cloud.ring


def test_fog_takes_the_far_wall_and_gives_its_own_echo():
    clear, fog = (sweep(moment(WALL, weather=w)) for w in (Weather(), Weather.of([_Effect("fog", 5)])))
    assert len(clear.cloud) > 1000 and (fog.owner == -1).sum() < 0.2 * len(clear.cloud)
    floating = np.linalg.norm(fog.cloud.xyz_m[fog.owner == -2], axis=1)
    assert len(floating) > 500 and floating.max() < 20.0


def test_a_road_stays_bright_at_grazing_incidence_and_a_car_does_not():
    tables = (REFLECTIVITY, MIRRORED, RETRO_GAIN, ROUGHNESS)
    steep, flat = (
        {m: sent_back(int(m), cosine, 0.0, tables) for m in (Material.ASPHALT, Material.CAR_GREY)}
        for cosine in (0.5, 0.03)
    )
    # Where a Lambertian surface would be 17 times darker.
    assert 0.5 * steep[Material.ASPHALT] < flat[Material.ASPHALT] < steep[Material.ASPHALT]
    assert flat[Material.CAR_GREY] < 0.2 * steep[Material.CAR_GREY]


def test_roughness_is_the_ratio_of_oren_and_nayar():
    # Slopes of 0.5 rad (28.6 degrees): A = 1 - 0.5 * 0.25 / 0.58, B = 0.45 * 0.25 / 0.34.
    a, b = 1 - 0.125 / 0.58, 0.1125 / 0.34
    assert oren_nayar_ratio(0.5) == pytest.approx(b / a)
    assert oren_nayar_ratio(0.0) == 0.0


def test_places_of_one_material_differ_and_stay_as_they_are():
    one, two = (sweep(moment(WALL), seed=s) for s in (1, 2))
    _, a, b = np.intersect1d(_pulse(one.cloud), _pulse(two.cloud), return_indices=True)
    level = one.cloud.intensity[a], two.cloud.intensity[b]
    assert level[0].std() > 0.2 * level[0].mean()
    assert np.corrcoef(*level)[0, 1] > 0.9


@pytest.mark.parametrize(("gamma", "level"), [(1.0, 0.04), (0.5, 0.2)])
def test_intensity_follows_its_power_and_fades_with_the_signal(gamma: float, level: float):
    surface = (np.array([10.0], np.float32), np.zeros(1, np.uint8), np.ones(1, np.float32), np.zeros(1, np.int32),
               np.ones(1, np.float32))  # fmt: skip
    tables = tuple(np.array([v]) for v in (0.04, 0.0, 0.0, 0.0))
    noise = np.full((5, 1), 0.5, np.float32), np.zeros((2, 1), np.float32)
    for fade, left in ((0.0, 1.0), (0.4 * 100, 0.5)):
        sensor = np.array([0.5, 200.0, 100.0, 0.0, 0.0, 0.0, 100.0, 0.0, 0.0, gamma, fade])
        _, got, _ = measure(surface, np.zeros(1, bool), tables, (sensor, np.zeros(5)), noise)
        assert got[0] == round(100 * level * left)


@dataclass(frozen=True)
class _Effect:
    kind: str
    severity: int


@pytest.mark.parametrize("kind", ["rain", "snow"])
def test_more_of_it_gives_more_returns_from_the_air(kind: str):
    counts = [
        (sweep(moment(WALL, weather=Weather.of([_Effect(kind, s)]))).owner == -2).sum() for s in (1, 3, 5)
    ]
    assert counts[0] < counts[1] < counts[2]


def test_blocked_sectors_give_nothing():
    at = moment(GROUND, weather=Weather(blocked_rad=((0.5, 0.4),)))
    azimuth = np.arctan2(*sweep(at).cloud.xyz_m[:, 1::-1].T)
    assert (np.abs(azimuth - 0.5) > 0.2).all() and (np.abs(azimuth - 0.5) < 0.25).any()


def test_a_wet_road_returns_less():
    road = quads(np.array([[[-50.0, -50, 0], [50, -50, 0], [50, 50, 0], [-50, 50, 0]]]), Material.ASPHALT)
    dry, wet = (len(sweep(moment(road, weather=Weather(wetness=w))).cloud) for w in (0.0, 1.0))
    assert wet < 0.8 * dry


def test_two_returns_add_what_is_behind_the_rain():
    at = moment(WALL, weather=Weather.of([_Effect("snow", 5)]))
    one, two = sweep(at), sweep(at, replace(EXACT, returns=2))
    assert set(one.return_number.tolist()) == {0}
    second = two.return_number == 1
    assert second.sum() > 10
    np.testing.assert_allclose(two.cloud.xyz_m[second, 0], 20.0, atol=1e-3)
    assert two.hits.sum() == one.hits.sum()


@pytest.mark.parametrize(
    ("name", "beams"), [("hdl64", 64), ("pandar64", 64), ("vlp16", 16), ("dense32", 32), ("hdl32", 32)]
)
def test_tables_have_as_many_beams_as_their_names_say(name: str, beams: int):
    spec = LIDARS[name]
    assert spec.rings == beams and list(spec.elevation_deg) == sorted(spec.elevation_deg)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"type": "hdl65"}, "type 'hdl65': wanted one of .*hdl64"),
        ({"colums": 5}, "unknown key 'colums': did you mean 'columns'"),
        ({"columns": "many"}, "columns: wanted a whole number, got 'many'"),
        ({"columns": 2}, r"columns = 2: wanted a value in \[8"),
        ({"elevation_deg": []}, "at least one beam"),
        ({"elevation_deg": [95]}, "between -90 and 90"),
        ({"azimuth_deg": [1, 2]}, "wanted 32, one a beam, got 2"),
        ({"min_range_m": 500}, "wanted less than max_range_m"),
        ({"elevation_deg": "flat"}, "wanted a list of numbers"),
    ],
)
def test_impossible_lidars_are_named(model: dict, message: str):
    with pytest.raises(ConfigurationError, match="rig r: sensor top: model: .*" + message):
        lidar_spec(model, "rig r: sensor top: model")
