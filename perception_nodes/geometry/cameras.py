"""Camera models: from the optical frame (x right, y down, z forward) to pixels and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import CalibrationError

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CameraModel:
    """Pinhole camera with the distortion models of sensor_msgs/CameraInfo.

    k: fx, fy, cx, cy in px. distortion: coefficients of `model` ("plumb_bob", "rational_polynomial",
    "equidistant", or "" without distortion).
    """

    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    model: str = ""
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (self.fx_px > 0 and self.fy_px > 0):
            raise CalibrationError(f"camera: focal lengths {self.fx_px}, {self.fy_px} px: wanted > 0")
        if self.width_px <= 0 or self.height_px <= 0:
            raise CalibrationError(f"camera: size {self.width_px} x {self.height_px} px: wanted > 0")
        known = {"": (0,), "plumb_bob": (0, 4, 5), "rational_polynomial": (0, 8), "equidistant": (0, 4)}
        if self.model not in known:
            raise CalibrationError(f"camera: distortion model {self.model!r}: wanted one of {sorted(known)}")
        if len(self.distortion) not in known[self.model]:
            got = len(self.distortion)
            raise CalibrationError(
                f"camera: {self.model!r} wants {known[self.model]} coefficients, got {got}"
            )

    def project(self, xyz_m: npt.NDArray[Any]) -> tuple[F64, F64]:
        """Pixels (N, 2) and depths (N,) of points (N, 3) in the optical frame; px are NaN where depth <= 0."""
        depth = np.asarray(xyz_m[:, 2], np.float64)
        ahead = depth > 1e-6
        z = np.where(ahead, depth, np.nan)
        x, y = self._distort(xyz_m[:, 0] / z, xyz_m[:, 1] / z)
        return np.stack([self.fx_px * x + self.cx_px, self.fy_px * y + self.cy_px], axis=-1), depth

    def rays(self, uv_px: F64) -> F64:
        """(N, 3) directions with z = 1 in the optical frame of pixels (N, 2) (distortion removed iteratively)."""
        x0 = (uv_px[:, 0] - self.cx_px) / self.fx_px
        y0 = (uv_px[:, 1] - self.cy_px) / self.fy_px
        if self.model == "equidistant":
            return self._fisheye_rays(x0, y0)
        x, y = x0.copy(), y0.copy()
        for _ in range(20 if any(self.distortion) else 0):
            dx, dy = self._distort(x, y)
            x, y = x + (x0 - dx), y + (y0 - dy)
        return np.stack([x, y, np.ones_like(x)], axis=-1)

    def _fisheye_rays(self, x: F64, y: F64) -> F64:
        """The angle whose image has the radius of the pixel, by Newton's method; NaN from 90 degrees on."""
        radius = np.hypot(x, y)
        angle = np.minimum(radius, 1.5)
        for _ in range(10):
            value, slope = _fisheye(angle, self.distortion)
            angle = angle - (value - radius) / slope
        angle = np.where((angle >= 0) & (angle < np.pi / 2 - 1e-6), angle, np.nan)
        scale = np.where(radius > 1e-12, np.tan(angle) / np.maximum(radius, 1e-12), 1.0)
        return np.stack([x * scale, y * scale, np.ones_like(x)], axis=-1)

    def _distort(self, x: F64, y: F64) -> tuple[F64, F64]:
        r2 = x * x + y * y
        d = self.distortion
        if self.model == "equidistant":  # a fisheye bends without coefficients too
            r = np.sqrt(np.maximum(r2, 1e-24))
            scale = _fisheye(np.arctan(r), d)[0] / r
            return x * scale, y * scale
        if not any(d):
            return x, y
        k3 = d[4] if len(d) > 4 else 0.0
        radial = 1 + r2 * (d[0] + r2 * (d[1] + r2 * k3))
        if self.model == "rational_polynomial":
            radial = radial / (1 + r2 * (d[5] + r2 * (d[6] + r2 * d[7])))
        xd = x * radial + 2 * d[2] * x * y + d[3] * (r2 + 2 * x * x)
        yd = y * radial + d[2] * (r2 + 2 * y * y) + 2 * d[3] * x * y
        return xd, yd


def _fisheye(angle_rad: F64, coefficients: tuple[float, ...]) -> tuple[F64, F64]:
    """Radius (of focal length 1) of rays at angles from the axis, and its slope (Kannala, Brandt 2006)."""
    k = coefficients or (0.0,) * 4
    t2 = angle_rad * angle_rad
    radius = angle_rad * (1 + t2 * (k[0] + t2 * (k[1] + t2 * (k[2] + t2 * k[3]))))
    slope = 1 + t2 * (3 * k[0] + t2 * (5 * k[1] + t2 * (7 * k[2] + t2 * 9 * k[3])))
    return radius, slope
