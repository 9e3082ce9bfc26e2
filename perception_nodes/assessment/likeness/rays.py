"""Pulses against the boxes of cars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .views import F64, Boxes, Setup, View

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Fired:
    """All pulses of a sweep: direction (N, 3), azimuth (N,), sorted by azimuth."""

    direction: F64
    azimuth_rad: F64

    @classmethod
    def of(cls, setup: Setup) -> Fired:
        """From the beam table."""
        direction = setup.spec.directions().reshape(-1, 3)
        azimuth = np.arctan2(direction[:, 1], direction[:, 0])
        order = np.argsort(azimuth, kind="stable")
        return cls(direction[order], azimuth[order])


@dataclass(frozen=True, eq=False)
class Met:
    """Where rays meet a box: index (M,) of the ray, into and out of the box (M,) m along it, height (M,) over the
    bottom where it enters, as a share of the box's height.
    """

    index: npt.NDArray[np.int64]
    into_m: F64
    out_m: F64
    height: F64


def in_box_frame(xyz_m: F64, boxes: Boxes, k: int) -> F64:
    """Points (N, 3) relative to the centre of box k, along its length, width, height."""
    c, s = np.cos(boxes.yaw_rad[k]), np.sin(boxes.yaw_rad[k])
    d = xyz_m - boxes.center_m[k]
    return np.stack([c * d[:, 0] + s * d[:, 1], -s * d[:, 0] + c * d[:, 1], d[:, 2]], axis=1)


def meet(direction: F64, index: npt.NDArray[np.int64], boxes: Boxes, k: int, bottom_m: float) -> Met:
    """Rays (of `index`) from the lidar that meet box k without its lowest `bottom_m`."""
    half = boxes.lwh_m[k] / 2
    low, high = -half + [0, 0, bottom_m], half
    start = in_box_frame(np.zeros((1, 3)), boxes, k)[0]
    c, s = np.cos(boxes.yaw_rad[k]), np.sin(boxes.yaw_rad[k])
    d = direction[index]
    along = np.stack([c * d[:, 0] + s * d[:, 1], -s * d[:, 0] + c * d[:, 1], d[:, 2]], axis=1)
    along = np.where(np.abs(along) < 1e-12, 1e-12, along)
    one, two = (low - start) / along, (high - start) / along
    into = np.minimum(one, two).max(axis=1)
    out = np.maximum(one, two).min(axis=1)
    hit = (into < out) & (into > 0)
    height = (start[2] + into[hit] * along[hit, 2] + half[2]) / (2 * half[2])
    return Met(index[hit], into[hit], out[hit], height)


def towards(azimuth_rad: F64, boxes: Boxes, k: int, ordered: bool) -> npt.NDArray[np.int64]:
    """Indices of azimuths (N,) that may meet box k. ordered: they are sorted."""
    x, y = boxes.center_m[k, :2]
    distance = float(np.hypot(x, y))
    radius = float(np.hypot(*boxes.lwh_m[k, :2])) / 2
    if distance <= radius:
        return np.arange(len(azimuth_rad))
    middle, half = float(np.arctan2(y, x)), float(np.arcsin(radius / distance))
    low, high = middle - half, middle + half
    if ordered and -np.pi < low and high < np.pi:
        first, last = np.searchsorted(azimuth_rad, [low, high])
        return np.arange(first, last)
    away = np.abs((azimuth_rad - middle + np.pi) % (2 * np.pi) - np.pi)
    return np.flatnonzero(away <= half)


def unit(view: View) -> F64:
    """(N, 3) direction of each point."""
    return np.asarray(view.xyz_m / view.range_m[:, None])
