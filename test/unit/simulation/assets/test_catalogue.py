"""Shapes of the catalogue: inside their boxes, of the sizes that are published, the same in every process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.simulation.assets import Asset, Catalogue, Material
from perception_nodes.simulation.assets.cars import CAR_SHAPES, car

KINDS = Catalogue().kinds
_MIRROR_M = 0.3
# Length, width, height in m: smallest and largest that is on the road.
SIZES = {
    "car": ((3.2, 1.5, 1.2), (5.6, 2.1, 1.95)),
    "suv": ((4.0, 1.7, 1.5), (5.6, 2.15, 2.05)),
    "van": ((4.0, 1.7, 1.7), (6.5, 2.2, 2.9)),
    "pickup": ((4.9, 1.8, 1.65), (6.4, 2.2, 2.2)),
    "truck": ((5.0, 2.2, 2.5), (12.0, 2.6, 4.1)),
    "bus": ((8.0, 2.4, 2.8), (13.0, 2.6, 3.5)),
    "bicycle": ((1.5, 0.4, 1.4), (2.0, 0.8, 2.0)),
    "motorcycle": ((1.6, 0.5, 1.3), (2.4, 1.0, 2.0)),
    "pedestrian": ((0.4, 0.35, 1.4), (1.2, 1.1, 2.2)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_meshes_stand_on_the_ground_inside_their_box(kind: str):
    for asset in Catalogue().stock(kind):
        half = np.array([asset.lwh_m[0] / 2, asset.lwh_m[1] / 2])
        for mesh in asset.poses:
            assert mesh.vertices[:, 2].min() > -0.02
            assert mesh.vertices[:, 2].max() < asset.lwh_m[2] + 0.1
            assert (np.abs(mesh.vertices[:, :2]) < half + _MIRROR_M).all(), asset.name
            assert mesh.triangles.max() < len(mesh.vertices)
            assert len(mesh.material) == len(mesh.triangles)


@pytest.mark.parametrize("kind", sorted(SIZES))
def test_sizes_are_those_on_the_road(kind: str):
    low, high = (np.array(bound) for bound in SIZES[kind])
    for asset in Catalogue().stock(kind):
        assert (np.array(asset.lwh_m) >= low).all() and (np.array(asset.lwh_m) <= high).all(), asset


def test_there_are_many_shapes_of_cars():
    assert len(CAR_SHAPES) >= 12
    assert len({a.name for k in ("car", "suv", "van", "pickup") for a in Catalogue().stock(k)}) > 60


def test_the_body_fills_the_box_that_people_label():
    for shape, model in CAR_SHAPES.items():
        mesh = car(shape, Material.CAR_WHITE).poses[0]
        body = np.isin(mesh.material, [Material.CAR_WHITE, Material.RUBBER, Material.GLASS])
        corners = mesh.vertices[mesh.triangles[body]].reshape(-1, 3)
        assert np.ptp(corners[:, 0]) == pytest.approx(model.lwh_m[0], abs=0.06)
        assert corners[:, 2].max() == pytest.approx(model.lwh_m[2], abs=0.06)


def test_a_walker_swings_and_a_car_does_not():
    assert len(Catalogue().stock("pedestrian")[0].poses) == 8
    assert len(Catalogue().stock("car")[0].poses) == 1
    first, later = (Catalogue().stock("pedestrian")[0].poses[k].vertices for k in (0, 2))
    assert np.abs(first - later).max() > 0.2


def test_the_stock_is_the_same_in_another_process():
    code = (
        "from perception_nodes.simulation.assets import Catalogue;"
        "c=Catalogue(3);print([a.name for k in c.kinds for a in c.stock(k)])"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.strip() == str([a.name for k in Catalogue(3).kinds for a in Catalogue(3).stock(k)])


def test_shapes_are_shared():
    rng = np.random.default_rng(0)
    drawn = [Catalogue().random("traffic", rng) for _ in range(300)]
    assert len({id(a) for a in drawn}) < 24 * 7 + 1
    assert len({a.kind for a in drawn}) >= 6


def test_an_unknown_kind_is_named_with_those_that_there_are():
    with pytest.raises(ConfigurationError, match=r"'spaceship'.*wanted one of.*bicycle"):
        Catalogue().random("spaceship", np.random.default_rng(0))


def test_a_label_outside_the_taxonomy_is_refused():
    mesh = Catalogue().stock("cone")[0].poses
    with pytest.raises(ConfigurationError, match="label 'tree'"):
        Asset("tree", "tree", "tree", mesh, (1.0, 1.0, 1.0))
