"""KITTI's GPS/IMU records (oxts) as a pose track, and per-point times from azimuth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError
from perception_nodes.geometry import Transform

from .poses import PoseTrack

_EARTH_RADIUS_M: Final = 6378137.0
SWEEP_S: Final = 0.1


def point_times(xyz_m: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Time of each point relative to the end of the sweep, s, in [-0.1, 0].

    The scanner turns clockwise seen from above and a sweep begins and ends facing backwards, so the time follows
    from the azimuth; at the seam (within the few degrees that the vehicle turns in a sweep) it may be off by a turn.
    """
    azimuth = np.arctan2(xyz_m[:, 1], xyz_m[:, 0])
    fraction = 0.5 - azimuth / (2 * np.pi)
    out: npt.NDArray[np.float32] = ((fraction - 1.0) * SWEEP_S).astype(np.float32)
    return out


def oxts_rows(paths: Sequence[Path]) -> list[list[float]]:
    """Numbers of each record: one file a record (raw) or one line a record (tracking).

    Raises InputError naming file and line.
    """
    rows = []
    for path in paths:
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            try:
                values = [float(w) for w in line.split()]
            except ValueError as error:
                raise InputError(f"{path}:{number}: wanted numbers: {error}") from error
            if len(values) < 6 or not np.isfinite(values[:6]).all():
                raise InputError(
                    f"{path}:{number}: wanted at least lat lon alt roll pitch yaw, finite, got {line.strip()[:80]!r}"
                )
            rows.append(values)
    return rows


def oxts_track(
    rows: Sequence[Sequence[float]], stamps_ns: Sequence[int], imu_from_base: Transform
) -> PoseTrack:
    """odom_from_base: Mercator position and attitude of the IMU; odom is the first base position, east-north-up."""
    if len(rows) != len(stamps_ns):
        raise InputError(f"oxts: {len(rows)} records for {len(stamps_ns)} stamps")
    scale = np.cos(np.radians(rows[0][0]))
    poses = []
    for lat, lon, alt, roll, pitch, yaw, *_ in rows:
        x = scale * _EARTH_RADIUS_M * np.radians(lon)
        y = scale * _EARTH_RADIUS_M * np.log(np.tan(np.pi / 4 + np.radians(lat) / 2))
        poses.append(Transform.from_xyz_rpy((x, y, alt), (roll, pitch, yaw)) @ imu_from_base)
    origin = poses[0].translation_m
    return PoseTrack(tuple(stamps_ns), tuple(Transform(p.rotation, p.translation_m - origin) for p in poses))
