"""Columns of the table that the box fit writes, one row a group of cells."""

from __future__ import annotations

from typing import Final

FIELDS: Final = (
    "x", "y", "yaw", "length", "width", "seen_length", "seen_width", "free", "foreign", "coverage", "size_misfit",
    "closeness", "bottom", "top", "ground_z", "range", "points", "cells", "tall", "small_length", "small_width",
    "small_yaw", "mid_x", "mid_y", "low_share", "vehicle", "attached", "small_attached", "scatter", "continued",
    "crown",
)  # fmt: skip
NUM_FIELDS: Final = len(FIELDS)
# The same as numbers, for the kernels.
(
    X, Y, YAW, LENGTH, WIDTH, SEEN_LENGTH, SEEN_WIDTH, FREE, FOREIGN, COVERAGE, SIZE_MISFIT,
    CLOSENESS, BOTTOM, TOP, GROUND_Z, RANGE, POINTS, CELLS, TALL, SMALL_LENGTH, SMALL_WIDTH,
    SMALL_YAW, MID_X, MID_Y, LOW_SHARE, VEHICLE, ATTACHED, SMALL_ATTACHED, SCATTER, CONTINUED,
    CROWN,
) = range(NUM_FIELDS)  # fmt: skip
