"""Which way is the long side: a belief over directions modulo half a turn, so that one bad fit turns nothing.

The belief is over offsets from the yaw of the filter, so that it turns with the object. A partial view may show only
the short side of a vehicle, and the fitted box is then off by 90 degrees, or by any angle where two objects touch.
The extended Kalman filter follows one mode; this grid remembers all of them, and tells the filter to change the mode
once the evidence for another outweighs it clearly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .algebra import clip, largest, wrap
from .compiled import compiled
from .store import AXIS_BINS, VX, VY, YAW, label_of, pose_of

_STEP_RAD = np.pi / AXIS_BINS
_MEMORY = 0.97
_NEAR_RAD = np.deg2rad(20.0)
_NEAR_BINS = 2
_OUTLIER = 0.15
_CLEARLY = 4.0
_SHARPNESS = 8.0


@compiled
def vote(m: Any, yaw_rad: float, belief: Any) -> None:
    """Add the log likelihood of each offset of the true direction from the track's yaw to the belief (18,).

    Mostly the box's own direction, partly the one across it, some of any.
    """
    if m.orientation == 0:
        return
    elongation = m.lwh_m[0] - m.lwh_m[1]
    trust = clip((elongation - 0.5 * np.sqrt(m.size_var[0])) / 1.5, 0.0, 1.0)
    share = 0.5 + 0.4 * trust
    for k in range(AXIS_BINS):
        cos = np.cos(2 * (k * _STEP_RAD - (m.pose[2] - yaw_rad)))
        own, across = np.exp(_SHARPNESS * (cos - 1)), np.exp(_SHARPNESS * (-cos - 1))
        belief[k] += np.log(share * own + (1 - share) * across + _OUTLIER)


@compiled
def judge_axis(t: Any, m: Any, c: Any) -> bool:
    """Update the belief of the track; turn its yaw if its direction is clearly another one.

    Returns whether it has been turned. Only steered classes are; a half turn is not looked at here.
    """
    yaw = pose_of(t)[2]
    belief = t.axis_log[:]
    for k in range(AXIS_BINS):
        belief[k] *= _MEMORY
    vote(m, yaw, belief)
    _follow_course(t, yaw, c, belief)
    best = largest(belief)
    top = belief[best]
    for k in range(AXIS_BINS):
        belief[k] -= top
    clearly = _mass(belief, best) > _CLEARLY * _mass(belief, 0)
    if not (c.steered[label_of(t)] and clearly and _NEAR_BINS < best < AXIS_BINS - _NEAR_BINS):
        return False
    offset = (best if best <= AXIS_BINS // 2 else best - AXIS_BINS) * _STEP_RAD
    before = belief.copy()
    for k in range(AXIS_BINS):
        belief[k] = before[(k + best) % AXIS_BINS]
    t.mean[YAW] = t.static_mean[2] = wrap(yaw + offset)
    forget_yaw(t.cov[:], _NEAR_RAD**2)
    forget_yaw(t.static_cov[:], _NEAR_RAD**2)
    return True


@compiled
def forget_yaw(cov: Any, var: float) -> None:
    """The yaw comes from elsewhere: its variance is this, its old correlations no longer hold; in place."""
    for k in range(len(cov)):
        cov[YAW, k] = cov[k, YAW] = 0.0
    cov[YAW, YAW] = var


@compiled
def _follow_course(t: Any, yaw: float, c: Any, belief: Any) -> None:
    speed = np.hypot(t.mean[VX], t.mean[VY])
    if c.world_fixed and t.moving and speed > 4 * c.moving_speed_mps:
        course = np.arctan2(t.mean[VY], t.mean[VX]) - yaw
        for k in range(AXIS_BINS):
            belief[k] += 0.5 * np.cos(2 * (k * _STEP_RAD - course))


@compiled
def _mass(belief: Any, at: int) -> float:
    """Belief within 20 degrees of a direction."""
    total = 0.0
    for k in range(at - 2, at + 3):
        total += np.exp(belief[k % AXIS_BINS])
    return total
