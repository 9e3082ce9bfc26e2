"""From echoes to detections: radar equation, resolution cells, fluctuation and noise, measurement errors.

Power is in units of the noise's mean power in a cell. A cell of signal s gives |sqrt(s) + n|^2 with n complex Gaussian,
so that a Swerling 1 target is detected with probability Pfa^(1 / (1 + SNR)) without that being written anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from .radar_spec import REFERENCE_M, WAVELENGTH_M, RadarSpec

F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

NOTHING: Final = -2  # owner of what is not there
_LN2: Final = float(np.log(2.0))
# Side lobes in widths of the main one, and how far each lies under the highest, dB.
_LOBES: Final = ((-1.5, 0.0), (1.5, 0.0), (-2.5, 4.0), (2.5, 4.0), (-4.5, 8.0), (4.5, 8.0))


class Origin(IntEnum):
    """How an echo came about."""

    DIRECT = 0
    MIRRORED = 1  # over a wall, both ways: the image of a thing behind the wall
    HALF_MIRRORED = 2  # over a wall on one of the ways
    SIDE_LOBE = 3
    NOISE = 4
    INTERFERENCE = 5
    RAIN = 6
    UNDERNEATH = 7  # under a vehicle that hides the thing
    TWICE = 8  # to the thing, back to the own vehicle, and the same way again


@dataclass(frozen=True, eq=False)
class Echoes:
    """N points that send something back, sensor frame.

    xyz_m (N, 3); speed_mps (N,) radial, + = away; rcs_m2 (N,); height_m (N,) over the road, negative = the road's
    reflection does not count; owner (N,): row of the actor, -1 = street, -2 = nothing is there; origin (N,).
    """

    xyz_m: F64
    speed_mps: F64
    rcs_m2: F64
    height_m: F64
    owner: I32
    origin: U8

    def __len__(self) -> int:
        return len(self.speed_mps)

    @classmethod
    def join(cls, parts: list[Echoes]) -> Echoes:
        """All of them."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


