"""GOSPA: one distance, in metres, for position errors, missed objects and false alarms together.

Source: Rahmathullah, Garcia-Fernandez and Svensson, "Generalized optimal sub-pattern assignment metric", FUSION 2017,
with alpha = 2: (min over assignments of sum d^p + c^p / 2 (number missed + number false))^(1/p).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_nodes.datatypes import ConfigurationError, InputError

from .frames import F64


@dataclass(frozen=True)
class GospaConfig:
    """p: exponent, at least 1, higher punishes outliers more; c_m: cut-off, a pair this far apart is no pair."""

    p: float = 2.0
    c_m: float = 2.0

    def __post_init__(self) -> None:
        if not 1 <= self.p < np.inf:
            raise ConfigurationError(f"p: wanted at least 1 and finite, got {self.p}")
        if not 0 < self.c_m < np.inf:
            raise ConfigurationError(f"c_m: wanted above 0 and finite, got {self.c_m}")


@dataclass(frozen=True)
class Gospa:
    """Parts in m^p: gospa_m^p = localization + missed + false."""

    gospa_m: float
    localization: float
    missed: float
    false: float
    num_pairs: int
    num_missed: int
    num_false: int


@dataclass(frozen=True)
class GospaRun:
    """GOSPA of each frame, its mean over the frames, and the mean parts in m^p; NaN without frames."""

    frames: tuple[Gospa, ...]
    mean_m: float
    localization: float
    missed: float
    false: float


def gospa(distance_m: F64, config: GospaConfig | None = None) -> Gospa:
    """GOSPA of one frame from the distances (N true, M predicted), m.

    Raises InputError if the distances are no matrix, or one is negative or not a number (infinite is no pair).
    """
    config = config or GospaConfig()
    distance = np.asarray(distance_m, np.float64)
    if distance.ndim != 2:
        raise InputError(f"distance_m: wanted a matrix (N, M), got shape {distance.shape}")
    if not (distance >= 0).all():
        raise InputError("distance_m: wanted values of at least 0, got a negative one or NaN")
    alone = config.c_m**config.p / 2
    cost = np.minimum(distance, config.c_m) ** config.p
    rows, cols = linear_sum_assignment(cost)
    pairs = distance[rows, cols] < config.c_m
    localization = float(cost[rows, cols][pairs].sum())
    count = int(pairs.sum())
    missed, false = distance.shape[0] - count, distance.shape[1] - count
    total = localization + alone * (missed + false)
    return Gospa(total ** (1 / config.p), localization, alone * missed, alone * false, count, missed, false)


def gospa_run(distances_m: Sequence[F64], config: GospaConfig | None = None) -> GospaRun:
    """GOSPA of every frame of a recording; see `gospa`."""
    frames = tuple(gospa(d, config) for d in distances_m)
    names = ("gospa_m", "localization", "missed", "false")
    means = [float(np.mean([getattr(f, name) for f in frames])) if frames else float("nan") for name in names]
    return GospaRun(frames, *means)
