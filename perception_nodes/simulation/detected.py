"""Which of the actors perception reports."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import Detections3D
from perception_nodes.datatypes.checks import check_shape

F64 = npt.NDArray[np.float64]
_BESIDE_M = 0.7


def detected_actors(truth: Detections3D, reported_xy_m: F64) -> frozenset[int]:
    """Ids of the true boxes in which, or within 0.7 m of which, one of the reported centres (M, 2) lies; both in odom.

    A report far larger than the truth may lie on several; its centre is on one of them.
    """
    check_shape("detected_actors", "reported_xy_m", reported_xy_m, None, 2)
    if not len(truth) or not len(reported_xy_m):
        return frozenset()
    offset = reported_xy_m[None] - truth.center_m[:, None, :2]
    c, s = np.cos(truth.yaw_rad)[:, None], np.sin(truth.yaw_rad)[:, None]
    along = np.abs(c * offset[..., 0] + s * offset[..., 1])
    across = np.abs(-s * offset[..., 0] + c * offset[..., 1])
    half = 0.5 * truth.lwh_m[:, None, :2] + _BESIDE_M
    found = ((along < half[..., 0]) & (across < half[..., 1])).any(axis=1)
    return frozenset(int(i) for i in truth.detection_id[found])
