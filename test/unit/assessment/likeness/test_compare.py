"""The whole: made-up real sweeps against simulated ones, the page, the table, the figures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from perception_nodes.assessment.likeness import (
    Comparison,
    LikenessOptions,
    compare,
    read_figures,
    simulated,
    tell,
    write_figures,
    write_page,
)
from perception_nodes.assessment.likeness.curves import FACES
from perception_nodes.assessment.likeness.page import page
from perception_nodes.assessment.likeness.real import file_rings, nearest_rings, real_views, setup_of
from perception_nodes.assessment.likeness.simulated import simulated_views
from perception_nodes.assessment.likeness.views import Boxes
from perception_nodes.cli.likeness import likeness
from perception_nodes.datasets.pandaset import PandaSetInput
from perception_nodes.datasets.pandaset_files import read_classes
from perception_nodes.datatypes import ConfigurationError, InputError

from .conftest import SETUP

SIMULATED = "kitti", "hdl64"


@pytest.fixture(scope="module", autouse=True)
def _small_street() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated, "STREETS", ("straight",))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two "real" KITTI sweeps, which are simulated, with labels of all cars."""
    path = tmp_path_factory.mktemp("kitti")
    for name in ("velodyne", "calib", "label_2"):
        (path / name).mkdir()
    setup = _kitti_setup(path)
    for k, view in enumerate(simulated_views(setup, 3, 1, 2)):
        order = np.lexsort((np.mod(view.azimuth_rad, 2 * np.pi), -view.ring))
        rows = np.column_stack([view.xyz_m, view.intensity / 255])[order].astype(np.float32)
        rows.tofile(path / "velodyne" / f"{k:06d}.bin")
        matrix = "1 0 0 0 0 1 0 0 0 0 1 0"
        calibration = [f"P{i}: {matrix}" for i in range(4)] + ["R0_rect: 1 0 0 0 1 0 0 0 1"]
        calibration += ["Tr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0", f"Tr_imu_to_velo: {matrix}"]
        (path / "calib" / f"{k:06d}.txt").write_text("\n".join(calibration) + "\n")
        (path / "label_2" / f"{k:06d}.txt").write_text("".join(_labels(view.cars)))
    return path


def _labels(cars: Boxes) -> list[str]:
    """In KITTI's camera frame: x right, y down, z ahead; the place is that of the bottom."""
    out = []
    for (x, y, z), (length, width, height), yaw in zip(cars.center_m, cars.lwh_m, cars.yaw_rad, strict=True):
        box = f"{height} {width} {length} {-y} {-z + height / 2} {x} {-yaw - np.pi / 2}"
        out.append(f"Car 0 0 0 0 0 50 50 {box}\n")
    return out


def _kitti_setup(path: Path):
    (path / "velodyne" / "000000.bin").write_bytes(b"")
    return setup_of(path)


@pytest.fixture(scope="module")
def comparison(folder: Path) -> Comparison:
    return compare(LikenessOptions(folder, streets=1, frames=2, seed=3))


def test_the_simulator_is_near_to_itself(comparison: Comparison):
    found = {c.curve.key: c.distance for c in comparison.curves}
    assert (comparison.name, comparison.rig) == SIMULATED and comparison.frames == (2, 2)
    for key in ("level_road", "noise_ground", "noise_other", "clutter_height", "cells"):
        assert found[key] < 0.03, key
    assert comparison.cars[0] == comparison.cars[1] > 3
    assert found["returned"] < 0.01 and found["ground_spread"] < 0.05
    assert "level_paint" not in found  # KITTI has no classes


def test_sweeps_keep_their_rings_and_boxes_through_the_files(folder: Path):
    setup = setup_of(folder)
    real, made = real_views(folder, setup)[0], simulated_views(setup, 3, 1, 1)[0]
    np.testing.assert_array_equal(real.ring, made.ring)
    np.testing.assert_allclose(real.xyz_m, made.xyz_m, atol=1e-4)
    np.testing.assert_allclose(real.cars.center_m[0], made.cars.center_m[0], atol=1e-3)
    assert abs(np.sin(real.cars.yaw_rad[0] - made.cars.yaw_rad[0])) < 1e-6


def test_halves_are_even_and_odd_sweeps(folder: Path):
    setup = setup_of(folder)
    whole, odd = real_views(folder, setup), real_views(folder, setup, "odd")
    assert [v.stamp_ns for v in odd] == [whole[1].stamp_ns]


