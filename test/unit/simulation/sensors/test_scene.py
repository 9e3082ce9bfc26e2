"""Rays against moving meshes: exact ranges of simple things, and a second way to the same answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.datatypes import InputError
from perception_nodes.geometry import Transform
from perception_nodes.simulation.assets import Asset, Catalogue, Material, box, join, quads
from perception_nodes.simulation.sensors.scene import Scene
from perception_nodes.simulation.traffic.states import ActorStates

GROUND = quads(np.array([[[-99.0, -99, 0], [99, -99, 0], [99, 99, 0], [-99, 99, 0]]]), Material.ASPHALT)
CUBE = Asset.standing("cube", "carton", "unknown", [box((0, 0, 0.5), (2, 1, 1), Material.WOOD)])


def states(*poses: tuple[float, ...]) -> ActorStates:
    return ActorStates.standing(np.zeros(len(poses), np.int64), np.array(poses, np.float64).reshape(-1, 6))


def ray(target: tuple[float, float, float], origin: tuple[float, float, float] = (0, 0, 0.5)):
    o = np.array([origin], np.float32)
    d = np.array([target]) - o
    return o, (d / np.linalg.norm(d)).astype(np.float32), np.ones(1, np.float32)


def test_a_wall_at_ten_metres_is_at_ten_metres():
    here = states((11.0, 0, 0, 0, 0, 0))
    hits = Scene(GROUND, [CUBE]).cast(*ray((11, 0, 0.5)), (here, here), 100.0)
    assert hits.range_m[0] == pytest.approx(10.0, abs=1e-5)
    assert (hits.owner[0], hits.material[0]) == (0, Material.WOOD)
    np.testing.assert_allclose(np.abs(hits.normal[0]), [1, 0, 0], atol=1e-6)


def test_the_street_is_met_where_nothing_stands():
    hits = Scene(GROUND, [CUBE]).cast(*ray((3, 0, 0), (0, 0, 4)), (states(), states()), 100.0)
    assert hits.range_m[0] == pytest.approx(5.0, abs=1e-5)
    assert (hits.owner[0], hits.material[0]) == (-1, Material.ASPHALT)
    assert hits.cosine(ray((3, 0, 0), (0, 0, 4))[1])[0] == pytest.approx(0.8, abs=1e-6)


def test_nothing_beyond_the_limit():
    here = states((11.0, 0, 0, 0, 0, 0))
    hits = Scene(GROUND, [CUBE]).cast(*ray((11, 0, 0.5)), (here, here), 9.9)
    assert np.isinf(hits.range_m[0]) and hits.owner[0] == -1


def test_each_ray_meets_the_thing_where_it_is_at_its_own_time():
    start, end = states((11.0, 0, 0, 0, 0, 0)), states((13.0, 0, 0, 0, 0, 0))
    o, d, _ = ray((11, 0, 0.5))
    many = (np.repeat(o, 3, axis=0), np.repeat(d, 3, axis=0), np.array([0.0, 0.5, 1.0], np.float32))
    hits = Scene(GROUND, [CUBE]).cast(*many, (start, end), 100.0)
    np.testing.assert_allclose(hits.range_m, [10.0, 11.0, 12.0], atol=1e-5)


def test_yaw_goes_the_short_way_round():
    start, end = states((10.0, 0, 0, 3.1, 0, 0)), states((10.0, 0, 0, -3.1, 0, 0))
    o, d, _ = ray((10, 0, 0.5))
    hits = Scene(GROUND, [CUBE]).cast(o, d, np.array([0.5], np.float32), (start, end), 100.0)
    assert hits.range_m[0] == pytest.approx(9.0, abs=1e-4)  # half way it looks along x again


def test_who_is_absent_is_not_met():
    here = states((11.0, 0, 0, 0, 0, 0))
    gone = replace(here, present=np.array([False]))
    hits = Scene(GROUND, [CUBE]).cast(*ray((11, 0, 0.5)), (here, gone), 100.0)
    assert hits.owner[0] == -1


def test_who_comes_back_as_somebody_else_is_not_met_on_the_way():
    here, there = states((11.0, 0, 0, 0, 0, 0)), states((31.0, 0, 0, 0, 0, 0))
    o, d, _ = ray((11, 0, 0.5))
    half = np.array([0.5], np.float32)
    scene = Scene(GROUND, [CUBE])
    assert scene.cast(o, d, half, (here, there), 100.0).owner[0] == 0
    somebody_else = replace(there, id=there.id + 7)
    assert scene.cast(o, d, half, (here, somebody_else), 100.0).owner[0] == -1


def _crowd(rng: np.random.Generator) -> tuple[list[Asset], ActorStates]:
    catalogue = Catalogue()
    assets = [catalogue.random(k, rng) for k in ("car", "truck", "pedestrian", "bicycle", "car", "cone")]
    pose = np.zeros((len(assets), 6))
    pose[:, :2] = rng.uniform(-14, 14, (len(assets), 2))
    pose[:, 3] = rng.uniform(-np.pi, np.pi, len(assets))
    pose[:, 4:] = rng.normal(0.0, 0.05, (len(assets), 2))
    there = ActorStates.standing(np.arange(len(assets)), pose)
    return assets, replace(there, phase=np.array([0, 0, 3, 0, 0, 0]))


def _rays(rng: np.random.Generator, count: int = 20_000):
    d = rng.normal(size=(count, 3)) * [1, 1, 0.15]
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    order = np.argsort(np.arctan2(d[:, 1], d[:, 0]))
    o = np.tile(np.array([[0.2, -0.1, 1.8]], np.float32), (count, 1))
    return o, d[order].astype(np.float32), np.ones(count, np.float32)


def test_moved_rays_give_what_moved_meshes_give(rng: np.random.Generator):
    assets, there = _crowd(rng)
    parts = [GROUND]
    for asset, pose, phase in zip(assets, there.pose, there.phase, strict=True):
        mesh = asset.poses[int(phase)]
        turned = Transform.from_xyz_rpy(pose[:3], (pose[5], pose[4], pose[3])).apply(mesh.vertices)
        parts.append(replace(mesh, vertices=turned))
    rays = _rays(rng)
    moved = Scene(GROUND, assets).cast(*rays, (there, there), 60.0)
    whole = Scene(join(parts), []).cast(*rays, (states(), states()), 60.0)
    same = np.isclose(moved.range_m, whole.range_m, atol=2e-4) | (
        np.isinf(moved.range_m) & np.isinf(whole.range_m)
    )
    assert same.mean() > 0.9995  # grazing rays may fall on either side of an edge
    assert (moved.owner >= 0).sum() > 500
    np.testing.assert_array_equal(moved.material[same], whole.material[same])
    facing = np.abs(np.einsum("ij,ij->i", moved.normal, whole.normal))[same & np.isfinite(moved.range_m)]
    assert (facing > 0.999).mean() > 0.999


def test_the_number_of_threads_changes_nothing(rng: np.random.Generator):
    assets, there = _crowd(rng)
    rays = _rays(rng)
    one, two = (Scene(GROUND, assets, threads=n).cast(*rays, (there, there), 60.0) for n in (1, 2))
    for name in ("range_m", "material", "normal", "owner", "triangle"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_the_order_of_the_actors_changes_their_rows_only(rng: np.random.Generator):
    assets, there = _crowd(rng)
    rays = _rays(rng)
    order = rng.permutation(len(there))
    first = Scene(GROUND, assets).cast(*rays, (there, there), 60.0)
    shuffled = there.select(order)
    second = Scene(GROUND, assets).cast(*rays, (shuffled, shuffled), 60.0)
    np.testing.assert_array_equal(first.range_m, second.range_m)
    met = second.owner >= 0
    np.testing.assert_array_equal(first.owner[met], order[second.owner[met]])


def test_aimed_counts_rays_whatever_stands_in_between():
    scene = Scene(GROUND, [CUBE])
    here = states((11.0, 0, 0, 0, 0, 0), (21.0, 0, 0, 0, 0, 0))
    o, d, f = ray((11, 0, 0.5))
    hits = scene.cast(o, d, f, (here, here), 100.0)
    np.testing.assert_array_equal(hits.aimed, [1, 1])
    assert hits.owner[0] == 0


def test_states_of_other_actors_cannot_be_joined():
    with pytest.raises(InputError, match="ids differ: 1 and 2 actors"):
        states((0,) * 6).towards(states((0,) * 6, (1,) * 6), 0.5)
