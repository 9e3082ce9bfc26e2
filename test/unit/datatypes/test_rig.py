"""Rig files: round trip and errors that name file, sensor and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perception_nodes.datatypes import ConfigurationError, Modality, Rig, load_rig, save_rig


def data(**sensor: Any) -> dict[str, Any]:
    return {"name": "test", "sensors": {"top": {"modality": "lidar", "topic": "/points", **sensor}}}


def test_round_trip_through_a_file(tmp_path: Path) -> None:
    rig = Rig.from_dict(data(mount_xyz_m=[1, 0, 2], mount_rpy_rad=[0, 0, 0.1], motion_compensated=True))
    save_rig(rig, tmp_path / "rig.yaml")
    assert load_rig(tmp_path / "rig.yaml") == rig
    assert rig.reference == "top"
    assert [s.name for s in rig.of(Modality.LIDAR)] == ["top"]


def test_a_field_of_view_lasts_and_all_around_need_not_be_written(tmp_path: Path) -> None:
    for fov_rad in (1.05, 6.2832):
        rig = Rig.from_dict(data(fov_rad=fov_rad))
        save_rig(rig, tmp_path / "rig.yaml")
        assert load_rig(tmp_path / "rig.yaml").sensor("top").fov_rad == fov_rad
    assert "fov_rad" not in Rig.from_dict(data()).to_dict()["sensors"]["top"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"modality": "sonar"}, "modality 'sonar': wanted one of"),
        ({"topic": "points"}, "wanted an absolute name"),
        ({"rate_hz": 0}, "rate_hz 0: wanted > 0"),
        ({"rate": 10}, "unknown key 'rate'"),
        ({"mount_xyz_m": [1, 2, 3]}, "give both mount_xyz_m and mount_rpy_rad"),
        ({"mount_xyz_m": [1, 2], "mount_rpy_rad": [0, 0, 0]}, "wanted 3 numbers"),
        ({"mount_xyz_m": ["a", 1, 2], "mount_rpy_rad": [0, 0, 0]}, "mount_xyz_m: wanted 3 numbers, got"),
        (
            {"mount_xyz_m": [0, 1, 2], "mount_rpy_rad": [0, 0, float("nan")]},
            "mount_rpy_rad: wanted 3 numbers",
        ),
        ({"topic": 5}, "topic: wanted a text, got 5"),
        ({"topic": "/my points"}, "topic '/my points': wanted an absolute name"),
        ({"info_topic": "info"}, "topic 'info': wanted an absolute name"),
        ({"rate_hz": "fast"}, "rate_hz: wanted a number, got 'fast'"),
        ({"fov_rad": 0.0}, "fov_rad 0.0: wanted more than 0, up to 2 pi"),
        ({"fov_rad": 360.0}, "fov_rad 360.0: wanted more than 0, up to 2 pi"),
        ({"rate_hz": True}, "rate_hz: wanted a number, got True"),
        ({"rate_hz": 10**400}, "rate_hz: wanted a number, got 1000"),
        ({"offset_s": float("nan")}, "offset_s: wanted a number, got nan"),
        ({"motion_compensated": "no"}, "motion_compensated: wanted true or false, got 'no'"),
    ],
)
def test_bad_sensor_is_named(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        Rig.from_dict(data(**change))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": 3}, "name: wanted a text, got 3"),
        ({"base_frame": None}, "base_frame: wanted a text, got None"),
        ({"odometry_topic": "odom"}, "odometry_topic 'odom': wanted an absolute name"),
        ({"base_to_center_m": "1"}, "base_to_center_m: wanted a number, got '1'"),
        ({"vehicle_lwh_m": 4.6}, r"vehicle_lwh_m: wanted 3 numbers, got 4\.6"),
        ({"vehicle_lwh_m": [4.6, -1.9, 1.6]}, r"vehicle_lwh_m \[4\.6, -1\.9, 1\.6\]: wanted more than 0"),
        ({"notes": "one"}, "notes: wanted a list of texts, got 'one'"),
    ],
)
def test_bad_vehicle_is_named(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        Rig.from_dict({**data(), **change})


def test_a_sensor_that_is_given_twice(tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(
        "name: r\nsensors:\n  top: {modality: lidar, topic: /p}\n  top: {modality: radar, topic: /q}\n"
    )
    with pytest.raises(ConfigurationError, match="top is given twice"):
        load_rig(tmp_path / "rig.yaml")


def test_bad_rig_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="reference 'front'"):
        Rig.from_dict({**data(), "reference": "front"})
    with pytest.raises(ConfigurationError, match="sensors: wanted a mapping"):
        Rig.from_dict({"name": "x", "sensors": []})
    with pytest.raises(ConfigurationError, match=r"nothing\.yaml"):
        load_rig(tmp_path / "nothing.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ConfigurationError, match="not YAML"):
        load_rig(tmp_path / "bad.yaml")
    (tmp_path / "bytes.yaml").write_bytes(bytes([0x80, 0x81]))
    with pytest.raises(ConfigurationError, match=r"bytes\.yaml: not YAML"):
        load_rig(tmp_path / "bytes.yaml")
    (tmp_path / "list.yaml").write_text("[1]")
    with pytest.raises(ConfigurationError, match="wanted a mapping, got list"):
        load_rig(tmp_path / "list.yaml")


def test_unknown_sensor_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"no sensor 'camera': it has \['top'\]"):
        Rig.from_dict(data()).sensor("camera")
