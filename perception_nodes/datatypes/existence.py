"""What the tracker's belief that an object exists is worth as a probability, for the detections of one detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .enums import TrackState
from .errors import ConfigurationError
from .taxonomy import PARENTS
from .tracks import Tracks

F64 = npt.NDArray[np.float64]
_LEAST: Final = 1e-6
# What has no parent in the taxonomy is `unknown`; tracks that are not confirmed yet are their own group.
EXISTENCE_GROUPS: Final = ("vehicle", "two_wheeler", "person", "object", "unknown", "tentative")
_TENTATIVE: Final = EXISTENCE_GROUPS.index("tentative")
_GROUP_OF_LABEL: Final = np.array([EXISTENCE_GROUPS.index(parent or "unknown") for parent in PARENTS])


def existence_groups(label: npt.NDArray[Any], tentative: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """(N,) index into `EXISTENCE_GROUPS` of tracks of these labels (N,)."""
    return np.where(tentative, _TENTATIVE, _GROUP_OF_LABEL[label])


def log_odds(probability: F64) -> F64:
    """Of probabilities, those nearer than 1e-6 to 0 and 1 at that distance."""
    p = np.clip(probability, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(p / (1 - p)))


def from_log_odds(odds: F64) -> F64:
    """Probabilities of log odds."""
    return np.asarray(1 / (1 + np.exp(-odds)))


@dataclass(frozen=True)
class ExistenceTable:
    """A rising piecewise linear map of log odds: `belief` (K,) to `probability` (K,), both in 0..1; K >= 2.

    Beyond the ends it goes on with the slope of the last piece. Raises ConfigurationError if either does not rise (by
    1e-6 in `log_odds`).
    """

    belief: tuple[float, ...]
    probability: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("belief", "probability"):
            values = np.asarray(getattr(self, name), np.float64)
            # As the map takes them: what is equal there would be divided by zero.
            rising = len(values) >= 2 and bool((np.diff(log_odds(values)) > _LEAST).all())
            if not (rising and values[0] > 0 and values[-1] < 1) or len(self.belief) != len(self.probability):
                raise ConfigurationError(
                    f"ExistenceTable.{name}: wanted rising numbers between 0 and 1, as many of both, got {values}"
                )

    def forward(self, belief: F64) -> F64:
        """Probability of existence."""
        return _mapped(belief, self.belief, self.probability)

    def backward(self, probability: F64) -> F64:
        """The belief of which `forward` is the given probability."""
        return _mapped(probability, self.probability, self.belief)


@dataclass(frozen=True)
class ExistenceCalibration:
    """A table for each of `EXISTENCE_GROUPS`; tracks of a group without one keep their belief.

    id: for `calibration_id`; expected_error: ECE of drives that it was not fitted on.
    """

    id: str
    expected_error: float
    tables: Mapping[str, ExistenceTable]

    def __post_init__(self) -> None:
        if not self.id:
            raise ConfigurationError("ExistenceCalibration.id: wanted a name, got none")
        if not (0 <= self.expected_error <= 1 or np.isnan(self.expected_error)):
            raise ConfigurationError(
                f"existence calibration {self.id}: expected_error {self.expected_error}: wanted 0 to 1, or NaN"
            )
        if wrong := sorted(set(self.tables) - set(EXISTENCE_GROUPS)):
            raise ConfigurationError(
                f"existence calibration {self.id}: no such group: {wrong}: wanted some of {EXISTENCE_GROUPS}"
            )

    def probability(self, label: npt.NDArray[Any], tentative: npt.NDArray[np.bool_], belief: F64) -> F64:
        """(N,) of tracks with these labels (N,) and beliefs (N,)."""
        return self._applied(label, tentative, belief, "forward")

    def belief(self, label: npt.NDArray[Any], tentative: npt.NDArray[np.bool_], probability: F64) -> F64:
        """(N,) what the tracker believed of tracks that were published with these probabilities (N,)."""
        return self._applied(label, tentative, probability, "backward")

    def _applied(self, label: Any, tentative: npt.NDArray[np.bool_], values: F64, way: str) -> F64:
        out = np.array(values, np.float64)
        group = existence_groups(label, tentative)
        for name, table in self.tables.items():
            rows = group == EXISTENCE_GROUPS.index(name)
            if rows.any():
                out[rows] = getattr(table, way)(out[rows])
        return out


def is_tentative(tracks: Tracks) -> npt.NDArray[np.bool_]:
    """(N,) tracks that are not confirmed yet."""
    return np.asarray(tracks.state == int(TrackState.TENTATIVE))


def _mapped(values: F64, given: tuple[float, ...], wanted: tuple[float, ...]) -> F64:
    x, y = log_odds(np.array(given)), log_odds(np.array(wanted))
    at = log_odds(values)
    out = np.interp(at, x, y)
    for end, inner, beyond in ((0, 1, at < x[0]), (-1, -2, at > x[-1])):
        slope = (y[end] - y[inner]) / (x[end] - x[inner])
        out[beyond] = y[end] + slope * (at[beyond] - x[end])
    return from_log_odds(out)
