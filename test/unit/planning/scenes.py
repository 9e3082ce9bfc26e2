"""Hand-made moments for the planner: a straight route along +x and what stands or moves on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_nodes.datatypes import CAR, ElementType, MapElement, MapElements, Mode, one_hot_type
from perception_nodes.planning import Decision, EgoMotion, Guidance, Obstacles, ReferencePlanner

LIMIT_MPS = 10.0


def route(length_m: float = 300.0, stop_m: float = float("inf"), limit_mps: float = LIMIT_MPS) -> Guidance:
    """From x = -30 m along +x."""
    x = np.arange(-30.0, length_m)
    return Guidance(np.column_stack([x, np.zeros(len(x))]), np.full(len(x), limit_mps), stop_m)


def things(
    *rows: tuple[float, ...], label: int = CAR, age_s: float = 5.0, stamp_ns: int = 0, **columns: Any
) -> Obstacles:
    """Rows of x, y, yaw, length, width, vx, vy."""
    table = np.array(rows, np.float64).reshape(-1, 7)
    n = len(table)
    values = {
        "low_m": np.zeros(n),
        "high_m": np.full(n, 1.5),
        "velocity_std_mps": np.full(n, 0.2),
        "yaw_rate_rps": np.zeros(n),
        "existence": np.full(n, 0.9),
        "age_s": np.full(n, age_s),
        "tentative": np.zeros(n, bool),
    } | columns
    return Obstacles(
        stamp_ns, np.arange(1, n + 1).astype(np.uint64), np.full(n, label, np.uint8), table[:, :5],
        velocity_mps=table[:, 5:], **values,
    )  # fmt: skip


def decide(
    obstacles: Obstacles | None = None,
    speed_mps: float = LIMIT_MPS,
    mode: Mode | None = Mode.NOMINAL,
    guidance: Guidance | None = None,
    **ego: float,
) -> Decision:
    """One step of a planner that is under way."""
    planner = ReferencePlanner()
    motion = EgoMotion(0, ego.get("x_m", 0.0), ego.get("y_m", 0.0), ego.get("yaw_rad", 0.0), speed_mps)
    planner.step(motion, guidance or route(), things(), None, Mode.NOMINAL)
    out = planner.step(motion, guidance or route(), obstacles, None, mode)
    assert out is not None
    return out


def dividers(left_m: float, right_m: float) -> MapElements:
    """Two lines along the route, so far to its left."""
    x = np.arange(-5.0, 45.0)
    lines = []
    for number, y in enumerate((left_m, right_m), 1):
        points = np.column_stack([x, np.full(len(x), y), np.zeros(len(x))])
        n = np.full(len(x), 0.05)
        lines.append(
            MapElement(number, ElementType.LANE_DIVIDER, points, n, n, one_hot_type(ElementType.LANE_DIVIDER))
        )
    return MapElements(0, "odom", tuple(lines))
