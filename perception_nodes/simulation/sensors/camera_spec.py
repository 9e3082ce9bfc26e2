"""What a camera is like: its picture, its lens and its sensor chip, from the `model:` of a rig file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError, check_ranges, param
from perception_nodes.geometry import CameraModel

from .specs import read_model

F64 = npt.NDArray[np.float64]

PROJECTIONS: Final = ("pinhole", "fisheye")


@dataclass(frozen=True)
class CameraSpec:
    """A camera. projection: pinhole, or fisheye = equidistant (angle off the axis grows evenly with the radius).

    Pixels count from the left and upper edge of the first one, so their middles lie at 0.5, 1.5, ...; the axis goes
    through the middle of the picture. Surfaces nearer than near_m or farther than far_m are not seen.
    """

    width_px: int = param(416, "columns", low=8, high=8192)
    height_px: int = param(224, "rows", low=8, high=8192)
    hfov_rad: float = param(1.2217, "from the left edge to the right one", low=0.05, high=3.5)
    projection: str = param("pinhole", "pinhole or fisheye")
    exposure_s: float = param(0.004, "time that light falls on a pixel by day", low=1e-5, high=0.1)
    night_exposure_s: float = param(0.02, "the same at night", low=1e-5, high=0.1)
    rolling_shutter_s: float = param(
        0.0, "from the first row to the last one, 0 = all at once", low=0.0, high=0.1
    )
    blur_samples: int = param(1, "times within the exposure, 1 = no motion blur", low=1, high=32)
    noise: float = param(1.0, "of photons and of reading out, 0 = none, 1 = as measured", low=0.0, high=20.0)
    well_e: float = param(12000.0, "electrons of a white pixel at gain 1", low=100.0)
    read_noise_e: float = param(6.0, "electrons, standard deviation", low=0.0)
    max_gain: float = param(48.0, "of the automatic exposure", low=1.0, high=1000.0)
    near_m: float = param(0.05, "nearest surface", low=0.001, high=10.0)
    far_m: float = param(400.0, "farthest surface", low=1.0, high=5000.0)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.projection not in PROJECTIONS:
            raise ConfigurationError(
                f"CameraSpec.projection: wanted one of {list(PROJECTIONS)}, got {self.projection!r}"
            )
        if self.projection == "pinhole" and self.hfov_rad > 2.9:
            raise ConfigurationError(
                f"CameraSpec.hfov_rad = {self.hfov_rad}: wanted at most 2.9 of a pinhole camera"
            )
        if not self.near_m < self.far_m:
            raise ConfigurationError(f"CameraSpec.near_m = {self.near_m}: wanted less than far_m")

    @property
    def focal_px(self) -> float:
        """Pixels per unit of the tangent (pinhole) or per rad (fisheye)."""
        half = self.hfov_rad / 2
        return self.width_px / 2 / (float(np.tan(half)) if self.projection == "pinhole" else half)

    @property
    def camera(self) -> CameraModel:
        """As camera_info says it."""
        fisheye = self.projection == "fisheye"
        return CameraModel(
            self.width_px, self.height_px, self.focal_px, self.focal_px, self.width_px / 2, self.height_px / 2,
            "equidistant" if fisheye else "", (0.0,) * 4 if fisheye else (),
        )  # fmt: skip

    def exposure(self, night: bool) -> float:
        """Time that light falls on a pixel, s."""
        return self.night_exposure_s if night else self.exposure_s

    def directions(self) -> F64:
        """(height x width, 3) unit vectors in the optical frame through the middles of the pixels, row by row."""
        x = (np.arange(self.width_px) + 0.5 - self.width_px / 2) / self.focal_px
        y = (np.arange(self.height_px) + 0.5 - self.height_px / 2) / self.focal_px
        u, v = (a.ravel() for a in np.meshgrid(x, y))
        if self.projection == "pinhole":
            out = np.stack([u, v, np.ones_like(u)], axis=1)
            return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), np.float64)
        angle = np.hypot(u, v)
        scale = np.sinc(angle / np.pi)
        return np.stack([u * scale, v * scale, np.cos(angle)], axis=1)


def camera_spec(model: Mapping[str, Any], where: str) -> CameraSpec:
    """A camera from the `model:` of a rig file. Raises ConfigurationError naming place, key, wanted and got."""
    return read_model(CameraSpec, model, where)
