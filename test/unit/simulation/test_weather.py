"""Weather in numbers."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.simulation.scenarios import WeatherEffect
from perception_nodes.simulation.weather import KINDS, Weather


def test_attenuation_follows_the_published_relations():
    # ITU-R P.1814, Carbonneau: 1.076 R^0.67 dB/km; 25 mm/h gives 9.3 dB/km.
    assert Weather(rain_mm_h=25.0).attenuation_per_m == pytest.approx(9.30 * np.log(10) / 10 / 1000, rel=1e-3)
    # Kim below 500 m: 3.912 / visibility whatever the wavelength.
    assert Weather(fog_visibility_m=100.0).attenuation_per_m == pytest.approx(0.03912, rel=1e-6)
    assert Weather().attenuation_per_m == 0.0


@pytest.mark.parametrize("kind", ["rain", "snow", "fog", "dust"])
def test_a_higher_severity_is_worse(kind: str):
    values = [Weather().with_effect(kind, s).attenuation_per_m for s in range(1, 6)]
    assert values == sorted(values) and values[0] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_changes_something(kind: str):
    assert Weather().with_effect(kind, 3) != Weather()


def test_effects_add_up():
    both = Weather.of([WeatherEffect("night", 2), WeatherEffect("rain", 4)])
    assert both.night and both.rain_mm_h > 0 and both.wetness > 0


@pytest.mark.parametrize(("kind", "severity"), [("hail", 1), ("rain", 0), ("rain", 6)])
def test_unknown_weather_is_named(kind: str, severity: int):
    with pytest.raises(ConfigurationError, match=kind):
        Weather().with_effect(kind, severity)
