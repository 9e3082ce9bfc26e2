"""The whole comparison: real sweeps, simulated sweeps, curves, distances with intervals."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from perception_nodes.datatypes import InputError, check_ranges, param
from perception_nodes.evaluation.bootstrap import (
    MIN_SCENES,
    Resampling,
    resample_frames,
    resample_scenes,
)

from .cars import OpenCar, add_cars, match_cars, open_cars
from .curves import CURVES, Curve, Sums, Tally
from .distance import distance, shift
from .rays import Fired
from .real import Half, real_views, setup_of
from .simulated import simulated_views
from .surfaces import (
    blocked_cells,
    count_clutter,
    count_gaps,
    count_ground,
    count_levels,
    count_noise,
    count_returns,
)
from .views import F64, Mask, Setup, View

_RESAMPLES: Final = 300


@dataclass(frozen=True)
class LikenessOptions:
    """What is compared. data: folder of PandaSet or KITTI; half: real sweeps of even or odd number only."""

    data: Path
    rig: str = ""
    half: Half = "all"
    seed: int = param(1, "of the first street", low=0)
    streets: int = param(12, "simulated streets", low=1, high=1000)
    frames: int = param(5, "sweeps of each", low=1, high=1000)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.half not in ("all", "even", "odd"):
            raise InputError(f"half {self.half!r}: wanted all, even or odd")


@dataclass(frozen=True, eq=False)
class Compared:
    """One curve: real and simulated (B,) with intervals (2, B), NaN without evidence; their distance with its
    interval; shift: which way; floor: distance between two halves of the simulated streets, which differ by nothing
    but the seed.
    """

    curve: Curve
    real: F64
    simulated: F64
    real_interval: F64
    simulated_interval: F64
    distance: float
    interval: tuple[float, float]
    shift: float
    floor: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """All curves of one data set and one rig; frames, cars: how many real and simulated ones."""

    name: str
    rig: str
    half: str
    frames: tuple[int, int]
    cars: tuple[int, int]
    streets: int
    curves: tuple[Compared, ...]


def compare(options: LikenessOptions, progress: Callable[[str, int, int], None] | None = None) -> Comparison:
    """Raises InputError for data that cannot be compared."""
    setup = setup_of(options.data, options.rig)
    views = real_views(options.data, setup, options.half)
    blocked = blocked_cells(views, setup)
    real, real_cars = _counted(views, setup, blocked, _named(progress, "real sweeps"))
    # Nothing of the simulated vehicle is in the way of its lidar, but pulses that are not compared must not count.
    made = simulated_views(
        setup, options.seed, options.streets, options.frames, _named(progress, "simulated streets")
    )
    simulated, simulated_cars = _counted(made, setup, blocked, _named(progress, "simulated sweeps"))
    weights = match_cars(real_cars, simulated_cars)
    for tallies, cars, weight in zip((real, simulated), (real_cars, simulated_cars), weights, strict=True):
        for tally, of_frame in zip(tallies, cars, strict=True):
            add_cars(of_frame, weight, tally)
    curves = [_compared(curve, real, simulated) for curve in CURVES]
    return Comparison(
        name=setup.name,
        rig=setup.rig,
        half=options.half,
        frames=(len(real), len(simulated)),
        cars=(_used(real_cars, weights[0]), _used(simulated_cars, weights[1])),
        streets=options.streets,
        curves=tuple(c for c in curves if np.isfinite(c.distance)),
    )


def _used(cars: list[list[OpenCar]], weights: F64) -> int:
    return sum(int(weights[car.stratum] > 0) for frame in cars for car in frame)


def _named(progress: Callable[[str, int, int], None] | None, name: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(name, done, total)


def _counted(
    views: list[View], setup: Setup, blocked: Mask, progress: Callable[[int, int], None] | None
) -> tuple[list[Tally], list[list[OpenCar]]]:
    fired = Fired.of(setup)
    out, cars = [], []
    for k, view in enumerate(views):
        out.append(count(view, setup, blocked))
        cars.append(open_cars(view, fired))
        if progress is not None:
            progress(k + 1, len(views))
    return out, cars


def count(view: View, setup: Setup, blocked: Mask) -> Tally:
    """All counts of one sweep but those of its cars."""
    tally = Tally(view.stamp_ns, view.scene)
    count_returns(view, setup, blocked, tally)
    count_gaps(view, setup, tally)
    count_levels(view, tally)
    count_ground(view, tally)
    count_noise(view, setup, tally)
    count_clutter(view, tally)
    return tally


def _compared(curve: Curve, real: list[Tally], simulated: list[Tally]) -> Compared:
    sums = [Sums.of(curve.key, real), Sums.of(curve.key, simulated)]
    whole = [s.values(np.ones((1, len(s.above))))[0] for s in sums]
    drawn = [
        s.values(_resampled(t, seed).weights)[0]
        for s, t, seed in zip(sums, (real, simulated), (1, 2), strict=True)
    ]
    count = min(len(d) for d in drawn)
    found = distance(curve, drawn[0][:count], drawn[1][:count])
    resampling = _resampled(real, 1)
    scene = np.array([t.scene for t in simulated])
    halves = [sums[1].values((scene % 2 == k).astype(np.float64)[None])[0] for k in (0, 1)]
    return Compared(
        curve,
        whole[0][0],
        whole[1][0],
        _band(drawn[0]),
        _band(drawn[1]),
        float(distance(curve, *whole)[0]),
        resampling.interval(found),
        float(shift(curve, *whole)[0]),
        float(distance(curve, *halves)[0]) if scene.max(initial=0) > 0 else float("nan"),
    )


def _resampled(tallies: list[Tally], seed: int) -> Resampling:
    rng = np.random.default_rng([seed, 6])
    scene = np.unique([t.scene for t in tallies], return_inverse=True)[1]
    if scene.max(initial=0) + 1 >= MIN_SCENES:
        return resample_scenes(scene.astype(np.int64), rng, _RESAMPLES)
    # A few streets: as if one were driven after the other.
    steps = np.diff([t.stamp_ns for t in tallies])
    steps[np.diff(scene) != 0] = 1_000_000_000
    return resample_frames([0, *np.cumsum(steps).tolist()], rng, _RESAMPLES)


def _band(drawn: F64) -> F64:
    """(2, B) 95 % of the resampled curves (R, B); NaN where half of them are undefined."""
    out = np.full((2, drawn.shape[1]), np.nan)
    for b in range(drawn.shape[1]):
        known = drawn[np.isfinite(drawn[:, b]), b]
        if len(known) and 2 * len(known) >= len(drawn):
            out[:, b] = np.quantile(known, [0.025, 0.975])
    return out


def write_figures(comparison: Comparison, path: Path) -> None:
    """Distances and shifts as JSON, to be read by `read_figures`."""
    rows = {
        c.curve.key: {"distance": c.distance, "shift": None if np.isnan(c.shift) else c.shift}
        for c in comparison.curves
    }
    value = {"data": comparison.name, "rig": comparison.rig, "half": comparison.half, "curves": rows}
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def read_figures(path: Path) -> dict[str, float]:
    """Distance of each curve. Raises InputError naming the file."""
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
        return {key: float(row["distance"]) for key, row in value["curves"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: wanted figures as --json writes them: {error!r}") from error
