"""KITTI calibration files in their four layouts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError
from perception_nodes.geometry import CameraModel, Transform

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class KittiCalibration:
    """camera_2: projection P2 (3, 4) of the rectified left colour camera; rect_from_velo: rectified camera 0."""

    p2: F64
    rect_from_velo: Transform
    velo_from_imu: Transform | None

    def velo_from_camera(self) -> Transform:
        """Mount of the rectified camera 2: camera 0 shifted along its x axis by the last column of P2."""
        shift = np.linalg.solve(self.p2[:, :3], self.p2[:, 3])
        rect_from_camera = Transform(np.eye(3), np.asarray(-shift, np.float64))
        return self.rect_from_velo.inverse() @ rect_from_camera

    def camera_model(self, width_px: int, height_px: int) -> CameraModel:
        """Pinhole camera without distortion (the images are rectified)."""
        k = self.p2
        return CameraModel(
            width_px, height_px, float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])
        )


def read_calibration(path: Path) -> KittiCalibration:
    """From one file (object, tracking, or the P_rect / R_rect_00 / RT_velo_to_cam layout) or from a folder with
    calib_velo_to_cam.txt and calib_cam_to_cam.txt (raw). Raises InputError naming the missing key.
    """
    if path.is_dir():
        return _from_raw(path)
    rows = _rows(path)
    p2 = _matrix(rows, ("P2", "P_rect", "P_rect_02"), (3, 4), path)
    rectify = _matrix(rows, ("R0_rect", "R_rect", "R_rect_00"), (3, 3), path)
    camera = _matrix(rows, ("Tr_velo_to_cam", "Tr_velo_cam", "RT_velo_to_cam"), (3, 4), path)
    imu = next((rows[k] for k in ("Tr_imu_to_velo", "Tr_imu_velo") if k in rows), None)
    velo_from_imu = _rigid(np.reshape(imu, (3, 4))) if imu is not None and len(imu) == 12 else None
    return KittiCalibration(p2, _rectified(rectify, _rigid(camera)), velo_from_imu)


def _from_raw(folder: Path) -> KittiCalibration:
    velo, cameras = _rows(folder / "calib_velo_to_cam.txt"), _rows(folder / "calib_cam_to_cam.txt")
    p2 = _matrix(cameras, ("P_rect_02",), (3, 4), folder / "calib_cam_to_cam.txt")
    rectify = _matrix(cameras, ("R_rect_00",), (3, 3), folder / "calib_cam_to_cam.txt")
    imu_path = folder / "calib_imu_to_velo.txt"
    velo_from_imu = _pair(_rows(imu_path), imu_path) if imu_path.is_file() else None
    camera_from_velo = _pair(velo, folder / "calib_velo_to_cam.txt")
    return KittiCalibration(p2, _rectified(rectify, camera_from_velo), velo_from_imu)


def _pair(rows: dict[str, list[float]], path: Path) -> Transform:
    rotation, shift = _matrix(rows, ("R",), (3, 3), path), _matrix(rows, ("T",), (3, 1), path)
    return _rigid(np.hstack([rotation, shift]))


def _rows(path: Path) -> dict[str, list[float]]:
    """`key: numbers` (or `key numbers`) lines; what has other words than numbers is left out."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    out = {}
    for line in lines:
        words = line.replace(":", " ", 1).split()
        try:
            out[words[0]] = [float(w) for w in words[1:]]
        except (IndexError, ValueError):
            continue  # Comments and dates.
    return out


def _matrix(rows: dict[str, list[float]], names: tuple[str, ...], shape: tuple[int, int], path: Path) -> F64:
    for name in names:
        if name not in rows:
            continue
        values = np.array(rows[name])
        if values.size == 9 and shape == (3, 4):
            values = np.hstack([values.reshape(3, 3), np.zeros((3, 1))]).ravel()
        if values.size != shape[0] * shape[1]:
            raise InputError(f"{path}: {name}: wanted {shape[0] * shape[1]} numbers, got {values.size}")
        return values.reshape(shape)
    raise InputError(f"{path}: no calibration {' or '.join(names)}: it has {sorted(rows)}")


def _rigid(matrix: F64) -> Transform:
    """From (3, 4); the rotation is made orthonormal (the files hold 7 digits)."""
    u, _, vt = np.linalg.svd(matrix[:, :3])
    return Transform(u @ vt, matrix[:, 3].copy())


def _rectified(rectify: F64, camera_from_velo: Transform) -> Transform:
    u, _, vt = np.linalg.svd(rectify)
    return Transform(u @ vt, np.zeros(3)) @ camera_from_velo
