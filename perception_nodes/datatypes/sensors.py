"""What sensors deliver: point clouds, images, radar scans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .checks import check_shape, check_stamp, freeze

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class PointCloud:
    """One sweep (or part of one) in `frame_id`.

    xyz_m: (N, 3) float32, finite rows only (invalid returns are removed by the converter and counted there).
    intensity: (N,) float32 in the sensor's own unit, or None where the sensor gives none.
    ring: (N,) uint16 beam index, or None.
    time_s: (N,) float32 time of each point relative to `stamp_ns` (usually <= 0), or None.
    source: (N,) uint8 index of the lidar in a merged cloud, or None.
    invalid_points: how many points of the message were removed because a coordinate was NaN or infinite.
    """

    stamp_ns: int
    frame_id: str
    xyz_m: F32
    intensity: F32 | None = None
    ring: npt.NDArray[np.uint16] | None = None
    time_s: F32 | None = None
    source: U8 | None = None
    invalid_points: int = 0

    def __post_init__(self) -> None:
        check_stamp("PointCloud", self.stamp_ns)
        check_shape("PointCloud", "xyz_m", self.xyz_m, None, 3)
        n = len(self.xyz_m)
        for name in ("intensity", "ring", "time_s", "source"):
            check_shape("PointCloud", name, getattr(self, name), n)
        freeze(self, "xyz_m", "intensity", "ring", "time_s", "source")

    def __len__(self) -> int:
        return len(self.xyz_m)


@dataclass(frozen=True, eq=False)
class Image:
    """One picture: (H, W, 3) uint8, channels in BGR order (OpenCV's), row 0 at the top."""

    stamp_ns: int
    frame_id: str
    bgr: U8

    def __post_init__(self) -> None:
        check_stamp("Image", self.stamp_ns)
        check_shape("Image", "bgr", self.bgr, None, None, 3)
        freeze(self, "bgr")


@dataclass(frozen=True, eq=False)
class RadarScan:
    """One radar scan: (N, 3) m in `frame_id`, radial speed (N,) m/s (+ = away), RCS (N,) dBsm or None."""

    stamp_ns: int
    frame_id: str
    xyz_m: F32
    radial_speed_mps: F32
    rcs_dbsm: F32 | None = None

    def __post_init__(self) -> None:
        check_stamp("RadarScan", self.stamp_ns)
        check_shape("RadarScan", "xyz_m", self.xyz_m, None, 3)
        n = len(self.xyz_m)
        check_shape("RadarScan", "radial_speed_mps", self.radial_speed_mps, n)
        check_shape("RadarScan", "rcs_dbsm", self.rcs_dbsm, n)
        freeze(self, "xyz_m", "radial_speed_mps", "rcs_dbsm")