@dataclass(frozen=True, eq=False)
class Cells:
    """C resolution cells: where their echoes lie on average (by power), and their power over the noise."""

    range_m: F64
    sine: F64
    elevation_rad: F64
    speed_mps: F64
    snr: F64
    owner: I32
    origin: U8

    def __len__(self) -> int:
        return len(self.snr)

    def take(self, index: Any) -> Cells:
        """Some of them."""
        return Cells(*(getattr(self, f.name)[index] for f in fields(self)))

    @classmethod
    def join(cls, parts: list[Cells]) -> Cells:
        """All of them."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


def pattern(spec: RadarSpec, azimuth_rad: Any, elevation_rad: Any) -> Any:
    """Gain of the antennas both ways against straight ahead: a Gaussian beam of the widths of the spec."""
    across = azimuth_rad / np.deg2rad(spec.azimuth_beam_deg)
    upwards = elevation_rad / np.deg2rad(spec.elevation_beam_deg)
    return np.exp(-8.0 * _LN2 * (across**2 + upwards**2))


def measured_cells(
    spec: RadarSpec, echoes: Echoes, attenuation_per_m: float, sensor_height_m: float, reflection: float
) -> Cells:
    """Echoes by the radar equation, those of one resolution cell added up.

    attenuation_per_m: power lost on one way, 1/m; sensor_height_m: over the road; reflection: amplitude of the road's.
    """
    antenna = (
        10 ** (spec.reference_snr_db / 10),
        np.deg2rad(spec.azimuth_beam_deg),
        np.deg2rad(spec.elevation_beam_deg),
    )
    limits = (spec.min_range_m, spec.max_range_m, np.sin(spec.half_field_rad))
    air = (attenuation_per_m, sensor_height_m, reflection)
    spherical, snr = _received(echoes.xyz_m, echoes.rcs_m2, echoes.height_m, antenna, limits, air)
    grid = (spec.range_resolution_m, spec.sine_resolution, spec.speed_resolution_mps, spec.max_speed_mps)
    speed = folded(echoes.speed_mps, spec.max_speed_mps)
    key = _cell_keys(spherical, speed, snr, grid, spec.cells)
    order = np.argsort(key, kind="stable")
    order = order[np.searchsorted(key[order], 0) :]
    sums, strongest = _summed(key, order, spherical, speed, snr)
    mean = sums[:, :4] / sums[:, 4:]
    return Cells(
        mean[:, 0], mean[:, 1], mean[:, 2], mean[:, 3], sums[:, 4], echoes.owner[strongest], echoes.origin[strongest]
    )  # fmt: skip


def folded(speed_mps: F64, limit_mps: float) -> F64:
    """Radial speeds as a radar shows them that can tell those within +-limit_mps apart."""
    return np.asarray((speed_mps + limit_mps) % (2 * limit_mps) - limit_mps, np.float64)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _received(xyz: Any, rcs: Any, height: Any, antenna: Any, limits: Any, air: Any) -> Any:
    """Range, sine of the azimuth, elevation (N, 3), and power over the noise; 0 outside the field."""
    reference, across, upwards = antenna
    nearest, farthest, side = limits
    loss, own_height, mirror = air
    out, snr = np.empty((len(xyz), 3)), np.zeros(len(xyz))
    for i in range(len(xyz)):
        x, y, z = xyz[i, 0], xyz[i, 1], xyz[i, 2]
        r = np.sqrt(x * x + y * y + z * z)
        level = np.sqrt(x * x + y * y)
        sine = y / max(level, 1e-9)
        elevation = np.arctan2(z, level)
        out[i, 0], out[i, 1], out[i, 2] = r, sine, elevation
        if x <= 0 or not nearest <= r < farthest or abs(sine) > side or not rcs[i] > 0:
            continue
        azimuth = np.arcsin(sine)
        gain = np.exp(-8.0 * _LN2 * ((azimuth / across) ** 2 + (elevation / upwards) ** 2))
        road = 1.0
        if height[i] >= 0:
            road = _over_road(r, own_height, height[i], mirror)
        snr[i] = reference * rcs[i] * (REFERENCE_M / r) ** 4 * gain * road * np.exp(-2.0 * loss * r)
    return out, snr


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _over_road(range_m: float, own: float, other: float, mirror: float) -> float:
    """Power by which the way over the road strengthens or weakens the echo: |1 - rho exp(j delta)|^4.

    The reflection turns the phase by pi; the ways differ by 2 h1 h2 / r; what the road mirrors falls with its
    roughness (0.6 mm) by Ament's factor exp(-2 (2 pi s sin(psi) / lambda)^2).
    """
    slope = min(1.0, (own + other) / range_m)
    rho = mirror * np.exp(-2.0 * (2.0 * np.pi * 0.6e-3 * slope / WAVELENGTH_M) ** 2)
    delta = 2.0 * np.pi / WAVELENGTH_M * 2.0 * own * other / range_m
    return (1.0 + rho * rho - 2.0 * rho * np.cos(delta)) ** 2  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _cell_keys(spherical: Any, speed: Any, snr: Any, grid: Any, cells: Any) -> Any:
    """(N,) number of each echo's cell, -1 = none."""
    dr, du, dv, v0 = grid
    out = np.full(len(snr), -1, np.int64)
    for i in range(len(snr)):
        if snr[i] > 1e-3:
            a, b, c = int(spherical[i, 0] / dr), int((spherical[i, 1] + 1.0) / du), int((speed[i] + v0) / dv)
            out[i] = (a * cells[1] + b) * cells[2] + min(c, cells[2] - 1)
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _summed(key: Any, order: Any, spherical: Any, speed: Any, snr: Any) -> Any:
    """Of each cell the sums of range, sine, elevation, speed (each times power) and power, and its strongest echo."""
    sums, strongest = np.zeros((len(order), 5)), np.zeros(len(order), np.int64)
    count = -1
    for k in range(len(order)):
        i = order[k]
        if k == 0 or key[i] != key[order[k - 1]]:
            count += 1
            strongest[count] = i
        elif snr[i] > snr[strongest[count]]:
            strongest[count] = i
        p = snr[i]
        for c in range(3):
            sums[count, c] += p * spherical[i, c]
        sums[count, 3] += p * speed[i]
        sums[count, 4] += p
    return sums[: count + 1].copy(), strongest[: count + 1].copy()


def fluctuating(spec: RadarSpec, cells: Cells, rng: np.random.Generator) -> Cells:
    """This scan's power: chi-square with 2 (Swerling 1) or 4 (Swerling 3) degrees of freedom about the mean."""
    if spec.swerling == 0:
        return cells
    shape = 1.0 if spec.swerling == 1 else 2.0
    power = cells.snr * rng.gamma(shape, 1.0 / shape, len(cells))
    return Cells(**{**vars(cells), "snr": power})


def side_lobes(spec: RadarSpec, cells: Cells, rng: np.random.Generator) -> Cells:
    """What strong cells give in wrong directions at their range and speed; lobes vary about their level by 3 dB."""
    strong = cells.take(np.flatnonzero(cells.snr * 10 ** ((spec.side_lobe_db + 6.0) / 10) > spec.threshold))
    n = len(strong)
    widths, below_db = np.array(_LOBES).T
    level = spec.side_lobe_db - below_db[:, None] + 3.0 * rng.standard_normal((len(_LOBES), n))
    sine = (strong.sine + widths[:, None] * spec.sine_resolution).ravel()
    index = np.tile(np.arange(n), len(_LOBES))
    lobes = Cells(
        strong.range_m[index],
        sine,
        strong.elevation_rad[index],
        strong.speed_mps[index],
        strong.snr[index] * 10 ** (level.ravel() / 10),
        np.full(len(index), NOTHING, np.int32),
        np.full(len(index), Origin.SIDE_LOBE, np.uint8),
    )
    return lobes.take(np.abs(sine) < np.sin(spec.half_field_rad))


