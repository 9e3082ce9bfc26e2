"""Real sweeps: PandaSet (Pandar64) and KITTI (HDL-64E)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np

from perception_nodes.datasets.kitti import KittiInput
from perception_nodes.datasets.kitti_files import find_kitti
from perception_nodes.datasets.pandaset import PandaSetInput
from perception_nodes.datasets.pandaset_files import read_classes
from perception_nodes.datasets.rigs import known_rig
from perception_nodes.datatypes import LABELS, Detections3D, InputError, Modality
from perception_nodes.geometry import Transform, transform_detections
from perception_nodes.simulation.sensors.beams import lidar_spec
from perception_nodes.simulation.sensors.specs import Mounting

from .views import F64, I64, U8, Boxes, Kind, Raw, Setup, View, view

Half = Literal["all", "even", "odd"]

# PandaSet's class -> kind (annotations/semseg/classes.json).
_PANDASET_KINDS: Final = {
    7: Kind.ROAD, 8: Kind.PAINT, 9: Kind.PAINT, 10: Kind.PAINT, 11: Kind.SIDEWALK, 12: Kind.SIDEWALK,
    5: Kind.VEGETATION, 41: Kind.BUILDING,
}  # fmt: skip
_PANDAR64: Final = 0
# By how much PandaSet's boxes stand off the bodies, from the outermost hundredth of the points in cars within 25 m
# (median over 397 cars of even frames: 0.14, 0.08 and 0.08 m; simulated cars in tight boxes: -0.01, -0.01 and 0.01 m).
# Their bottoms are 0.10 m below the ground, those of simulated cars 0.05 m. KITTI's boxes are tight.
_PANDASET_MARGIN_M: Final = (0.15, 0.085, 0.075, 0.05)


def setup_of(path: Path, rig: str = "") -> Setup:
    """How the data at `path` are compared; rig: another one than `pandar64` or `hdl64`.

    Raises InputError for a folder that is neither PandaSet nor KITTI.
    """
    if _is_pandaset(path):
        return setup("pandaset", rig or "pandar64", (0.008, 1.0), _PANDASET_MARGIN_M)
    if path.is_dir() and find_kitti(path) is not None:
        return setup("kitti", rig or "hdl64", (0.001, 2.55))
    raise InputError(
        f"{path}: wanted a folder of PandaSet (lidar/, cuboids) or KITTI (velodyne), found neither"
    )


def setup(
    name: str,
    rig_name: str,
    steps: tuple[float, float],
    margin_m: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
) -> Setup:
    """The first lidar of a rig; steps: of coordinates in m and of intensities."""
    rig = known_rig(rig_name)
    lidars = rig.of(Modality.LIDAR)
    if not lidars or lidars[0].mount_xyz_m is None:
        raise InputError(f"rig {rig_name}: wanted a lidar with its place, found none")
    _, model = Mounting.split(lidars[0].model, f"rig {rig_name}")
    spec = lidar_spec(model, f"rig {rig_name}")
    return Setup(name, rig_name, lidars[0].name, spec, *steps, lidars[0].mount_xyz_m[2], margin_m)


def real_views(path: Path, setup: Setup, half: Half = "all") -> list[View]:
    """Sweeps of the data set in order. half: those of even or odd number only."""
    if setup.name == "pandaset":
        return _pandaset(path, setup, half)
    return _kitti(path, setup, half)


def _picked(count: int, half: Half) -> Sequence[int]:
    return range(int(half == "odd"), count, 1 if half == "all" else 2)


def _is_pandaset(path: Path) -> bool:
    return (path / "lidar" / "timestamps.json").is_file()


def _pandaset(path: Path, setup: Setup, half: Half) -> list[View]:
    data = PandaSetInput(path)
    stamps = [truth.stamp_ns for truth in data._truth] if data.has_truth else []
    if not stamps:
        raise InputError(f"{path}: wanted a sequence with boxes (cuboids), found none")
    out = []
    for k in _picked(len(stamps), half):
        cloud = data.cloud(k, "pandar64")
        xyz = cloud.xyz_m.astype(np.float64)
        intensity = np.asarray(cloud.intensity, np.float64)
        classes, sensor = read_classes(path, k)
        kind = _kinds(classes[sensor == _PANDAR64])
        lidar_from_odom = data.mounts()[cloud.frame_id].inverse() @ data.poses().odom_from_base[k].inverse()
        raw = Raw(xyz, intensity, nearest_rings(xyz, setup), kind)
        out.append(view(raw, _cars(data.truth(k), lidar_from_odom), cloud.stamp_ns, 0, setup))
    return out


def _kitti(path: Path, setup: Setup, half: Half) -> list[View]:
    files = find_kitti(path)
    assert files is not None  # setup_of has looked
    data = KittiInput(path, files)
    if not data.has_truth:
        raise InputError(f"{path}: wanted KITTI sweeps with labels, found none")
    mount = next(iter(data.mounts().values()))
    track = data.poses()
    out = []
    for k in _picked(len(data._stamps_ns), half):
        cloud = data.cloud(k)
        xyz = cloud.xyz_m.astype(np.float64)
        truth = data.truth(k)
        from_truth = (
            mount.inverse() if track is None else mount.inverse() @ track.at(truth.stamp_ns).inverse()
        )
        # Reflectances 0..1 with two decimals; the lidar gives 0..255.
        raw = Raw(xyz, 255.0 * np.asarray(cloud.intensity, np.float64), file_rings(xyz, setup), None)
        out.append(view(raw, _cars(truth, from_truth), cloud.stamp_ns, k, setup))
    return out


def nearest_rings(xyz_m: F64, setup: Setup) -> I64:
    """(N,) the beam of the table that is nearest to each point's elevation."""
    elevation = np.degrees(np.arctan2(xyz_m[:, 2], np.hypot(xyz_m[:, 0], xyz_m[:, 1])))
    table = np.asarray(setup.spec.elevation_deg)
    return np.asarray(np.searchsorted((table[1:] + table[:-1]) / 2, elevation), np.int64)


def file_rings(xyz_m: F64, setup: Setup) -> I64:
    """(N,) from the order of a KITTI file: ring after ring from the uppermost, each a turn to the left from ahead."""
    azimuth = np.mod(np.arctan2(xyz_m[:, 1], xyz_m[:, 0]), 2 * np.pi)
    turn = np.concatenate([[0], np.cumsum(np.diff(azimuth) < -np.pi)])
    return np.asarray(np.maximum(setup.spec.rings - 1 - turn, 0), np.int64)


def _kinds(classes: U8) -> U8:
    table = np.zeros(256, np.uint8)
    for number, kind in _PANDASET_KINDS.items():
        table[number] = kind
    return np.asarray(table[classes])


def _cars(truth: Detections3D, lidar_from_truth: Transform) -> Boxes:
    found = transform_detections(truth, "lidar", lidar_from_truth)
    car = found.label == LABELS.index("car")
    return Boxes(found.center_m[car], found.lwh_m[car], found.yaw_rad[car])
