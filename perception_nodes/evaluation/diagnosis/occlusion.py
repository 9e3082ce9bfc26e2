"""How much of a box other true boxes hide from the ego, seen from above (ours: walls and trees are not known)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.evaluation.boxes import BoxFrame

F64 = npt.NDArray[np.float64]

_RAYS = 16


def hidden_share(frame: BoxFrame) -> F64:
    """(N,) share 0 ... 1 of the directions to each box in which a nearer box stands in the way; NaN: ego unknown.

    A box is in the way if its top is above the middle of the hidden one. Rays from the ego to points along the
    width that the box shows are cut with the footprints of the others. A box around the ego hides nothing.
    """
    n = len(frame)
    if frame.ego_xy_m is None:
        return np.full(n, np.nan)
    if n < 2:
        return np.zeros(n)
    targets = _silhouette(frame)  # (N, R, 2) relative to the ego
    first = _entry(frame, targets)  # (N, R, N) part of the ray at which each box begins, inf: not hit
    own = first[np.arange(n), :, np.arange(n)]
    own = np.where(np.isfinite(own), own, 1.0)
    low = frame.center_m[:, 2] - frame.lwh_m[:, 2] / 2
    tall = (low + frame.lwh_m[:, 2])[None] > frame.center_m[:, None, 2]
    tall |= ~np.isfinite(frame.center_m[:, None, 2]) | ~np.isfinite(low + frame.lwh_m[:, 2])[None]
    np.fill_diagonal(tall, False)
    blocked = (first < own[:, :, None]) & (first > 0) & tall[:, None, :]
    return np.asarray(blocked.any(axis=2).mean(axis=1))


def _silhouette(frame: BoxFrame) -> F64:
    """(N, R, 2) points across each box at right angles to the line of sight, from the ego, m."""
    assert frame.ego_xy_m is not None
    to_center = frame.center_m[:, :2] - frame.ego_xy_m
    distance = np.maximum(np.linalg.norm(to_center, axis=1, keepdims=True), 1e-6)
    across = np.stack([-to_center[:, 1], to_center[:, 0]], axis=1) / distance
    axis = np.stack([np.cos(frame.yaw_rad), np.sin(frame.yaw_rad)], axis=1)
    side = np.stack([-axis[:, 1], axis[:, 0]], axis=1)
    half = (
        np.abs((axis * across).sum(axis=1)) * frame.lwh_m[:, 0]
        + np.abs((side * across).sum(axis=1)) * frame.lwh_m[:, 1]
    ) / 2
    half = np.where(np.isfinite(half), half, 0.0)
    # Cell centres: a neighbour that only touches the edge does not count.
    steps = (np.arange(_RAYS) + 0.5) / _RAYS * 2 - 1
    return np.asarray(to_center[:, None] + steps[None, :, None] * (half[:, None] * across)[:, None])


def _entry(frame: BoxFrame, targets: F64) -> F64:
    """(N, R, M) where along each ray (0 ego, 1 target) box M begins, inf where it is missed; <= 0 around the ego."""
    assert frame.ego_xy_m is not None
    cos, sin = np.cos(frame.yaw_rad), np.sin(frame.yaw_rad)
    start = frame.ego_xy_m - frame.center_m[:, :2]
    near = np.full((*targets.shape[:2], len(frame)), -np.inf)
    far = np.full_like(near, np.inf)
    for (cx, cy), half in (((cos, sin), frame.lwh_m[:, 0] / 2), ((-sin, cos), frame.lwh_m[:, 1] / 2)):
        origin = start[:, 0] * cx + start[:, 1] * cy
        step = targets[..., :1] * cx + targets[..., 1:] * cy
        step = np.where(np.abs(step) < 1e-12, 1e-12, step)
        a, b = (-half - origin) / step, (half - origin) / step
        near = np.maximum(near, np.minimum(a, b))
        far = np.minimum(far, np.maximum(a, b))
    return np.where((near <= far) & (far > 0), near, np.inf)
