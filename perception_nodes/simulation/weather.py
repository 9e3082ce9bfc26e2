"""What the air, the light and the dirt on the sensors are like.

Attenuation in the air: rain and snow by ITU-R P.1814 (Carbonneau; dry and wet snow), fog by Kim's relation with
Koschmieder's visibility. Backscatter of fog: 0.046 / visibility (Rasshofer, Spies, Spies 2011).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import numpy as np

from perception_nodes.datatypes import ConfigurationError, check_ranges, param

_DB_PER_KM: Final = np.log(10.0) / 10.0 / 1000.0  # dB/km in 1/m

# By severity 1 to 5.
RAIN_MM_H: Final = (2.0, 8.0, 20.0, 45.0, 90.0)
SNOW_MM_H: Final = (0.4, 0.8, 1.5, 2.5, 4.0)
FOG_VISIBILITY_M: Final = (500.0, 250.0, 120.0, 60.0, 30.0)
DUST_VISIBILITY_M: Final = (400.0, 200.0, 100.0, 50.0, 25.0)
WETNESS: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
LOW_SUN_RAD: Final = (0.35, 0.26, 0.17, 0.10, 0.05)
NIGHT_AMBIENT: Final = (0.25, 0.12, 0.06, 0.03, 0.01)
DIRT_SHARE: Final = (0.03, 0.08, 0.15, 0.25, 0.4)
BLOCKED_RAD: Final = (0.2, 0.5, 0.9, 1.4, 2.1)


class Effect(Protocol):
    """A kind with its severity, as a scenario says it."""

    @property
    def kind(self) -> str:
        """One of `KINDS`."""

    @property
    def severity(self) -> int:
        """1 to 5."""


@dataclass(frozen=True)
class Weather:
    """rain, snow: water falling; visibility: meteorological optical range of fog and of dust; the rest as named.

    blocked: sectors of a lidar or radar without returns, as (middle, width) in rad about the sensor's z axis.
    """

    rain_mm_h: float = param(0.0, "rain", low=0.0, high=300.0)
    snow_mm_h: float = param(0.0, "snow as water", low=0.0, high=20.0)
    fog_visibility_m: float = param(float("inf"), "range at which contrast is 5 %", low=1.0)
    dust_visibility_m: float = param(float("inf"), "the same for dust", low=1.0)
    wetness: float = param(0.0, "of the road, 1 = a film of water", low=0.0, high=1.0)
    sun_elevation_rad: float = param(0.8, "above the horizon", low=-1.6, high=1.6)
    sun_azimuth_rad: float = param(2.2, "towards the sun, odom", low=-6.3, high=6.3)
    ambient: float = param(1.0, "light, 1 = day", low=0.0, high=1.0)
    dirt: float = param(0.0, "share of each lens or window that is dirty", low=0.0, high=1.0)
    blocked_rad: tuple[tuple[float, float], ...] = field(default=())

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def night(self) -> bool:
        """Headlights are on."""
        return self.ambient < 0.5

    @property
    def attenuation_per_m(self) -> float:
        """Of a pulse at 905 nm, one way."""
        rain = 1.076 * self.rain_mm_h**0.67 * _DB_PER_KM
        snow = (5.4958 + 5.42e-5 * 905) * self.snow_mm_h**1.38 * _DB_PER_KM
        return float(rain + snow + _kim(self.fog_visibility_m) + _kim(self.dust_visibility_m))

    @property
    def backscatter_per_m(self) -> float:
        """Backscatter coefficient of fog and dust, 1/(m sr)."""
        return 0.046 / self.fog_visibility_m + 0.046 / self.dust_visibility_m

    @classmethod
    def of(cls, effects: Iterable[Effect]) -> Weather:
        """All effects together; what occurs twice counts once, the later one.

        Raises ConfigurationError for a kind or a severity that there is not.
        """
        weather = cls()
        for effect in effects:
            weather = weather.with_effect(effect.kind, effect.severity)
        return weather

    def with_effect(self, kind: str, severity: int) -> Weather:
        """This and one effect more."""
        if kind not in KINDS:
            raise ConfigurationError(f"weather {kind!r}: wanted one of {list(KINDS)}")
        if not 1 <= severity <= 5:
            raise ConfigurationError(f"weather {kind}: severity {severity}: wanted 1 to 5")
        s = severity - 1
        match kind:
            case "rain":
                wet = max(self.wetness, WETNESS[min(s + 1, 4)])
                return replace(self, rain_mm_h=RAIN_MM_H[s], wetness=wet, ambient=min(self.ambient, 0.8))
            case "snow":
                return replace(self, snow_mm_h=SNOW_MM_H[s], ambient=min(self.ambient, 0.8))
            case "fog":
                return replace(self, fog_visibility_m=FOG_VISIBILITY_M[s])
            case "dust":
                return replace(self, dust_visibility_m=DUST_VISIBILITY_M[s])
            case "wet":
                return replace(self, wetness=WETNESS[s])
            case "low_sun":
                return replace(self, sun_elevation_rad=LOW_SUN_RAD[s], sun_azimuth_rad=0.0)
            case "night":
                return replace(self, ambient=NIGHT_AMBIENT[s], sun_elevation_rad=-0.3)
            case "dirt":
                return replace(self, dirt=DIRT_SHARE[s])
            case _:
                return replace(self, blocked_rad=((0.3, BLOCKED_RAD[s]),))


KINDS: Final = ("rain", "snow", "fog", "dust", "wet", "low_sun", "night", "dirt", "blocked")


def _kim(visibility_m: float) -> float:
    """Attenuation 1/m at 905 nm for a visibility (Kim, McArthur, Korevaar 2001)."""
    if not np.isfinite(visibility_m):
        return 0.0
    km = visibility_m / 1000.0
    if km > 6:
        q = 1.3
    elif km > 1:
        q = 0.16 * km + 0.34
    else:
        q = max(km - 0.5, 0.0)
    return float(3.912 / visibility_m * (905 / 550) ** -q)
