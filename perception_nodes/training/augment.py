"""Changes of a frame that leave its labels true: what real lidars, mounts and streets differ in from simulated ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import VEHICLES
from perception_nodes.detection.learned_points import NO_INTENSITY, PreparedPoints
from perception_nodes.geometry import wrap_angle

from .clutter import add_clutter, raise_ground
from .config import AugmentConfig
from .kernels import first_obstacles, in_shadow, is_hidden, owners
from .store import StoredFrame

Rng = np.random.Generator
F32 = npt.NDArray[np.float32]
# Draws an object: its points (M, 3), ranks (M,), rings (M,), box row (1,) and the sensor's position (3,), or None.
Donor = Callable[[int, Rng], "PastedObject | None"]
# No paste nearer than this to a box of the frame.
_GAP_M = 0.4


@dataclass(frozen=True, eq=False)
class PastedObject:
    """One object of another frame, base frame of that frame."""

    xyh_m: F32
    rank: F32
    ring: npt.NDArray[np.uint8]
    box: npt.NDArray[Any]
    origin_m: F32


def augment(frame: StoredFrame, config: AugmentConfig, rng: Rng, donor: Donor | None = None) -> StoredFrame:
    """A changed copy of the frame; the same generator state gives the same frame."""
    frame = paste_objects(frame, config.paste, donor, rng) if donor is not None and config.paste else frame
    frame = change_objects(frame, config, rng)
    frame = raise_ground(frame, config.mounds, rng) if config.mounds else frame
    frame = add_clutter(frame, config.clutter, rng) if config.clutter else frame
    frame = block_sector(frame, rng) if rng.random() < config.blocked else frame
    frame = drop_beams(frame, rng) if rng.random() < config.drop_beams else frame
    if rng.random() < config.drop_points:
        frame = keep_points(frame, rng.random(len(frame.points)) < rng.uniform(0.5, 1.0))
    frame = measure_worse(frame, config, rng)
    return move_all(bend_intensity(frame, config, rng), config, rng)


def paste_objects(frame: StoredFrame, most: int, donor: Donor, rng: Rng) -> StoredFrame:
    """Objects of other frames at their own distance from the sensor, in a new direction, where there is room."""
    nearest = first_obstacles(frame.points.xyh_m, frame.origin_m)
    for _ in range(rng.integers(0, most + 1)):
        thing = donor(frame.rig, rng)
        if thing is None:
            continue
        thing = _turned(thing, rng.uniform(-np.pi, np.pi), frame.origin_m)
        if _has_room(frame, thing) and not is_hidden(thing.xyh_m, frame.origin_m, nearest):
            frame = _with(frame, thing)
    return frame


def _turned(thing: PastedObject, angle_rad: float, origin_m: F32) -> PastedObject:
    """Turned about its sensor, so that the side that was seen stays the one that faces the sensor."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    turn = np.array([[c, s], [-s, c]], np.float32)
    xyh, box = thing.xyh_m.copy(), thing.box.copy()
    xyh[:, :2] = (xyh[:, :2] - thing.origin_m[:2]) @ turn + origin_m[:2]
    box["center_m"][:, :2] = (box["center_m"][:, :2] - thing.origin_m[:2]) @ turn + origin_m[:2]
    box["velocity_mps"] = box["velocity_mps"] @ turn
    box["yaw_rad"] = wrap_angle(box["yaw_rad"] + angle_rad)
    return replace(thing, xyh_m=xyh, box=box)


def _has_room(frame: StoredFrame, thing: PastedObject) -> bool:
    center, radius = thing.box["center_m"][0, :2], 0.5 * float(np.hypot(*thing.box["lwh_m"][0, :2]))
    apart = np.hypot(*(frame.boxes["center_m"][:, :2] - center).T)
    others = 0.5 * np.hypot(*frame.boxes["lwh_m"][:, :2].T)
    if (apart < radius + others + _GAP_M).any():
        return False
    inside = owners(
        frame.points.xyh_m, thing.box["center_m"], thing.box["lwh_m"], thing.box["yaw_rad"], _GAP_M
    )
    return not (frame.points.xyh_m[inside >= 0, 2] > 0.3).any()


def _with(frame: StoredFrame, thing: PastedObject) -> StoredFrame:
    inside = (
        owners(frame.points.xyh_m, thing.box["center_m"], thing.box["lwh_m"], thing.box["yaw_rad"], 0.0) >= 0
    )
    kept = keep_points(frame, ~(inside | in_shadow(frame.points.xyh_m, thing.xyh_m, frame.origin_m)))
    points = replace(
        kept.points,
        xyh_m=np.concatenate([kept.points.xyh_m, thing.xyh_m]),
        rank=np.concatenate([kept.points.rank, thing.rank]),
        source=np.zeros(len(kept.points) + len(thing.rank), np.uint8),
    )
    ring = np.concatenate([kept.ring, thing.ring])
    return replace(kept, points=points, ring=ring, boxes=np.concatenate([kept.boxes, thing.box]))


