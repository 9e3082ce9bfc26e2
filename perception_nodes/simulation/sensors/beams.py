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
# Hesai Pandar64 manual: 1/6 degree between -6 and 2, wider outside.
_PANDAR64: Final = _steps(
    (-25, -19, 2), (-14, -7, 8), (-6, 2, 49), (3, 3, 1), (5, 5, 1), (8, 11, 2), (15, 15, 1)
)
# Velodyne HDL-64E S2 manual: upper block 1/3 degree, lower block 1/2 degree.
_HDL64: Final = _steps((-24.33, -8.83, 32), (-8.33, 2.0, 32))
_HDL64_OFFSETS: Final = tuple(float(a) for a in np.tile([-4.5, 4.5, -1.5, 1.5], 16))
# Velodyne HDL-32E manual: 4/3 degree.
_HDL32: Final = _steps((-30.67, 10.67, 32))

LIDARS: Final[dict[str, LidarSpec]] = {
    "dense32": LidarSpec(_DENSE32),
    "hdl32": LidarSpec(_HDL32, columns=1090, half_range_m=45.0, max_range_m=100.0, intensity_gain=100.0),
    "hdl64": LidarSpec(
        _HDL64, _HDL64_OFFSETS, columns=2000, half_range_m=50.0, max_range_m=120.0, min_range_m=2.0,
    ),
    "pandar64": LidarSpec(
        _PANDAR64, columns=1800, half_range_m=90.0, max_range_m=220.0, min_range_m=0.5, divergence_mrad=2.6,
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


def lidar_spec(model: Mapping[str, Any], where: str) -> LidarSpec:
    """From the `model:` of a sensor: `type` names one of `LIDARS` (dense32 if absent), the rest changes it.

    Raises ConfigurationError naming the place and the key.
    """
    values = dict(model)
    kind = values.pop("type", "dense32")
    if kind not in LIDARS:
        raise ConfigurationError(f"{where}: type {kind!r}: wanted one of {sorted(LIDARS)}")
    if "elevation_deg" in values and "azimuth_deg" not in values:
        values["azimuth_deg"] = []
    return read_model(LidarSpec, values, where, LIDARS[kind])
