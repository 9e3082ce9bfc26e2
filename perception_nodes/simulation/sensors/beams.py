"""Which way a lidar fires and what it can measure: public data sheets as tables, over which a rig file may write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError, check_ranges, param

from .specs import read_model

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LidarSpec:
    """A lidar that fires all its beams in each of `columns` directions, one after the other.

    elevation_deg: of each beam, ring 0 lowest; azimuth_deg: of each beam against its column (empty = 0); the columns
    begin at `start_deg` (0 = ahead, + = left) and go over `span_deg`, clockwise seen from above where it is negative.
    """

    elevation_deg: tuple[float, ...] = ()
    azimuth_deg: tuple[float, ...] = ()
    columns: int = param(1080, "directions in a sweep", low=8, high=20000)
    start_deg: float = param(180.0, "azimuth of the first column", low=-360.0, high=360.0)
    span_deg: float = param(-360.0, "turn from the first column on", low=-360.0, high=360.0)
    sweep_s: float = param(0.1, "time of a sweep", low=0.001, high=1.0)
    min_range_m: float = param(1.0, "nearer surfaces give no return", low=0.0)
    max_range_m: float = param(120.0, "farther surfaces give no return", low=1.0, high=1000.0)
    half_range_m: float = param(
        60.0, "range at which every second pulse returns from 10 % reflectivity", low=1.0
    )
    range_std_m: float = param(0.02, "range noise of a strong return", low=0.0, high=1.0)
    range_step_m: float = param(0.004, "ranges are multiples of it", low=0.0, high=0.1)
    divergence_mrad: float = param(3.0, "full width of a pulse", low=0.0, high=50.0)
    dropout: float = param(0.01, "share of the returns that is lost whatever the surface", low=0.0, high=1.0)
    ghosts: float = param(
        0.02, "share of the pulses on shining surfaces that may return by a mirror way", low=0.0, high=1.0
    )
    intensity_gain: float = param(255.0, "intensity of a white board", low=1.0)
    intensity_std: float = param(0.08, "relative noise of the intensity", low=0.0, high=1.0)
    intensity_by_range: float = param(
        0.0, "0 = calibrated to reflectivity, 1 = falls with the range squared", low=0.0, high=1.0
    )
    intensity_gamma: float = param(1.0, "intensity goes with reflectivity to this power", low=0.1, high=3.0)
    intensity_fade: float = param(
        0.0, "signal (1 = half range of 10 %) at which half of the intensity is left", low=0.0
    )
    returns: int = param(1, "2 = strongest and last", low=1, high=2)

    def __post_init__(self) -> None:
        check_ranges(self)
        if not self.elevation_deg:
            raise ConfigurationError("LidarSpec.elevation_deg: wanted at least one beam")
        if not all(-90 < e < 90 for e in self.elevation_deg):
            raise ConfigurationError("LidarSpec.elevation_deg: wanted angles between -90 and 90")
        if self.azimuth_deg and len(self.azimuth_deg) != len(self.elevation_deg):
            raise ConfigurationError(
                f"LidarSpec.azimuth_deg: wanted {len(self.elevation_deg)}, one a beam, got {len(self.azimuth_deg)}"
            )
        if not abs(self.span_deg) >= 0.01:
            raise ConfigurationError(f"LidarSpec.span_deg = {self.span_deg}: wanted 0.01 or more either way")
        if not self.min_range_m < self.max_range_m:
            raise ConfigurationError(
                f"LidarSpec.min_range_m = {self.min_range_m}: wanted less than max_range_m"
            )

    @property
    def rings(self) -> int:
        """Number of beams."""
        return len(self.elevation_deg)

    def directions(self) -> F64:
        """(columns, rings, 3) unit vectors in the frame of the sensor, in the order of firing."""
        column = np.deg2rad(self.start_deg + self.span_deg * (np.arange(self.columns) + 0.5) / self.columns)
        offset = np.deg2rad(np.asarray(self.azimuth_deg or np.zeros(self.rings)))
        azimuth = column[:, None] + offset
        level, rise = np.cos(np.deg2rad(self.elevation_deg)), np.sin(np.deg2rad(self.elevation_deg))
        parts = [np.cos(azimuth) * level, np.sin(azimuth) * level, np.broadcast_to(rise, azimuth.shape)]
        return np.stack(parts, axis=-1)

    def time_s(self) -> F64:
        """(columns,) when each column fires, against the end of the sweep."""
        out: F64 = (np.arange(self.columns) + 1 - self.columns) / self.columns * self.sweep_s
        return out


def _steps(*parts: tuple[float, float, int]) -> tuple[float, ...]:
    values = np.concatenate([np.linspace(low, high, n) for low, high, n in parts])
    return tuple(float(v) for v in np.sort(values).round(3))


# 32 beams, denser around the horizon.
_DENSE32: Final = (
    -25.0,
    -21.0,
    -18.0,
    -15.5,
    -13.5,
    -12.0,
    -10.5,
    -9.3,
    -8.2,
    *_steps((-7.3, 2.7, 19)),
    4.5,
    7.0,
    10.0,
    15.0,
)
# Hesai Pandar64 user manual, table of channels; beams of PandaSet lie on it within 0.011 degrees.
_PANDAR64: Final = (
    -24.897, -18.889, -13.93, -12.974, -12.006, -11.032, -9.885, -9.06, -8.059, -7.063, -6.061, -5.898, -5.726, -5.565,
    -5.391, -5.229, -5.057, -4.892, -4.72, -4.558, -4.385, -4.221, -4.05, -3.884, -3.712, -3.548, -3.375, -3.21, -3.04,
    -2.873, -2.7, -2.536, -2.365, -2.198, -2.028, -1.86, -1.688, -1.522, -1.351, -1.184, -1.013, -0.845, -0.675, -0.508,
    -0.337, -0.169, 0.0, 0.169, 0.337, 0.508, 0.675, 0.846, 1.013, 1.184, 1.351, 1.522, 1.688, 1.86, 2.028, 3.04, 5.057,
    8.059, 11.032, 14.882,
)  # fmt: skip
# Velodyne HDL-64E: upper block 1/3 degree, lower block 1/2 degree by the manual; here as on the KITTI car (medians of
# the rings of six full sweeps).
_HDL64: Final = (
    -23.62, -23.14, -22.62, -21.98, -21.53, -21.14, -20.65, -20.05, -19.54, -19.0, -18.54, -18.14, -17.64, -17.19,
    -16.63, -16.11, -15.5, -15.14, -14.65, -14.21, -13.64, -13.12, -12.6, -12.18, -11.73, -11.3, -10.81, -10.21,
    -9.75, -9.35, -8.89, -8.37, -7.76, -7.38, -7.15, -6.8, -6.44, -6.18, -5.88, -5.57, -5.21, -4.89,
    -4.59, -4.26, -3.96, -3.59, -3.34, -2.96, -2.64, -2.29, -1.94, -1.58, -1.22, -0.88, -0.6, -0.2,
    0.15, 0.53, 0.79, 1.2, 1.48, 1.92, 2.2, 2.58,
)  # fmt: skip
_HDL64_OFFSETS: Final = tuple(float(a) for a in np.tile([-4.5, 4.5, -1.5, 1.5], 16))
# Velodyne HDL-32E manual: 4/3 degree.
_HDL32: Final = _steps((-30.67, 10.67, 32))

LIDARS: Final[dict[str, LidarSpec]] = {
    "dense32": LidarSpec(_DENSE32),
    "hdl32": LidarSpec(_HDL32, columns=1090, half_range_m=45.0, max_range_m=100.0, intensity_gain=100.0),
    "hdl64": LidarSpec(
        _HDL64, _HDL64_OFFSETS, columns=2160, half_range_m=75.0, max_range_m=120.0, min_range_m=1.5,
        range_std_m=0.01, range_step_m=0.002, dropout=0.001, intensity_gain=178.0, intensity_gamma=0.5,
        intensity_fade=6.5,
    ),
    "pandar64": LidarSpec(
        _PANDAR64, columns=1800, half_range_m=150.0, max_range_m=200.0, min_range_m=0.5, divergence_mrad=2.6,
        range_std_m=0.008, dropout=0.0005, intensity_gain=75.0,
    ),
    "vlp16": LidarSpec(
        _steps((-15.0, 15.0, 16)), columns=1800, half_range_m=40.0, max_range_m=100.0, min_range_m=0.5,
        range_std_m=0.015,
    ),
    "solid_state": LidarSpec(
        _steps((-12.8, 12.4, 64)), columns=600, start_deg=60.0, span_deg=-120.0, half_range_m=120.0, max_range_m=250.0,
        divergence_mrad=2.0,
    ),
}  # fmt: skip

# Of a rig that does not say which.
DEFAULT_LIDAR: Final = "dense32"


def lidar_spec(model: Mapping[str, Any], where: str) -> LidarSpec:
    """From the `model:` of a sensor: `type` names one of `LIDARS` (`DEFAULT_LIDAR` if absent), the rest changes it.

    Raises ConfigurationError naming the place and the key.
    """
    values = dict(model)
    kind = values.pop("type", DEFAULT_LIDAR)
    if not isinstance(kind, str) or kind not in LIDARS:
        raise ConfigurationError(f"{where}: type {kind!r}: wanted one of {sorted(LIDARS)}")
    if "elevation_deg" in values and "azimuth_deg" not in values:
        values["azimuth_deg"] = []
    return read_model(LidarSpec, values, where, LIDARS[kind])