def test_the_page_shows_every_curve_and_needs_nothing_else(comparison: Comparison, tmp_path: Path):
    write_page(comparison, tmp_path / "likeness.html", {"returned": 0.5})
    text = (tmp_path / "likeness.html").read_text()
    assert text.count("<figure>") == len(comparison.curves) and text == page(comparison, {"returned": 0.5})
    assert not re.findall(r'(?:src|href)="|<script', text) and "nan" not in text.lower().replace("nanum", "")
    assert all(face in text for face in FACES) and "0.500" in text


def test_figures_are_told_and_read_again(comparison: Comparison, tmp_path: Path):
    write_figures(comparison, tmp_path / "f.json")
    got = read_figures(tmp_path / "f.json")
    assert got == {c.curve.key: c.distance for c in comparison.curves}
    console = Console(record=True, width=160)
    tell(comparison, console, got)
    text = console.export_text()
    assert "before" in text and all(c.curve.title in text for c in comparison.curves)


def test_the_command_tells_writes_and_compares_with_earlier_figures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    page_file, figures = tmp_path / "l.html", tmp_path / "l.json"
    wish = {"rig": "", "half": "even", "seed": 3, "streets": 1, "frames": 1}
    likeness(folder, **wish, output=page_file, json=figures, before=None)
    assert "1 real sweeps" in capsys.readouterr().out and page_file.stat().st_size > 20_000
    wish["streets"] = 2  # fewer than intervals over streets need
    likeness(folder, **wish, output=None, json=None, before=figures)
    assert "before" in capsys.readouterr().out
    for option, name in (("output", "no/l.html"), ("output", "l.png"), ("json", "no/l.json"), ("json", "")):
        targets = {"output": None, "json": None, option: tmp_path / name}
        with pytest.raises(InputError, match=f"^--{option} "):
            likeness(tmp_path, **wish, **targets, before=None)


@pytest.mark.parametrize(
    "content", ["", "[]", json.dumps({"curves": {"a": {}}}), json.dumps({"curves": [1]})]
)
def test_files_that_are_no_figures_are_named(content: str, tmp_path: Path):
    (tmp_path / "f.json").write_text(content)
    with pytest.raises(InputError, match=r"f\.json: wanted figures as --json writes them"):
        read_figures(tmp_path / "f.json")


def test_impossible_wishes_are_named(tmp_path: Path, comparison: Comparison):
    with pytest.raises(InputError, match=r"wanted a folder of PandaSet .* or KITTI"):
        compare(LikenessOptions(tmp_path))
    with pytest.raises(InputError, match="half 'odds': wanted all, even or odd"):
        LikenessOptions(tmp_path, half="odds")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="streets"):
        LikenessOptions(tmp_path, streets=0)
    with pytest.raises(InputError, match=r"ends in \.html"):
        write_page(comparison, tmp_path / "a.png")
    with pytest.raises(InputError, match="there is no folder"):
        write_page(comparison, tmp_path / "no" / "a.html")


def test_rings_from_elevation_and_from_the_order_of_a_file():
    d = SETUP.spec.directions()[0]
    assert nearest_rings(30.0 * d, SETUP).tolist() == list(range(SETUP.spec.rings))
    azimuth = np.tile(np.radians([1.0, 120.0, 240.0, 359.0]), 3)
    xyz = np.column_stack([np.cos(azimuth), np.sin(azimuth), np.zeros(12)])
    top = SETUP.spec.rings - 1
    assert file_rings(xyz, SETUP).tolist() == [top] * 4 + [top - 1] * 4 + [top - 2] * 4


def test_pandaset_lies_on_the_beams_of_its_lidar(shared_data: Path):
    setup = setup_of(shared_data / "pandaset_002")
    xyz = PandaSetInput(shared_data / "pandaset_002").cloud(0, "pandar64").xyz_m.astype(np.float64)
    elevation = np.degrees(np.arctan2(xyz[:, 2], np.hypot(xyz[:, 0], xyz[:, 1])))
    off = np.abs(elevation - np.asarray(setup.spec.elevation_deg)[nearest_rings(xyz, setup)])
    assert off[np.linalg.norm(xyz, axis=1) > 8].mean() < 0.02
    classes, sensor = read_classes(shared_data / "pandaset_002", 0)
    assert (sensor == 0).sum() == len(xyz) and np.isin(classes, np.arange(43)).all()
