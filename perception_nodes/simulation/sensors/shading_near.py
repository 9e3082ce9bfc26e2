"""What moving things do to what is around them: shade on the ground below, light of their head lamps, brake lights."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.datatypes import LABEL_INDEX

from .moment import Moment
from .shading_lit import beam
from .shading_noise import lot
from .shading_place import lit_lamps

F64 = npt.NDArray[np.float64]

_CELLS: Final = 448
_CELL_M: Final = 0.25
_BRAKING_MPS2: Final = -0.8
_LIT_M: Final = 45.0
_VEHICLES: Final = [LABEL_INDEX[n] for n in ("car", "truck", "bus", "motorcycle", "construction_vehicle")]
# Two lamps of the own vehicle: base_link.
_OWN_LAMPS_M: Final = np.array([[3.6, 0.65, 0.65], [3.6, -0.65, 0.65]])


class Near(NamedTuple):
    """low (2,) m, odom, and cell m of pictures (W, H) of the ground: share of the sky's light that gets there, light of
    head lamps; lamps (2, 3) of the own vehicle, odom, and where it looks (2,).
    """

    low: F64
    cell: float
    shade: npt.NDArray[np.float32]
    glow: npt.NDArray[np.float32]
    lamps: F64
    heading: F64


class Actors(NamedTuple):
    """Of A actors: tint of clothes (A, 3), heading (A, 2), braking (A,); and lit: lamps of signals, by code."""

    tint: F64
    heading: F64
    braking: npt.NDArray[np.uint8]
    lit: npt.NDArray[np.uint8]


@lru_cache(maxsize=2)
def near_of(moment: Moment) -> Near:
    """Around the vehicle at the end of the moment; the cameras of a rig share it."""
    ego = moment.ego[1].pose
    low = np.floor(np.asarray(ego[:2]) / _CELL_M) * _CELL_M - _CELLS * _CELL_M / 2
    shade = np.ones((_CELLS, _CELLS), np.float32)
    glow = np.zeros_like(shade)
    states = moment.span[1]
    lwh = np.array([a.lwh_m for a in moment.assets]).reshape(-1, 3)[states.asset]
    here = np.flatnonzero(states.present & (np.abs(states.pose[:, :2] - low - 56.0) < 60.0).all(axis=1))
    _shade(states.pose[here], lwh[here], low, shade)
    own = np.array([[ego[0] + 1.4 * np.cos(ego[3]), ego[1] + 1.4 * np.sin(ego[3]), ego[2], ego[3], 0.0, 0.0]])
    _shade(own, np.array([[4.6, 1.9, 1.6]]), low, shade)
    if moment.weather.night:
        label = np.array([LABEL_INDEX[a.label] for a in moment.assets], np.int64)[states.asset[here]]
        driven = here[np.isin(label, _VEHICLES) & (np.hypot(*states.velocity_mps[here].T) > 0.1)]
        _light(states.pose[driven], lwh[driven], low, glow)
    transform = moment.odom_from_base()
    heading = transform.rotation[:2, 0] / np.hypot(*transform.rotation[:2, 0])
    return Near(low, _CELL_M, shade, glow, transform.apply(_OWN_LAMPS_M), heading)


@lru_cache(maxsize=2)
def actors_of(moment: Moment) -> Actors:
    """Their looks that hang on the moment."""
    before, after = moment.span
    yaw = after.pose[:, 3]
    heading = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    change = np.einsum("ij,ij->i", after.velocity_mps - before.velocity_mps, heading)
    braking = change / max(moment.end_s - moment.start_s, 1e-3) < _BRAKING_MPS2
    return Actors(_tints(after.id), heading, braking.astype(np.uint8), lit_lamps(moment.world, moment.end_s))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _tints(ids: Any) -> Any:
    """(A, 3) what the colour of clothes is to be taken by."""
    out = np.empty((len(ids), 3))
    for k in range(len(ids)):
        for c in range(3):
            out[k, c] = 0.45 + 1.1 * lot(ids[k], c, 51)
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _shade(pose: Any, lwh: Any, low: Any, shade: Any) -> None:
    """Dark below a box, fading beside it over a part of its height."""
    for k in range(len(pose)):
        c, s = np.cos(pose[k, 3]), np.sin(pose[k, 3])
        half, wide, reach = lwh[k, 0] / 2, lwh[k, 1] / 2, min(1.2, 0.5 * lwh[k, 2])
        strength = 0.75 * min(1.0, min(half, wide) / 0.6)
        around = np.sqrt(half**2 + wide**2) + reach
        i0, j0 = int((pose[k, 0] - around - low[0]) / _CELL_M), int((pose[k, 1] - around - low[1]) / _CELL_M)
        n = int(2 * around / _CELL_M) + 2
        for i in range(max(0, i0), min(shade.shape[0], i0 + n)):
            for j in range(max(0, j0), min(shade.shape[1], j0 + n)):
                x = low[0] + (i + 0.5) * _CELL_M - pose[k, 0]
                y = low[1] + (j + 0.5) * _CELL_M - pose[k, 1]
                out_x = max(0.0, abs(c * x + s * y) - half + 0.15)
                out_y = max(0.0, abs(c * y - s * x) - wide + 0.15)
                away = np.sqrt(out_x**2 + out_y**2)
                if away < reach:
                    shade[i, j] *= 1.0 - strength * (1.0 - away / reach) ** 2


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _light(pose: Any, lwh: Any, low: Any, glow: Any) -> None:
    """Light of the two head lamps of each vehicle on the ground ahead of it, which is taken as level."""
    lamp_m = 0.7
    for k in range(len(pose)):
        c, s = np.cos(pose[k, 3]), np.sin(pose[k, 3])
        fx, fy = pose[k, 0] + 0.5 * lwh[k, 0] * c, pose[k, 1] + 0.5 * lwh[k, 0] * s
        mx, my = fx + 0.5 * _LIT_M * c, fy + 0.5 * _LIT_M * s
        i0, j0 = int((mx - 0.6 * _LIT_M - low[0]) / _CELL_M), int((my - 0.6 * _LIT_M - low[1]) / _CELL_M)
        n = int(1.2 * _LIT_M / _CELL_M)
        for i in range(max(0, i0), min(glow.shape[0], i0 + n)):
            for j in range(max(0, j0), min(glow.shape[1], j0 + n)):
                x, y = low[0] + (i + 0.5) * _CELL_M - fx, low[1] + (j + 0.5) * _CELL_M - fy
                ahead, left = c * x + s * y, c * y - s * x
                if ahead > 0.3 and abs(left) < ahead:
                    away = np.sqrt(ahead**2 + left**2 + lamp_m**2)
                    glow[i, j] += 2.0 * beam(ahead, left, -lamp_m) * lamp_m / away
