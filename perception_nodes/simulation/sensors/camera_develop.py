"""From light to a picture: automatic exposure, photons, reading out, tone curve."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from .camera_spec import CameraSpec
from .shading_noise import bell

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

# The mean of a picture is brought to this share of white, by its logarithm, as hand-held meters do.
_MIDDLE: Final = 0.17
# Below this mean pictures stay darker, so that night looks like night.
_DUSK: Final = 0.05
_LEVELS: Final = 4096


def metered_gain(light: F32, spec: CameraSpec) -> float:
    """Gain of a picture (H, W, 3): of its lower three quarters most, without what is beyond white anyway."""
    grid = light[::4, ::4].astype(np.float64)
    luminance = grid @ np.array([0.21, 0.72, 0.07])
    weight = np.where(np.arange(len(grid)) > len(grid) / 4, 1.0, 0.3)[:, None]
    mean = float(
        np.exp(np.average(np.log(luminance + 1e-5), weights=np.broadcast_to(weight, luminance.shape)))
    )
    middle = _MIDDLE * min(1.0, mean / _DUSK) ** 0.35
    bright = float(np.quantile(luminance, 0.9))
    gain = min(middle / max(mean, 1e-6), 1.6 / max(bright, 1e-6))
    return float(np.clip(gain, 0.1, spec.max_gain))


def developed(light: F32, gain: float, spec: CameraSpec, exposure_s: float, seed: tuple[int, int]) -> U8:
    """(R, W, 3) BGR of light (R, W, 3) RGB of some rows.

    seed: decides the noise; and number of the first pixel.
    """
    out = np.empty(light.shape, np.uint8)
    noise = np.array([spec.noise, spec.well_e * exposure_s / spec.exposure_s, spec.read_noise_e])
    _develop(light.reshape(-1, 3), gain, noise, seed, _CURVE, out.reshape(-1, 3))
    return out


def _curve() -> U8:
    """sRGB after a shoulder that keeps some of what is brighter than white; by the square root of the light."""
    x = (np.arange(_LEVELS) / (_LEVELS - 1) * 2.0) ** 2
    toned = np.where(x < 0.6, x, 0.6 + 0.4 * (1.0 - np.exp(-(x - 0.6) / 0.55)))
    srgb = np.where(toned < 0.0031308, 12.92 * toned, 1.055 * toned ** (1 / 2.4) - 0.055)
    return np.asarray(np.clip(np.round(255 * srgb), 0, 255), np.uint8)


_CURVE: Final = _curve()


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _develop(light: Any, gain: float, noise: Any, seed: Any, curve: Any, out: Any) -> None:
    share, well, read = noise
    key, first = seed
    top = len(curve) - 1
    for i in range(len(light)):
        for c in range(3):
            value = light[i, c]
            if share > 0:
                electrons = well * value
                value += share * np.sqrt(electrons + read * read) / well * bell(3 * (first + i) + c, key)
            value *= gain
            # What is not a number is black, and what is infinite is white.
            root = np.sqrt(value) if value > 0 else 0.0
            out[i, 2 - c] = curve[int(min(0.5 * top * root + 0.5, top))]
