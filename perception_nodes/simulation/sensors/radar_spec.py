"""What an automotive radar at 77 GHz can measure: data sheets as presets, over which a rig file may write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from perception_nodes.datatypes import ConfigurationError, check_ranges, param

from .specs import read_model

FREQUENCY_GHZ: Final = 77.0
WAVELENGTH_M: Final = 0.299792458 / FREQUENCY_GHZ
REFERENCE_M: Final = 100.0


@dataclass(frozen=True)
class RadarSpec:
    """A radar that reports detections: one a resolution cell (range x azimuth x radial speed) above its threshold.

    Accuracies are standard deviations of strong echoes; those of weak ones grow with the resolution (`radar_signal`).
    Azimuth resolution and accuracy hold ahead and grow to the sides with 1 / cos(azimuth), as of any flat array.
    """

    min_range_m: float = param(0.5, "nearer echoes are lost", low=0.1)
    max_range_m: float = param(250.0, "farther echoes are not looked for", low=1.0, high=500.0)
    azimuth_field_deg: float = param(120.0, "full width of the field", low=2.0, high=170.0)
    azimuth_beam_deg: float = param(
        70.0, "width of the antennas' beam at -3 dB, one way", low=2.0, high=180.0
    )
    elevation_beam_deg: float = param(14.0, "the same in elevation", low=1.0, high=60.0)
    range_resolution_m: float = param(0.6, "echoes nearer to each other are one", low=0.02, high=10.0)
    range_accuracy_m: float = param(0.1, "noise of the range", low=0.0, high=5.0)
    azimuth_resolution_deg: float = param(3.2, "echoes nearer to each other are one", low=0.1, high=30.0)
    azimuth_accuracy_deg: float = param(0.3, "noise of the azimuth", low=0.0, high=10.0)
    speed_resolution_mps: float = param(0.12, "echoes nearer to each other are one", low=0.01, high=5.0)
    speed_accuracy_mps: float = param(0.03, "noise of the radial speed", low=0.0, high=5.0)
    max_speed_mps: float = param(70.0, "faster ones come out with a wrong speed", low=5.0, high=200.0)
    elevation_accuracy_deg: float = param(
        0.0, "noise of the elevation; 0 = it is not measured, points have z = 0", low=0.0, high=10.0
    )
    reference_snr_db: float = param(19.0, "of 1 m2 at 100 m ahead", low=-20.0, high=80.0)
    false_alarms: float = param(2.0, "expected detections of noise in a scan", low=1e-6, high=500.0)
    swerling: int = param(1, "how the echo fluctuates from scan to scan: 0 = not, 1, or 3", low=0, high=3)
    rcs_accuracy_db: float = param(1.5, "noise of the radar cross section", low=0.0, high=10.0)
    side_lobe_db: float = param(-26.0, "highest side lobe in azimuth, both ways", low=-80.0, high=-6.0)
    azimuth_dynamic_db: float = param(
        20.0,
        "echoes so much weaker than another of the same range and speed pass for its side lobes",
        low=3.0,
        high=80.0,
    )
    ghosts: float = param(1.0, "share of what physics gives that walls mirror", low=0.0, high=1.0)
    road_reflection: float = param(
        0.5, "amplitude that the dry road mirrors, smooth for the wave", low=0.0, high=0.95
    )
    interference: float = param(0.01, "probability that another radar disturbs a scan", low=0.0, high=1.0)
    underbody_db: float = param(
        -18.0, "both ways under a vehicle that hides a thing, against the free way", low=-100.0, high=0.0
    )
    min_rcs_dbsm: float = param(
        -32.0, "weaker things are suppressed however near, as the road is", low=-100.0, high=20.0
    )
    max_detections: int = param(256, "the strongest ones are reported", low=1, high=20000)
    columns: int = param(150, "rays over the field against the street", low=8, high=2000)
    rows: int = param(5, "rays over the elevation", low=1, high=50)

    def __post_init__(self) -> None:
        check_ranges(self)
        if not self.min_range_m < self.max_range_m:
            raise ConfigurationError(
                f"RadarSpec.min_range_m = {self.min_range_m}: wanted less than max_range_m"
            )
        if self.swerling not in (0, 1, 3):
            raise ConfigurationError(f"RadarSpec.swerling = {self.swerling}: wanted 0, 1 or 3")

    @property
    def half_field_rad(self) -> float:
        """Largest azimuth to either side."""
        return float(np.deg2rad(self.azimuth_field_deg / 2))

    @property
    def sine_resolution(self) -> float:
        """Resolution in the sine of the azimuth, the same over the field."""
        return float(np.sin(np.deg2rad(self.azimuth_resolution_deg)))

    @property
    def cells(self) -> tuple[int, int, int]:
        """Resolution cells in range, azimuth and radial speed."""
        return (
            int(np.ceil(self.max_range_m / self.range_resolution_m)),
            int(np.ceil(2.0 / self.sine_resolution)) + 1,
            int(np.ceil(2.0 * self.max_speed_mps / self.speed_resolution_mps)),
        )

    @property
    def threshold(self) -> float:
        """Power over that of the noise from which a cell is a detection.

        Noise exceeds T with probability exp(-T) in each cell of the field (square-law detector).
        """
        ranges, _, speeds = self.cells
        across = 2.0 * np.sin(self.half_field_rad) / self.sine_resolution
        return float(np.log(max(ranges * across * speeds / self.false_alarms, np.e)))


# Long range: public data sheet of Continental's ARS 408-21 (near and far scan as one: the far field's reach ahead, the
# near field's resolution). Corner: of the SRR 520 class (range 100 m, field 150 degrees).
RADARS: Final[dict[str, RadarSpec]] = {
    "long_range": RadarSpec(),
    "corner": RadarSpec(
        max_range_m=100.0, azimuth_field_deg=150.0, azimuth_beam_deg=110.0, elevation_beam_deg=16.0,
        range_resolution_m=0.4, azimuth_resolution_deg=5.0, azimuth_accuracy_deg=0.7, reference_snr_db=11.0,
        speed_resolution_mps=0.2, speed_accuracy_mps=0.05, max_speed_mps=50.0, side_lobe_db=-23.0,
        azimuth_dynamic_db=17.0,
    ),
    "imaging": RadarSpec(
        max_range_m=300.0, azimuth_beam_deg=80.0, elevation_beam_deg=24.0, range_resolution_m=0.3,
        range_accuracy_m=0.05, azimuth_resolution_deg=1.2, azimuth_accuracy_deg=0.1, elevation_accuracy_deg=0.3,
        reference_snr_db=24.0, side_lobe_db=-32.0, max_detections=2000, false_alarms=8.0, columns=320, rows=7,
    ),
}  # fmt: skip


def radar_spec(model: Mapping[str, Any], where: str) -> RadarSpec:
    """From the `model:` of a sensor: `type` names one of `RADARS` (long_range if absent), the rest changes it.

    Raises ConfigurationError naming the place and the key.
    """
    values = dict(model)
    kind = values.pop("type", "long_range")
    if not isinstance(kind, str) or kind not in RADARS:
        raise ConfigurationError(f"{where}: type {kind!r}: wanted one of {sorted(RADARS)}")
    return read_model(RadarSpec, values, where, RADARS[kind])
