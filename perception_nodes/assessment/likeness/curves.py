"""The curves that are compared, and their sums over frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


class Form(Enum):
    """How counts become a curve: a histogram; a share 0..1 or a mean per bin; the root of a mean square per bin."""

    HISTOGRAM = "histogram"
    SHARE = "share"
    MEAN = "mean"
    RMS = "rms"


@dataclass(frozen=True)
class Curve:
    """key; title; form; x: what the bins are of, with unit; edges of the bins, or names of categories; least: a bin
    counts with so much evidence (its denominator) on both sides.
    """

    key: str
    title: str
    form: Form
    x: str
    y: str
    edges: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    least: float = 1.0

    @property
    def bins(self) -> int:
        """Their number."""
        return len(self.names) or len(self.edges) - 1

    def middles(self) -> F64:
        """(B,) of the bins on the axis."""
        if self.names:
            return np.arange(len(self.names), dtype=np.float64)
        edges = np.asarray(self.edges)
        return np.asarray((edges[1:] + edges[:-1]) / 2)

    def place(self, values: F64) -> npt.NDArray[np.int64]:
        """(N,) bin of each value; -1 outside and for NaN. The last bin has its upper edge."""
        out = np.searchsorted(np.asarray(self.edges), values, side="right") - 1
        out[values == self.edges[-1]] = self.bins - 1
        out[~(values >= self.edges[0]) | (values > self.edges[-1])] = -1
        return np.asarray(out, np.int64)


def _spread(low: float, high: float, count: int) -> tuple[float, ...]:
    return tuple(float(v) for v in np.linspace(low, high, count + 1).round(6))


_CAR_RANGE: Final = (4.0, 8.0, 12.0, 16.0, 20.0, 25.0, 30.0, 40.0, 50.0, 65.0)
_RANGE: Final = (3.0, 6.0, 10.0, 15.0, 20.0, 30.0, 45.0, 65.0)
_GROUND_RANGE: Final = (4.0, 6.0, 8.0, 11.0, 15.0, 20.0, 27.0, 35.0)
# One level each where most returns are, wider above.
_LEVELS: Final = (
    *_spread(-0.5, 19.5, 20),
    *_spread(24.5, 99.5, 16),
    129.5,
    159.5,
    189.5,
    219.5,
    254.5,
    255.5,
)
FACES: Final = ("near end", "near side", "top", "far end", "far side", "inside")

CURVES: Final[tuple[Curve, ...]] = (
    Curve("car_points", "points of a visible car", Form.MEAN, "range m", "points", _CAR_RANGE, least=3),
    Curve("car_returned", "pulses at cars: return from the car", Form.SHARE, "range m", "share", _CAR_RANGE, least=100),
    Curve("car_through", "pulses at cars: return from behind", Form.SHARE, "range m", "share", _CAR_RANGE, least=100),
    Curve("car_lost", "pulses at cars: no return", Form.SHARE, "range m", "share", _CAR_RANGE, least=100),
    Curve("car_by_angle", "pulses at cars: return, by view", Form.SHARE,
          "angle between line of sight and car's axis, degrees", "share", _spread(0, 90, 6), least=100),
    Curve("car_by_height", "pulses at cars: return, by height", Form.SHARE,
          "where the pulse enters the box, share of the height", "share", _spread(0.1, 1, 9), least=100),
    Curve("box_length", "where points lie in the box: length", Form.HISTOGRAM,
          "share of the length, + = near end", "density", _spread(-0.5, 0.5, 20)),
    Curve("box_width", "where points lie in the box: width", Form.HISTOGRAM,
          "share of the width, + = near side", "density", _spread(-0.5, 0.5, 20)),
    Curve("box_height", "where points lie in the box: height", Form.HISTOGRAM,
          "share of the height", "density", _spread(0.1, 1.05, 19)),
    Curve("box_face", "face of the box that points are next to", Form.HISTOGRAM, "face", "share", names=FACES),
    Curve("returned", "share of fired pulses that return", Form.SHARE, "elevation degrees", "share",
          (-26, -20, -15, -12, -10, -8, -6, -5, -4, -3, -2, -1, 0, 1, 2, 4, 8, 16), least=1000),
    # Azimuths of encoders jitter: a full cell holds a pulse more or less.
    Curve("cells", "share of returns in cells of 5 degrees", Form.HISTOGRAM, "share of the cell's pulses that return",
          "density", (-0.001, 0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.945, 1.001)),
    Curve("gaps_ground", "gaps within the ground", Form.SHARE, "range m", "lost share", _RANGE, least=500),
    Curve("gaps_other", "gaps within other surfaces", Form.SHARE, "range m", "lost share", _RANGE, least=500),
    Curve("level_road", "intensity of road", Form.HISTOGRAM, "intensity 0..255", "density", _LEVELS),
    Curve("level_road_range", "intensity of road by range", Form.MEAN, "range m", "mean intensity", _RANGE, least=100),
    Curve("level_paint", "intensity of paint", Form.HISTOGRAM, "intensity 0..255", "density", _LEVELS),
    Curve("level_car", "intensity of cars", Form.HISTOGRAM, "intensity 0..255", "density", _LEVELS),
    Curve("level_building", "intensity of buildings", Form.HISTOGRAM, "intensity 0..255", "density", _LEVELS),
    Curve("level_vegetation", "intensity of vegetation", Form.HISTOGRAM, "intensity 0..255", "density", _LEVELS),
    Curve("ground_spread", "spread of ground about local planes", Form.RMS, "range m", "rms m", _GROUND_RANGE,
          least=200),
    Curve("noise_ground", "range noise along a ring, ground", Form.HISTOGRAM, "noise m", "density",
          _spread(0, 0.08, 20)),
    Curve("noise_other", "range noise along a ring, elsewhere", Form.HISTOGRAM, "noise m", "density",
          _spread(0, 0.08, 20)),
    Curve("clutter_height", "height of what is not ground or car", Form.HISTOGRAM, "height over ground m", "density",
          _spread(0.25, 15.25, 20)),
)  # fmt: skip
BY_KEY: Final = {curve.key: curve for curve in CURVES}


@dataclass(eq=False)
class Tally:
    """Counts of one frame: per curve what is counted (B,) and out of what (B,); stamp and drive of the frame."""

    stamp_ns: int
    scene: int
    above: dict[str, F64] = field(default_factory=dict)
    below: dict[str, F64] = field(default_factory=dict)

    def add(self, key: str, above: F64, below: F64) -> None:
        """Add (B,) counts to a curve."""
        self.above[key] = self.above.get(key, 0.0) + np.asarray(above, np.float64)
        self.below[key] = self.below.get(key, 0.0) + np.asarray(below, np.float64)

    def histogram(self, key: str, values: F64) -> None:
        """Count values (N,) into the bins of a histogram."""
        curve = BY_KEY[key]
        place = curve.place(values)
        self.binned(key, place[place >= 0])

    def binned(self, key: str, place: npt.NDArray[np.int64]) -> None:
        """Count bins (N,) of a histogram; all must be of the curve."""
        bins = BY_KEY[key].bins
        counts = np.bincount(place, minlength=bins).astype(np.float64)
        self.add(key, counts, np.full(bins, counts.sum()))

    def means(self, key: str, x: F64, values: F64, weight: F64 | float = 1.0) -> None:
        """Sums of values (N,), and of weights, in the bins of x (N,)."""
        curve = BY_KEY[key]
        place = curve.place(x)
        good = place >= 0
        weights = np.broadcast_to(np.asarray(weight, np.float64), x.shape)
        self.add(
            key,
            np.bincount(place[good], values[good], curve.bins).astype(np.float64),
            np.bincount(place[good], weights[good], curve.bins).astype(np.float64),
        )


@dataclass(frozen=True, eq=False)
class Sums:
    """Counts of F frames of one curve: above, below (F, B)."""

    curve: Curve
    above: F64
    below: F64

    @classmethod
    def of(cls, key: str, tallies: list[Tally]) -> Sums:
        """Stack them; frames without the curve count nothing."""
        curve = BY_KEY[key]
        nothing = np.zeros(curve.bins)
        above = np.array([t.above.get(key, nothing) for t in tallies]).reshape(-1, curve.bins)
        below = np.array([t.below.get(key, nothing) for t in tallies]).reshape(-1, curve.bins)
        return cls(curve, above, below)

    def values(self, weights: F64) -> tuple[F64, F64]:
        """Curves (R, B), NaN without enough evidence, and their evidence (R, B), for weights (R, F) of the frames."""
        above, below = weights @ self.above, weights @ self.below
        with np.errstate(invalid="ignore", divide="ignore"):
            out = np.where(below >= self.curve.least, above / below, np.nan)
        if self.curve.form is Form.RMS:
            out = np.sqrt(out)
        return out, below
