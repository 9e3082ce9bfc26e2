"""Extents seen through partial views: alignment with the track's axes, anchoring at the seen side, size filter."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .algebra import wrap
from .compiled import compiled


class Aligned(NamedTuple):
    """A measured box described in the axes of a track.

    yaw: the measured yaw turned by half (or quarter) turns to the one nearest to the track's; residual: yaw minus the
    track's; turns: by how many quarter turns (0..3); size, size_var, face, sided: along and across `yaw`.
    """

    yaw: float
    residual: float
    turns: int
    size: tuple[float, float]
    size_var: tuple[float, float]
    face: tuple[float, float]
    sided: tuple[float, float]


class Placed(NamedTuple):
    """Where a box is: its centre (x, y) and its covariance (xx, xy, yy)."""

    x: float
    y: float
    cov: tuple[float, float, float]


@compiled
def align(m: Any, track_yaw: float) -> Aligned:
    """The measurement as seen by a track of this yaw.

    A box whose direction is known up to its sign only is also allowed to be turned by 90 degrees: of a car seen
    from behind the longest side is its width.
    """
    difference = track_yaw - m.pose[2]
    quarter_turns = int(np.rint(difference / (np.pi / 2)))
    half_turns = 2 * int(np.rint(difference / np.pi))
    turns = (quarter_turns if m.free else half_turns) % 4
    yaw = wrap(m.pose[2] + turns * np.pi / 2)
    sign_l = -1.0 if turns >= 2 else 1.0
    sign_w = -1.0 if turns in (1, 2) else 1.0
    a, b = (1, 0) if turns % 2 == 1 else (0, 1)
    return Aligned(
        yaw,
        wrap(yaw - track_yaw),
        turns,
        (m.lwh_m[a], m.lwh_m[b]),
        (m.size_var[a], m.size_var[b]),
        (m.face[a] * sign_l, m.face[b] * sign_w),
        (m.sided[a], m.sided[b]),
    )


@compiled
def anchored(m: Any, aligned: Any, length_m: float, width_m: float) -> Placed:
    """The centre of a box of this length and width that shares the seen sides with the measured box.

    Where a side is seen, the error of the measured centre is mostly that of the measured extent, which anchoring
    takes away, but not below the lesser std of the centre's two axes: what both have is the noise of the points, what
    one has beyond the other comes from guessing at its extent. Along an axis of which no side is seen the box may
    slide inside the larger one. A detector that states how centre and extent err together is believed (`sided`).
    """
    c, s = np.cos(aligned.yaw), np.sin(aligned.yaw)
    lack_l, lack_w = length_m - aligned.size[0], width_m - aligned.size[1]
    shift_l, shift_w = -0.5 * aligned.face[0] * lack_l, -0.5 * aligned.face[1] * lack_w
    x = m.pose[0] + (shift_l * c - shift_w * s)
    y = m.pose[1] + (shift_l * s + shift_w * c)
    xx, xy, yy = m.pose_cov[0, 0], m.pose_cov[0, 1], m.pose_cov[1, 1]
    own_l = c * c * xx + 2 * c * s * xy + s * s * yy
    own_w = s * s * xx - 2 * c * s * xy + c * c * yy
    between = c * s * (yy - xx) + (c * c - s * s) * xy
    better = m.side_share * np.sqrt(min(own_l, own_w))
    scale_l = _side_share(np.sqrt(own_l), aligned.face[0], aligned.size_var[0], better)
    scale_w = _side_share(np.sqrt(own_w), aligned.face[1], aligned.size_var[1], better)
    own_l = own_l * scale_l * scale_l + ((aligned.sided[0] - abs(aligned.face[0])) * abs(lack_l) / 2) ** 2 / 3
    own_w = own_w * scale_w * scale_w + ((aligned.sided[1] - abs(aligned.face[1])) * abs(lack_w) / 2) ** 2 / 3
    between = between * scale_l * scale_w
    return Placed(
        x,
        y,
        (
            c * c * own_l - 2 * c * s * between + s * s * own_w,
            c * s * (own_l - own_w) + (c * c - s * s) * between,
            s * s * own_l + 2 * c * s * between + c * c * own_w,
        ),
    )


@compiled
def _side_share(std: float, face: float, size_var: float, better: float) -> float:
    """Std of the seen side over the std of the centre.

    better: no side is known better than that.
    """
    return float(max(std - abs(face) * np.sqrt(size_var) / 2, better) / std)


@compiled
def filter_size(mean: float, var: float, measured: float, noise: float, c: Any) -> Any:
    """Posterior and variance of one side of the box.

    A box smaller than the estimate is most likely a partial view, a larger one may be two objects in one cluster:
    both are distrusted in proportion to the difference, the smaller one more.
    """
    e = measured - mean
    caution = c.shrink_caution if e < 0 else c.grow_caution
    gain = var / (var + noise + (caution * e) ** 2)
    return mean + gain * e, max((1 - gain) * var, 0.02**2)
