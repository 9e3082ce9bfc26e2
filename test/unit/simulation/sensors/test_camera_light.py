"""Light in a picture: shadows, night, fog, wet roads, dirt, noise; and that nothing but the seed decides."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from perception_nodes.simulation.assets import Material
from perception_nodes.simulation.sensors.camera import CameraFrame
from perception_nodes.simulation.sensors.camera_develop import developed
from perception_nodes.simulation.sensors.camera_lens import lens_of
from perception_nodes.simulation.sensors.camera_truth import MASK_CLASSES
from perception_nodes.simulation.sensors.shading import _lamp
from perception_nodes.simulation.sensors.shading_light import light_of, scattering
from perception_nodes.simulation.sensors.shading_lit import _street_lamps
from perception_nodes.simulation.traffic.states import EgoState
from perception_nodes.simulation.weather import Weather
from perception_nodes.simulation.world import build_world

from .camera_bench import GROUND, SPEC, STILL, WALL, join, luminance, moment, pixel, radiance, shot

# The sun stands on the left at 45 degrees: shadows fall to the right as long as things are high.
LEFT = Weather(sun_elevation_rad=np.pi / 4, sun_azimuth_rad=np.pi / 2)
HIGH = Weather(sun_elevation_rad=1.2, sun_azimuth_rad=0.0)


def light(frame: CameraFrame, odom: tuple[float, float, float]) -> float:
    """Radiance about a place."""
    row, column = pixel(frame, odom)
    return float(radiance(frame)[row - 1 : row + 2, column - 1 : column + 2].mean())


def test_a_shadow_lies_where_the_sun_says():
    frame = shot(moment((10.0, 0.0, 0), weather=LEFT), width_px=416, height_px=224)
    shadow, beside, left = (light(frame, (10.0, y, 0.0)) for y in (-2.0, -4.0, 2.0))
    assert shadow < 0.75 * beside and abs(left - beside) < 0.2 * beside


def test_the_street_throws_shadows_on_actors():
    behind = Weather(sun_elevation_rad=0.6, sun_azimuth_rad=np.pi)
    screen = WALL.moved((-25.0, 0.0, 0.0))  # at x = -5: its shadow reaches to x = 9.6
    cube = (7.0, 0.0, 0)
    free = shot(moment(cube, weather=behind))
    dark = shot(moment(cube, mesh=join([GROUND, screen]), weather=behind))
    at = (6.0, 0.0, 1.5)
    assert light(dark, at) < 0.5 * light(free, at)
    assert light(dark, (15.0, 6.0, 0.0)) == pytest.approx(light(free, (15.0, 6.0, 0.0)), rel=0.3)


def test_night_is_darker_and_the_own_lamps_light_the_road_ahead():
    day, night = (shot(moment(weather=Weather().with_effect("night", 4) if n else Weather())) for n in (0, 1))
    assert night.gain > 10 * day.gain and luminance(night).mean() < luminance(day).mean()
    assert light(night, (12.0, 0.0, 0.0)) > 1.5 * light(night, (12.0, 9.0, 0.0))


def test_street_lamps_light_what_is_below_them():
    """By hand: 1 right below one of 7 m, half of it as far aside, where it sends more; and nothing from behind."""
    cells = np.full((10, 10, 4), -1, np.int32)
    cells[:5, :, 0] = 0
    place = SimpleNamespace(low=np.zeros(2), lamps=np.array([[10.0, 10.0, 7.0]]), lighting=cells)
    up, down = np.array([0.0, 0, 1]), np.array([0.0, 0, -1])

    def lit(x: float, facing: np.ndarray, z: float = 0.0) -> float:
        return float(_street_lamps.py_func(np.array([x, 10.0, z]), facing, place))

    assert lit(10.0, up) == pytest.approx(1.0)
    assert lit(17.0, up) == pytest.approx(0.5)
    assert lit(10.0, down) == lit(10.0, up, 9.0) == 0.0, "lit from above only"
    assert lit(30.0, up) == lit(-1.0, up) == 0.0, "no lamp near, beyond the street"
    assert lit(10.2, down, 6.8) > 50, "the lamp itself"


def test_street_lamps_of_a_world_are_the_heads_of_its_masts():
    world = build_world("straight", np.random.default_rng(3), parking=True)
    metal = world.mesh.vertices[world.mesh.triangles[world.mesh.material == Material.METAL]].reshape(-1, 3)
    assert len(world.lamps_m) > 5
    over = world.lamps_m[:, 2] - world.surface.road_height(world.lamps_m[:, :2])
    assert ((over > 5.5) & (over < 10.0)).all()
    assert (cKDTree(metal).query(world.lamps_m)[0] < 0.5).all()


def test_where_the_ground_ends_grass_goes_on_to_the_horizon():
    frame = shot(moment(mesh=WALL.moved((-500.0, 0.0, 0.0))))
    middle = SPEC.height_px // 2
    assert np.isinf(frame.depth_m[: middle - 1]).all()
    below = (np.arange(middle + 1, SPEC.height_px) + 0.5 - middle) / SPEC.focal_px
    assert np.allclose(frame.depth_m[middle + 1 :], (4.0 / below)[:, None], rtol=1e-3)  # as in the picture
    assert (frame.label[: middle - 1] == MASK_CLASSES.index("sky")).all()
    assert (frame.label[middle + 1 :] == MASK_CLASSES.index("terrain")).all()
    rows = frame.image.bgr.astype(float).mean(axis=1)
    sky, grass = rows[4], rows[-4]
    assert sky[0] > 1.1 * sky[1] and grass[1] > 1.2 * max(grass[0], grass[2])


def test_fog_hides_what_is_far_and_not_what_is_near():
    fog = Weather(fog_visibility_m=30.0)
    contrast = []
    for distance in (5.0, 45.0):
        frame = shot(moment((distance, 0.0, 1), weather=fog), width_px=416, height_px=224)
        row, column = pixel(frame, (distance, 0.0, 1.0))
        picture = luminance(frame)
        contrast.append(abs(picture[row, column] - picture[row, column + 30]))
    assert contrast[0] > 10 and contrast[1] < 3


def test_scattering_is_that_of_the_visibility():
    clear = scattering(Weather())
    assert clear == pytest.approx(3.912 / 25_000)
    assert scattering(Weather(fog_visibility_m=100.0)) - clear == pytest.approx(0.03912)
    assert scattering(Weather(dust_visibility_m=50.0)) - clear == pytest.approx(3.912 / 50)
    assert scattering(Weather(rain_mm_h=20.0)) - clear == pytest.approx(1.076 * 20**0.67 * np.log(10) / 1e4)


def test_a_low_sun_is_weaker_and_redder():
    high, low = (light_of(Weather(sun_elevation_rad=e)).sun_rgb for e in (1.0, 0.05))
    assert low.max() < 0.5 * high.max() and low[2] / low[0] < 0.5 * high[2] / high[0]


def test_a_wet_road_is_darker_and_mirrors_what_stands_on_it():
    frames = [
        shot(
            moment((20.0, 0.0, 0), weather=replace(HIGH, wetness=w)),
            width_px=416,
            height_px=224,
            hfov_rad=2.0,
        )
        for w in (0.0, 1.0)
    ]
    dry, wet = frames
    near = [light(f, (2.4, 0.0, 0.0)) for f in frames]
    assert near[1] < 0.8 * near[0]
    # The front of the cube is dark and shows below itself in the water, where else the sky does.
    below, beside = (light(wet, (16.0, y, 0.0)) - light(dry, (16.0, y, 0.0)) for y in (0.0, 5.0))
    assert below < beside - 0.02


@pytest.mark.parametrize("effect", ["dirt", "snow", "dust", "fog"])
def test_worse_weather_leaves_less_of_the_picture(effect: str):
    clean = luminance(shot(moment((8.0, 1.0, 1), mesh=join([GROUND, WALL]))))
    change = []
    for severity in (1, 5):
        frame = shot(
            moment((8.0, 1.0, 1), mesh=join([GROUND, WALL]), weather=Weather().with_effect(effect, severity))
        )
        change.append(np.corrcoef(luminance(frame).ravel(), clean.ravel())[0, 1])
    assert change[1] < change[0] < 1.0


def test_dirt_covers_its_share_and_drops_grow_with_the_rain():
    size = (224, 416)
    for share in (0.1, 0.4):
        assert (lens_of(1, size, share, 0.0, 0.0).dirt > 0.42).mean() == pytest.approx(share, abs=0.02)
    straight = lens_of(1, size, 0.0, 0.0, 0.0)
    assert not straight.drops and not straight.dirt.any()
    moved = [
        np.mean([(lens_of(1, size, 0.0, r, t).source != straight.source).mean() for t in range(20)])
        for r in (0.0, 2.0, 60.0)
    ]
    assert 0 == moved[0] < moved[1] < moved[2]


def test_noise_grows_with_the_gain_and_none_is_none():
    at = moment(weather=Weather().with_effect("night", 5)), moment()
    spread = []
    for m in at:
        quiet, noisy = (shot(m, noise=n).image.bgr.astype(float) for n in (0.0, 1.0))
        spread.append((noisy - quiet).std())
    assert spread[0] > 2 * spread[1] > 0


def test_motion_blurs_what_one_drives_past():
    ego = STILL, EgoState((0.0, 0.0, 0.0, 0.5, 0.0, 0.0))
    sharp, soft = (
        luminance(shot(moment((12.0, 4.0, 1), ego=ego), hfov_rad=2.0, exposure_s=0.05, blur_samples=n))
        for n in (1, 8)
    )
    assert np.abs(np.diff(soft, axis=1)).max() < 0.8 * np.abs(np.diff(sharp, axis=1)).max()


@pytest.mark.parametrize("effect", [None, "rain", "night", "snow"])
def test_threads_do_not_change_a_bit_and_the_seed_does(effect: str | None):
    weather = Weather().with_effect(effect, 3) if effect else Weather()
    actors = [(8.0 + 3 * k, (-1) ** k * 2.0, k % 2) for k in range(12)]
    frames = [
        shot(moment(*actors, weather=weather, threads=n), SPEC, seed, width_px=416, height_px=224, noise=1.0)
        for n, seed in ((1, 1), (2, 1), (2, 2))
    ]
    one, two, other = (f.image.bgr.tobytes() for f in frames)
    assert one == two and one != other
    assert frames[0].depth_m.tobytes() == frames[1].depth_m.tobytes()
    np.testing.assert_array_equal(frames[0].boxes.box_px, frames[1].boxes.box_px)


def test_a_low_sun_ahead_veils_the_picture_and_a_screen_before_it_does_not():
    ahead = Weather(sun_elevation_rad=0.1, sun_azimuth_rad=0.0)
    tower = WALL.moved((30.0, 0.0, 10.0))  # before the sun, above what is looked at
    free, hidden = (
        shot(moment((8.0, 0.3, 1), mesh=m, weather=ahead)) for m in (GROUND, join([GROUND, tower, WALL]))
    )
    at = (7.75, 0.3, 1.4)
    assert light(free, at) > 1.5 * light(hidden, at)


def test_brakes_light_up_by_day_and_tail_lamps_by_night():
    light_of_lamp = [
        _lamp(-1.0, braking, night, np.ones(3)) for night in (0.0, 1.0) for braking in (False, True)
    ]
    assert light_of_lamp[0] == 0.0 < light_of_lamp[2] < light_of_lamp[3] < light_of_lamp[1]
    assert _lamp(1.0, True, 0.0, np.ones(3)) == 0.0 < _lamp(1.0, False, 1.0, np.ones(3))


def test_light_that_is_no_number_is_black_and_without_end_white():
    picture = np.array([[[np.nan, np.inf, 1e30]]], np.float32)
    bgr = developed(picture, 1.0, replace(SPEC, noise=0.0), 0.004, (1, 0))
    assert bgr.tolist() == [[[255, 255, 0]]]
