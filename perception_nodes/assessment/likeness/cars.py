"""What pulses at cars come to, and where on the body points lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from .curves import FACES, Tally
from .rays import Fired, Met, in_box_frame, meet, towards, unit
from .views import F64, I64, Mask, View

# Without the lowest part of boxes: what lies there may be the road.
BOTTOM_M: Final = 0.25
# Ranges so near to a box are counted into it: boxes fit no better.
_MARGIN_M: Final = 0.1
_FEWEST: Final = 12
_HIDDEN: Final = 0.1
_FACE_M: Final = 0.3
# Strata within which real and simulated cars are alike: edges of range and of the angle of view in degrees.
_STRATUM_RANGE_M: Final = (10.0, 16.0, 24.0, 36.0)
_STRATUM_VIEW: Final = (20.0, 50.0)
_STRATA: Final = (len(_STRATUM_RANGE_M) + 1) * (len(_STRATUM_VIEW) + 1)
_FEWEST_ALIKE: Final = 3
# Fewer points say little about where points lie; each car counts once, else the nearest would be all that counts.
_FEWEST_POINTS: Final = 20
# Sweeps that are cut to a camera's view: only cars that are well inside of it count.
_CUT_RAD: Final = float(np.deg2rad(36.0))
_CUT_NEAR_M: Final = 10.0


@dataclass(frozen=True, eq=False)
class OpenCar:
    """A car with nothing before it: in which stratum of range and view it is, and what was counted on it."""

    stratum: int
    counts: Tally


def open_cars(view: View, fired: Fired) -> list[OpenCar]:
    """Every car that is in the open: at most a tenth of the pulses at it end before it."""
    direction = unit(view)
    out = []
    for k in range(len(view.cars)):
        if not view.full and not _well_inside(view, k):
            continue
        aimed = meet(fired.direction, towards(fired.azimuth_rad, view.cars, k, True), view.cars, k, BOTTOM_M)
        if len(aimed.index) < _FEWEST:
            continue
        came = meet(direction, towards(view.azimuth_rad, view.cars, k, False), view.cars, k, BOTTOM_M)
        range_m = view.range_m[came.index]
        before = range_m < came.into_m - _MARGIN_M
        if before.sum() > _HIDDEN * len(aimed.index):
            continue
        inside = ~before & (range_m <= came.out_m + _MARGIN_M)
        counts = Tally(view.stamp_ns, view.scene)
        _count_pulses(view, k, (aimed, came), (before, inside), counts)
        _count_places(view, k, came.index[inside], counts)
        out.append(OpenCar(_stratum(view, k), counts))
    return out


def match_cars(real: list[list[OpenCar]], simulated: list[list[OpenCar]]) -> tuple[F64, F64]:
    """(strata,) weights of real and of simulated cars that make both alike in range and view.

    Simulated cars get the shares of the real ones; a stratum that one side lacks counts on neither.
    """
    here, there = (
        np.bincount([c.stratum for frame in side for c in frame], minlength=_STRATA)
        for side in (real, simulated)
    )
    both = (here > 0) & (there >= _FEWEST_ALIKE)
    return both.astype(np.float64), np.where(both, here / np.maximum(there, 1), 0.0)


def add_cars(cars: list[OpenCar], weights: F64, tally: Tally) -> None:
    """The counts of a frame's cars by the weights of their strata."""
    for car in cars:
        weight = weights[car.stratum]
        for key, above in car.counts.above.items():
            tally.add(key, weight * above, weight * car.counts.below[key])


def _stratum(view: View, k: int) -> int:
    distance = float(np.linalg.norm(view.cars.center_m[k]))
    near = int(np.searchsorted(_STRATUM_RANGE_M, distance))
    return near * (len(_STRATUM_VIEW) + 1) + int(np.searchsorted(_STRATUM_VIEW, _view_degrees(view, k)))


def _view_degrees(view: View, k: int) -> float:
    """Between the line of sight and the car's axis, 0 to 90."""
    center = view.cars.center_m[k]
    sight = np.arctan2(center[1], center[0]) - view.cars.yaw_rad[k]
    return float(np.degrees(np.arccos(min(1.0, abs(np.cos(sight))))))


def _well_inside(view: View, k: int) -> bool:
    x, y = view.cars.center_m[k, :2]
    margin = np.hypot(*view.cars.lwh_m[k, :2]) / 2 / max(np.hypot(x, y), 1.0)
    return bool(np.hypot(x, y) > _CUT_NEAR_M and abs(np.arctan2(y, x)) + margin < _CUT_RAD)


def _count_pulses(
    view: View, k: int, pulses: tuple[Met, Met], split: tuple[Mask, Mask], tally: Tally
) -> None:
    aimed, came = pulses
    before, inside = split
    behind = ~before & ~inside
    center = view.cars.center_m[k]
    distance = np.array([np.linalg.norm(center)])
    free = float(max(len(aimed.index) - before.sum(), 1))
    hits, through = float(inside.sum()), float(behind.sum())
    lost = max(0.0, free - hits - through)
    tally.means("car_points", distance, np.array([hits]))
    for key, count in (("car_returned", hits), ("car_through", through), ("car_lost", lost)):
        tally.means(key, distance, np.array([min(count, free)]), free)
    angle = np.array([_view_degrees(view, k)])
    tally.means("car_by_angle", angle, np.array([min(hits, free)]), free)
    # Heights of all pulses count as evidence; those that end before the car are few and taken off evenly.
    share = free / len(aimed.index)
    tally.means("car_by_height", aimed.height, np.zeros(len(aimed.index)), share)
    tally.means("car_by_height", came.height[inside], np.ones(int(hits)), 0.0)


def _count_places(view: View, k: int, index: I64, tally: Tally) -> None:
    if len(index) < _FEWEST_POINTS:
        return
    lwh = view.cars.lwh_m[k]
    at = in_box_frame(view.xyz_m[index], view.cars, k)
    towards_us = np.sign(in_box_frame(np.zeros((1, 3)), view.cars, k)[0])
    u, v = (at[:, i] * (towards_us[i] or 1.0) / lwh[i] for i in (0, 1))
    w = at[:, 2] / lwh[2] + 0.5
    one = Tally(tally.stamp_ns, tally.scene)
    for key, values in (("box_length", u), ("box_width", v)):
        one.histogram(key, np.clip(values, -0.5, 0.5))
    one.histogram("box_height", w)
    one.histogram("level_car", view.intensity[index])
    gap = np.stack(
        [(0.5 - u) * lwh[0], (0.5 - v) * lwh[1], (1 - w) * lwh[2], (0.5 + u) * lwh[0], (0.5 + v) * lwh[1]],
        axis=1,
    )
    nearest = np.argmin(gap, axis=1)
    nearest[gap.min(axis=1) > _FACE_M] = FACES.index("inside")
    one.binned("box_face", nearest)
    for key, above in one.above.items():
        total = max(above.sum(), 1.0)
        tally.add(key, above / total, np.ones(len(above)))
