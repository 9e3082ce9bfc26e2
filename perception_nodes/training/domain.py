"""What the sweeps of the training look like in numbers, to be compared with those that a node gets."""

from __future__ import annotations

import numpy as np

from .store import Frames

_FRAMES = 100


def statistics(store: Frames) -> dict[str, list[float]]:
    """5, 50 and 95 % quantiles over frames: points, beams, range of the farthest tenth, height of the sensor."""
    rows = []
    for index in range(0, len(store), max(1, len(store) // _FRAMES)):
        frame = store[index]
        reach = np.hypot(*(frame.points.xyh_m[:, :2] - frame.origin_m[:2]).T)
        far = float(np.quantile(reach, 0.9)) if len(reach) else 0.0
        rows.append([len(frame.points), len(np.unique(frame.ring)), far, float(frame.origin_m[2])])
    table = np.quantile(np.array(rows), [0.05, 0.5, 0.95], axis=0).T
    names = ("points", "beams", "range_m", "sensor_height_m")
    return {name: [round(float(v), 3) for v in row] for name, row in zip(names, table, strict=True)}
