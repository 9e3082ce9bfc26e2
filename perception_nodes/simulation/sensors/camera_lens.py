"""What lies on a lens: dirt that is always there, drops while it rains; and what is between it and the world."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.ndimage import gaussian_filter, zoom

from perception_nodes.simulation.weather import Weather

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]

_DROPS_LAST_S: Final = 1.5


class Lens(NamedTuple):
    """dirt (H, W): share of the light that it keeps; source (H, W, 2): column and row that each pixel is seen through a
    drop at, or itself; drops: whether there are any.
    """

    dirt: F32
    source: I32
    drops: bool


def lens_of(seed: int, size: tuple[int, int], dirt: float, rain_mm_h: float, time_s: float) -> Lens:
    """Of one camera; size: rows and columns; drops change every 1.5 s."""
    spots = _dirt(seed, size, round(dirt, 3))
    epoch = int(time_s // _DROPS_LAST_S) if rain_mm_h > 0 else 0
    return Lens(spots, _drops(seed, size, round(rain_mm_h, 1), epoch), rain_mm_h > 0)


@lru_cache(maxsize=32)
def _dirt(seed: int, size: tuple[int, int], share: float) -> F32:
    """Blots of several sizes, out of focus, over about `share` of the picture."""
    width = size[1]
    if share <= 0:
        return np.zeros(size, np.float32)
    rng = np.random.default_rng([seed, 1])
    field = np.zeros(size)
    for sigma, weight in ((width / 50, 0.6), (width / 18, 1.0)):
        noise = gaussian_filter(rng.standard_normal(size), sigma, mode="reflect")
        field += weight * noise / noise.std()
    edge = np.quantile(field, 1.0 - share)
    soft = 0.35 * field.std()
    dense = 1.0 / (1.0 + np.exp(-np.clip((field - edge) / soft * 3.0, -40, 40)))
    return np.ascontiguousarray(0.85 * dense, np.float32)


@lru_cache(maxsize=32)
def _drops(seed: int, size: tuple[int, int], rain_mm_h: float, epoch: int) -> I32:
    """Each drop shows the world around it upside down."""
    height, width = size
    rows, columns = np.mgrid[:height, :width].astype(np.int32)
    out = np.stack([columns, rows], axis=-1)
    if rain_mm_h <= 0:
        return out
    rng = np.random.default_rng([seed, 2, epoch])
    count = int(rng.poisson(2.0 + 9.0 * np.log1p(rain_mm_h / 5.0)))
    for _ in range(count):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        radius = float(width / 416 * np.exp(rng.normal(1.5, 0.5)))
        u, v = (columns - x) / radius, (rows - y) / (1.25 * radius)
        inside = u * u + v * v < 1.0
        out[inside, 0] = np.clip(x - 9.0 * radius * u[inside], 0, width - 1)
        out[inside, 1] = np.clip(y - 6.0 * radius * v[inside], 0, height - 1)
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def glare(local: Any, towards: Any, sun_rgb: Any, light: Any) -> None:
    """Add to pixels (N, 3) what a lens scatters of the sun that shines on it.

    local (N, 3) directions of the pixels, towards (3,) the sun, both in the optical frame. Falls with the square of the
    angle (Stiles and Holladay), a tenth of what an eye scatters; twice one minus the cosine is the square of the angle.
    """
    for i in range(len(light)):
        cosine = local[i, 0] * towards[0] + local[i, 1] * towards[1] + local[i, 2] * towards[2]
        veil = 3.0 / ((2.0 - 2.0 * cosine) * 3282.8 + 1.5)
        for c in range(3):
            light[i, c] += veil * sun_rgb[c]


def blurred(picture: F32, sigma_px: float) -> F32:
    """(H, W, C), at a quarter of the size."""
    small = picture[2::4, 2::4]
    soft = gaussian_filter(small, (sigma_px / 4, sigma_px / 4, 0), mode="nearest")
    grown = zoom(soft, (picture.shape[0] / soft.shape[0], picture.shape[1] / soft.shape[1], 1), order=1)
    return np.ascontiguousarray(grown, np.float32)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def streaks(picture: Any, lines: Any, depth_m: Any, air: Any) -> None:
    """Falling rain or snow into a picture (H, W, 3).

    lines (K, 6): start x, y and end x, y in px, half width px, strength; a line that is behind what is seen is drawn
    where the surface is farther than its distance: depth_m (H, W) range, its own distance in column 6.
    """
    height, width, _ = picture.shape
    for k in range(len(lines)):
        x0, y0, x1, y1, half, strength, away = lines[k]
        length = np.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2) + 1e-6
        for row in range(max(0, int(min(y0, y1) - half)), min(height, int(max(y0, y1) + half) + 2)):
            for column in range(max(0, int(min(x0, x1) - half)), min(width, int(max(x0, x1) + half) + 2)):
                u, v = column + 0.5 - x0, row + 0.5 - y0
                along = (u * (x1 - x0) + v * (y1 - y0)) / length
                nearest = min(max(along, 0.0), length)
                du, dv = u - nearest * (x1 - x0) / length, v - nearest * (y1 - y0) / length
                share = strength * max(0.0, 1.0 - (du * du + dv * dv) / (half * half))
                if share > 0 and depth_m[row, column] > away:
                    for c in range(3):
                        picture[row, column, c] += share * (air[c] - picture[row, column, c])


def falling(
    rng: np.random.Generator, size: tuple[int, int], focal_px: float, weather: Weather, exposure_s: float
) -> F64:
    """(K, 7) lines for `streaks`: drops of 1-3 mm fall at 6 m/s, flakes of 4-10 mm at 1.2 m/s, 0.6-12 m away.

    Differs: drops are too thin to be seen one by one farther away; there they are the haze.
    """
    height, width = size
    out = []
    for count, speed, thick, strong in (
        (int(18 * weather.rain_mm_h**0.6), 6.0, 0.0022, 0.35), (int(420 * weather.snow_mm_h**0.7), 1.2, 0.007, 0.9),
    ):  # fmt: skip
        # Less than in the cone that the picture shows, in which it would grow with the square of the distance.
        away = 0.6 + 11.4 * rng.random(count) ** (1 / 2.0)
        x, y = rng.uniform(0, width, count), rng.uniform(-20, height, count)
        slant = rng.normal(0.06 if thick < 0.005 else 0.3, 0.08, count)
        fall = focal_px * speed * max(exposure_s, 0.002) / away
        half = np.maximum(0.5 * focal_px * thick / away, 0.35)
        seen = np.minimum(1.0, 0.5 * focal_px * thick / away / 0.35)
        out.append(np.column_stack([x, y, x + slant * fall, y + fall, half, strong * seen, away]))
    return np.concatenate(out)