def change_objects(frame: StoredFrame, config: AugmentConfig, rng: Rng) -> StoredFrame:
    """Some objects are stretched along their own axes: real ones have other sizes than the simulator's models."""
    boxes = frame.boxes.copy()
    n = len(boxes)
    limit = np.where(np.isin(boxes["label"], list(VEHICLES)), 1.0, 0.6)[:, None] * config.object_scale
    factor = 1.0 + limit * rng.uniform(-1, 1, (n, 3)) * (rng.random(n) < config.object_share)[:, None]
    owner = owners(frame.points.xyh_m, boxes["center_m"], boxes["lwh_m"], boxes["yaw_rad"], 0.1)
    rows = np.flatnonzero(owner >= 0)
    of = owner[rows]
    xyh = frame.points.xyh_m.copy()
    c, s = np.cos(boxes["yaw_rad"])[of], np.sin(boxes["yaw_rad"])[of]
    offset = xyh[rows, :2] - boxes["center_m"][of, :2]
    u, v = offset[:, 0] * c + offset[:, 1] * s, offset[:, 1] * c - offset[:, 0] * s
    u, v = u * factor[of, 0], v * factor[of, 1]
    xyh[rows, 0] = boxes["center_m"][of, 0] + u * c - v * s
    xyh[rows, 1] = boxes["center_m"][of, 1] + u * s + v * c
    xyh[rows, 2] *= factor[of, 2]
    boxes["lwh_m"] *= factor
    boxes["center_m"][:, 2] *= factor[:, 2]
    return replace(frame, points=replace(frame.points, xyh_m=xyh), boxes=boxes)


def drop_beams(frame: StoredFrame, rng: Rng) -> StoredFrame:
    """Every second or third beam, or each with the same chance."""
    way = rng.integers(0, 4)
    if way < 2:
        step = 2 + int(way)
        keep = frame.ring % step == rng.integers(0, step)
    else:
        keep = (rng.random(256) < rng.uniform(0.4, 1.0))[frame.ring]
    return keep_points(frame, keep)


def block_sector(frame: StoredFrame, rng: Rng) -> StoredFrame:
    """Nothing is seen in some directions: mounts, dirt, lidars that look ahead only."""
    step = frame.points.xyh_m[:, :2] - frame.origin_m[:2]
    away = np.abs(wrap_angle(np.arctan2(step[:, 1], step[:, 0]) - rng.uniform(-np.pi, np.pi)))
    return keep_points(frame, away > 0.5 * rng.uniform(0.1, 4.2))


def measure_worse(frame: StoredFrame, config: AugmentConfig, rng: Rng) -> StoredFrame:
    """Range noise along the rays; an error of the ground's height and slope."""
    xyh = frame.points.xyh_m.copy()
    offset = xyh[:, :2] - frame.origin_m[:2]
    reach = np.hypot(*offset.T)
    noise = rng.normal(0.0, rng.uniform(0.0, config.range_std_m) + 1e-9, len(xyh))
    xyh[:, :2] += offset * (noise / np.maximum(reach, 1.0))[:, None].astype(np.float32)
    slope = rng.normal(0.0, config.tilt_rad, 2)
    lift = xyh[:, :2] @ slope + rng.normal(0.0, config.height_m)
    xyh[:, 2] += np.clip(lift, -0.3, 0.3) + rng.normal(0.0, 0.01, len(xyh))
    return replace(frame, points=replace(frame.points, xyh_m=xyh))


def bend_intensity(frame: StoredFrame, config: AugmentConfig, rng: Rng) -> StoredFrame:
    """No intensity at all, or its ranks bent and noisy; else as it is."""
    rank = frame.points.rank
    chance = rng.random()
    if chance < config.no_intensity:
        rank = np.full(len(rank), NO_INTENSITY, np.float32)
    elif chance < config.no_intensity + config.scramble:
        bent = rank ** np.float32(np.exp(rng.normal(0.0, 0.5)))
        noise = rng.normal(0.0, rng.uniform(0.0, 0.25), len(rank))
        rank = np.clip(bent + noise, 0.0, 1.0).astype(np.float32)
    return replace(frame, points=replace(frame.points, rank=rank))


def move_all(frame: StoredFrame, config: AugmentConfig, rng: Rng) -> StoredFrame:
    """Mirror, turn, scale and shift the whole frame, the sensor with it."""
    mirror = np.where(rng.random(2) < config.flip, -1.0, 1.0)
    angle = rng.uniform(-config.turn_rad, config.turn_rad)
    scale = 1.0 + rng.uniform(-config.scale, config.scale)
    shift = rng.uniform(-config.shift_m, config.shift_m, 2)
    c, s = np.cos(angle), np.sin(angle)
    plane = np.diag(mirror) @ np.array([[c, s], [-s, c]])

    def moved(xyz: Any) -> F32:
        return np.concatenate([xyz[:, :2] @ (scale * plane) + shift, scale * xyz[:, 2:]], axis=1).astype(
            np.float32
        )

    boxes = frame.boxes.copy()
    boxes["center_m"], boxes["lwh_m"] = moved(boxes["center_m"]), boxes["lwh_m"] * scale
    boxes["velocity_mps"] = boxes["velocity_mps"] @ plane
    front = np.stack([np.cos(boxes["yaw_rad"]), np.sin(boxes["yaw_rad"])], axis=1) @ plane
    boxes["yaw_rad"] = np.arctan2(front[:, 1], front[:, 0])
    origin = moved(frame.origin_m[None])[0]
    points: PreparedPoints = replace(
        frame.points, xyh_m=moved(frame.points.xyh_m), origins_m=origin[None, :2].astype(np.float64)
    )
    return replace(frame, points=points, boxes=boxes, origin_m=origin)


def keep_points(frame: StoredFrame, mask: npt.NDArray[np.bool_]) -> StoredFrame:
    """The frame with the points of a mask (N,) only."""
    p = frame.points
    points = replace(p, xyh_m=p.xyh_m[mask], rank=p.rank[mask], source=p.source[mask])
    return replace(frame, points=points, ring=frame.ring[mask])
