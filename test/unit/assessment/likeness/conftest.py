"""Sweeps that are made by hand."""

from __future__ import annotations

import numpy as np

from perception_nodes.assessment.likeness.views import Boxes, Raw, Setup, View, view
from perception_nodes.simulation.sensors.beams import LidarSpec

# 21 beams, one degree apart, 720 columns.
SPEC = LidarSpec(tuple(float(e) for e in range(-15, 6)), columns=720)
SETUP = Setup("made", "made", "top", SPEC, 0.001, 1.0, 2.0)
NO_CARS = Boxes(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0))


def boxes(*rows: tuple[float, ...]) -> Boxes:
    """x, y, z, length, width, height, yaw each."""
    table = np.array(rows, np.float64).reshape(-1, 7)
    return Boxes(table[:, :3], table[:, 3:6], table[:, 6])


def flat(noise_m: float = 0.0, intensity: float = 7.0) -> Raw:
    """Every beam that points down meets a plane 2 m below the lidar."""
    directions = SPEC.directions()
    ring = np.tile(np.arange(SPEC.rings), SPEC.columns)
    d = directions.reshape(-1, 3)
    down = d[:, 2] < -0.03
    range_m = -2.0 / d[down, 2]
    range_m = range_m + noise_m * np.random.default_rng(3).standard_normal(len(range_m))
    xyz = range_m[:, None] * d[down]
    return Raw(xyz, np.full(len(xyz), intensity), ring[down], None)


def seen(raw: Raw, cars: Boxes = NO_CARS, stamp_ns: int = 10**9) -> View:
    """As `compare` gets it."""
    return view(raw, cars, stamp_ns, 0, SETUP)
