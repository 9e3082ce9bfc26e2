"""Packets of rays against triangles: what the package embreex finds with one ray after the other; plane geometry."""

from __future__ import annotations

from importlib import metadata

import numpy as np
import pytest
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.simulation.sensors import embree
from perception_nodes.simulation.sensors.embree import PACKET, Triangles


def _soup(rng: np.random.Generator, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    middle = rng.uniform(-20, 20, (count, 1, 3))
    corners = (middle + rng.normal(0, 1.5, (count, 3, 3))).astype(np.float32)
    return corners.reshape(-1, 3), np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


def _rays(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    way = rng.normal(size=(count, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    return rng.uniform(-5, 5, (count, 3)).astype(np.float32), way.astype(np.float32)


@pytest.mark.parametrize("count", [0, 1, PACKET - 1, PACKET, 20 * PACKET + 5])
def test_packets_find_what_single_rays_find(rng: np.random.Generator, count: int):
    vertices, triangles = _soup(rng)
    rays = _rays(rng, count)
    single = EmbreeScene()
    kept = TriangleMesh(single, vertices, triangles)
    met = single.run(*rays, output=1)
    range_m, triangle = Triangles(vertices, triangles).cast(*rays)
    np.testing.assert_array_equal(triangle, met["primID"])
    hit = triangle >= 0
    np.testing.assert_allclose(range_m[hit], met["tfar"][hit], rtol=1e-5)
    assert np.isinf(range_m[~hit]).all()
    assert count < 100 or 0.1 < hit.mean() < 0.9
    del kept


def test_what_a_ray_meets_stops_it(rng: np.random.Generator):
    body, rays = Triangles(*_soup(rng)), _rays(rng, 1000)
    np.testing.assert_array_equal(body.stops(*rays), body.cast(*rays)[1] >= 0)


def test_both_sides_stop_and_what_lies_behind_does_not():
    corners = np.array([[5, -9, -9], [5, 9, -9], [5, 0, 9]], np.float32)
    body = Triangles(corners, np.array([[0, 1, 2]], np.int32))
    origins = np.array([[0, 0, 0], [9, 0, 0], [9, 0, 0]], np.float32)
    ways = np.array([[1, 0, 0], [-1, 0, 0], [1, 0, 0]], np.float32)
    np.testing.assert_allclose(body.cast(origins, ways)[0], [5, 4, np.inf])


def test_of_no_triangles_nothing_is_met(rng: np.random.Generator):
    body = Triangles(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert not body.stops(*_rays(rng, 20)).any()


@pytest.mark.parametrize("files", [[], None, metadata.PackageNotFoundError("embreex")])
def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, files: object):
    def known(_: str) -> object:
        if isinstance(files, Exception):
            raise files
        return files

    monkeypatch.setattr(metadata, "files", known)
    with pytest.raises(ConfigurationError, match=r"pip install 'embreex>=4\.4'"):
        embree._library()
