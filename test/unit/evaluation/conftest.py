"""Frames of boxes for the tests of measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from perception_nodes.datatypes import CAR
from perception_nodes.evaluation import BoxFrame

STEP_NS = 100_000_000


@pytest.fixture(scope="session")
def boxes() -> Callable[..., BoxFrame]:
    """Makes a frame of cars."""
    return _boxes


def _boxes(
    k: int,
    xy: Sequence[tuple[float, float]],
    ids: Sequence[int] | None = None,
    velocity: Sequence[tuple[float, float]] | None = None,
    yaw: Sequence[float] | None = None,
    score: Sequence[float] | None = None,
) -> BoxFrame:
    """Cars of 4 x 2 m at 10 Hz, the ego at the origin."""
    n = len(xy)
    return BoxFrame(
        stamp_ns=k * STEP_NS,
        id=np.array(range(n) if ids is None else ids, np.int64),
        label=np.full(n, CAR),
        score=np.full(n, 0.9) if score is None else np.array(score, float),
        center_m=np.column_stack([np.array(xy, float).reshape(n, 2), np.zeros(n)]),
        lwh_m=np.tile([4.0, 2.0, 1.5], (n, 1)),
        yaw_rad=np.zeros(n) if yaw is None else np.array(yaw, float),
        velocity_mps=np.zeros((n, 2)) if velocity is None else np.array(velocity, float).reshape(n, 2),
        num_points=np.full(n, 50),
        ego_xy_m=np.zeros(2),
    )