def distinct(spec: RadarSpec, cells: Cells) -> Cells:
    """Those that a search for peaks over azimuth would keep, range by range and speed by speed."""
    _, _, speeds = spec.cells
    column = np.floor(cells.range_m / spec.range_resolution_m).astype(np.int64) * speeds
    column += np.floor((cells.speed_mps + spec.max_speed_mps) / spec.speed_resolution_mps).astype(np.int64)
    _, group = np.unique(column, return_inverse=True)
    highest = np.zeros(len(cells))
    np.maximum.at(highest, group.ravel(), cells.snr)
    return cells.take(cells.snr > highest[group.ravel()] * 10 ** (-spec.azimuth_dynamic_db / 10))


def detected(spec: RadarSpec, cells: Cells, noise_db: float, rng: np.random.Generator) -> Cells:
    """Cells above the threshold, with the power that was received; noise_db: by which the noise is raised."""
    re, im = rng.standard_normal((2, len(cells))) * np.sqrt(0.5)
    power = (np.sqrt(cells.snr * 10 ** (-noise_db / 10)) + re) ** 2 + im**2
    kept = np.flatnonzero(power > spec.threshold)
    return Cells(**{**vars(cells.take(kept)), "snr": power[kept]})


def false_alarms(spec: RadarSpec, rng: np.random.Generator) -> Cells:
    """Noise above the threshold, anywhere in the field."""
    n = int(rng.poisson(spec.false_alarms))
    side = np.sin(spec.half_field_rad)
    sine = rng.uniform(-side, side, n)
    return _nothing(spec, rng, sine, spec.threshold + rng.exponential(1.0, n), Origin.NOISE)


def interference(spec: RadarSpec, rng: np.random.Generator) -> tuple[float, Cells]:
    """Another radar: by how many dB the noise rises, and false detections in its direction; mostly none."""
    strikes = bool(rng.random() < spec.interference)
    n = int(rng.poisson(15.0)) if strikes else 0
    side = np.sin(spec.half_field_rad)
    middle = rng.uniform(-side, side)
    sine = np.clip(middle + rng.normal(0, 0.5 * spec.sine_resolution, n), -side, side)
    burst = _nothing(spec, rng, sine, spec.threshold + rng.exponential(4.0, n), Origin.INTERFERENCE)
    return (float(rng.uniform(3.0, 12.0)) if strikes else 0.0), burst


def _nothing(spec: RadarSpec, rng: np.random.Generator, sine: F64, power: F64, origin: Origin) -> Cells:
    """Detections of nothing, at any range and speed."""
    n = len(sine)
    return Cells(
        rng.uniform(spec.min_range_m, spec.max_range_m, n),
        sine,
        np.zeros(n),
        rng.uniform(-spec.max_speed_mps, spec.max_speed_mps, n),
        power,
        np.full(n, NOTHING, np.int32),
        np.full(n, origin, np.uint8),
    )


def with_errors(spec: RadarSpec, cells: Cells, rng: np.random.Generator) -> Cells:
    """With errors of measurement.

    The accuracy of the spec, and for weak echoes resolution / (1.6 sqrt(2 SNR)) (D. Barton, Radar System Analysis).
    """
    weak = 1.0 / (1.6 * np.sqrt(2.0 * cells.snr))
    noise = rng.standard_normal((4, len(cells)))
    speed = cells.speed_mps + noise[2] * np.hypot(spec.speed_accuracy_mps, spec.speed_resolution_mps * weak)
    sine_std = np.hypot(np.sin(np.deg2rad(spec.azimuth_accuracy_deg)), spec.sine_resolution * weak)
    elevation = np.zeros(len(cells))
    if spec.elevation_accuracy_deg > 0:
        elevation = cells.elevation_rad + noise[3] * np.deg2rad(spec.elevation_accuracy_deg)
    return Cells(
        cells.range_m + noise[0] * np.hypot(spec.range_accuracy_m, spec.range_resolution_m * weak),
        cells.sine + noise[1] * sine_std,
        elevation,
        folded(speed, spec.max_speed_mps),
        cells.snr,
        cells.owner,
        cells.origin,
    )


def shown_rcs_dbsm(spec: RadarSpec, cells: Cells, rng: np.random.Generator) -> F64:
    """Radar cross section as the radar computes it from power, range and azimuth; air and road it does not know."""
    gain = pattern(spec, np.arcsin(np.clip(cells.sine, -1, 1)), cells.elevation_rad)
    path = 40.0 * np.log10(np.maximum(cells.range_m, 0.1) / REFERENCE_M) - 10.0 * np.log10(gain)
    shown = 10.0 * np.log10(cells.snr) - spec.reference_snr_db + path
    return np.asarray(shown + spec.rcs_accuracy_db * rng.standard_normal(len(cells)), np.float64)
