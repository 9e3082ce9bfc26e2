"""Whether the sweeps that come in look like those a model was trained on."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from .learned_points import PreparedPoints

# Quantities with the share of their usual range by which they may lie outside of it.
_SLACK: Final[Mapping[str, float]] = {"points": 0.5, "range_m": 0.5, "sensor_height_m": 0.3}
_KEPT: Final = 50
_ENOUGH: Final = 20
# Points whose range is looked at.
_SAMPLE: Final = 10_000


def describe_points(points: PreparedPoints, sensor_height_m: float) -> dict[str, float]:
    """Quantities of one sweep: points, range of the farthest tenth (m), height of the first sensor (m)."""
    some = slice(None, None, max(1, len(points) // _SAMPLE))
    reach = np.hypot(*(points.xyh_m[some, :2] - points.origins_m[points.source[some]]).T)
    far = float(np.quantile(reach, 0.9)) if len(reach) else 0.0
    return {"points": float(len(points)), "range_m": far, "sensor_height_m": sensor_height_m}


class DomainCheck:
    """Compares the medians of the last sweeps with the 5 to 95 % range of the training."""

    def __init__(self, statistics: Mapping[str, Sequence[float]]) -> None:
        """statistics: name -> 5, 50, 95 % quantiles, as a model keeps them; names that are not known are not used."""
        self._limits: dict[str, tuple[float, float]] = {}
        for name, slack in _SLACK.items():
            if name in statistics:
                low, _, high = statistics[name]
                self._limits[name] = (low * (1.0 - slack), high * (1.0 + slack))
        self._seen: dict[str, deque[float]] = {name: deque(maxlen=_KEPT) for name in self._limits}

    def add(self, values: Mapping[str, float]) -> None:
        """One more sweep, as of `describe_points`."""
        for name, kept in self._seen.items():
            kept.append(values[name])

    def misfits(self) -> list[str]:
        """A sentence for each quantity that is unlike the training; none before 20 sweeps were seen."""
        out = []
        for name, (low, high) in self._limits.items():
            median = _median(self._seen[name])
            if len(self._seen[name]) >= _ENOUGH and not low <= median <= high:
                out.append(f"{name} {median:.3g}: the model was trained for {low:.3g} ... {high:.3g}")
        return out


def _median(values: deque[float]) -> float:
    array: npt.NDArray[np.float64] = np.array(values, np.float64)
    return float(np.median(array)) if len(array) else float("nan")
