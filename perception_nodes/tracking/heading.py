"""Which way is forward: a box gives the heading up to half a turn, motion decides."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from perception_nodes.datatypes import Orientation

from .algebra import clip, wrap
from .axis import forget_yaw
from .compiled import compiled
from .store import VX, VY, YAW, label_of

_MEMORY = 0.98
_LIMIT = 8.0
_KNOWN = 1.5
_BACKS_UP_MPS = 4.0
_PER_FRAME = 0.5
_WALKER_LIMIT = 4.0
_DETECTOR_TRUST = 0.8
_AVAILABLE: Final = int(Orientation.AVAILABLE)
_SIGN_UNKNOWN: Final = int(Orientation.SIGN_UNKNOWN)
_UNAVAILABLE: Final = int(Orientation.UNAVAILABLE)


@compiled
def judge_heading(t: Any, m: Any, aligned: Any, c: Any) -> None:
    """Collect evidence for and against the heading of a track; turn it if it is wrong, in place."""
    # The others face where they go: `follow_motion`.
    evidence = _from_motion(t, c) if c.steered[label_of(t)] else 0.0
    if m.orientation == _AVAILABLE:
        evidence += _DETECTOR_TRUST if aligned.turns == 0 else -_DETECTOR_TRUST
    t.sign_belief = clip(t.sign_belief * _MEMORY + evidence, -_LIMIT, _LIMIT)
    if t.sign_belief < -c.heading_flip_belief:
        t.mean[YAW] = wrap(t.mean[YAW] + np.pi)
        t.static_mean[YAW] = wrap(t.static_mean[YAW] + np.pi)
        t.sign_belief = -t.sign_belief


@compiled
def _from_motion(t: Any, c: Any) -> float:
    mean, cov = t.mean, t.cov
    cos, sin = np.cos(mean[YAW]), np.sin(mean[YAW])
    forward = cos * mean[VX] + sin * mean[VY]
    std = np.sqrt(cos * cos * cov[VX, VX] + 2 * cos * sin * cov[VX, VY] + sin * sin * cov[VY, VY])
    clear = c.world_fixed and t.moving and abs(forward) > max(2 * std, c.moving_speed_mps)
    per_frame = 0.3 * np.log(c.forward_probability / (1 - c.forward_probability))
    # What backs up does so slowly.
    return per_frame * clip(forward / _BACKS_UP_MPS, -1.0, 1.0) if clear else 0.0


@compiled
def follow_motion(t: Any, c: Any) -> None:
    """Objects that are not steered (pedestrians) face where they go, once they clearly go somewhere; in place."""
    mean, cov = t.mean, t.cov
    speed = np.hypot(mean[VX], mean[VY])
    std = np.sqrt(0.5 * (cov[VX, VX] + cov[VY, VY]))
    goes = c.world_fixed and t.moving and speed > max(3 * std, 0.3)
    if not goes or c.steered[label_of(t)]:
        return
    off = wrap(np.arctan2(mean[VY], mean[VX]) - mean[YAW])
    back = abs(off) > np.pi / 2
    t.sign_belief = min(t.sign_belief + (-_PER_FRAME if back else _PER_FRAME), _WALKER_LIMIT)
    if back and t.sign_belief > -c.heading_flip_belief and t.sign_belief > _KNOWN - 2 * _PER_FRAME:
        # It has gone the other way for long: a noisy velocity, unless that stays so.
        return
    # Boxes of such objects have no front: begin with the half turn that is nearer to the course.
    half = np.pi if back else 0.0
    t.sign_belief = abs(t.sign_belief)
    mean[YAW] = wrap(mean[YAW] + half + 0.3 * wrap(off + half))
    # The yaw is now taken from the course, and stays so should it stop.
    forget_yaw(cov[:], (std / speed) ** 2 + 0.05**2)
    t.static_mean[YAW] = mean[YAW]
    forget_yaw(t.static_cov[:], cov[YAW, YAW])
    t.yaw_known = True


@compiled
def orientation(t: Any) -> int:
    """`Orientation` of a track."""
    if not t.yaw_known:
        return _UNAVAILABLE
    return _AVAILABLE if t.sign_belief > _KNOWN else _SIGN_UNKNOWN
