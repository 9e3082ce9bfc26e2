"""Share of returns, gaps, intensities, the ground's spread, range noise and what stands about."""

from __future__ import annotations

from typing import Final

import numpy as np

from .curves import BY_KEY, Tally
from .rays import in_box_frame
from .views import F64, I64, Kind, Mask, Setup, View

_SECTORS: Final = 72
# Pulses between two returns that may be missing for it to be a gap of one surface.
_GAP: Final = 5
_CORRIDOR_M: Final = 2.5
_PLANE_CELL_M: Final = 2.0
_PLANE_POINTS: Final = 12
_PLANE_CLIP_M: Final = 0.15
# Neighbours of one surface: their ranges differ by no more than this and this share of the range.
_STEP_M: Final = 0.1
_STEP: Final = 0.03
_KINDS: Final = (
    (Kind.ROAD, "level_road"),
    (Kind.PAINT, "level_paint"),
    (Kind.BUILDING, "level_building"),
    (Kind.VEGETATION, "level_vegetation"),
)


def ring_sectors(view: View, rings: int) -> I64:
    """(rings, sectors of 5 degrees) number of returns."""
    sector = ((view.azimuth_rad + np.pi) / (2 * np.pi) * _SECTORS).astype(np.int64) % _SECTORS
    counts = np.bincount(view.ring * _SECTORS + sector, minlength=rings * _SECTORS)
    return np.asarray(counts.reshape(rings, _SECTORS))


def blocked_cells(views: list[View], setup: Setup) -> Mask:
    """(rings, sectors) where the vehicle itself is in the way: no sweep has a return below -8 degrees of elevation."""
    full = [ring_sectors(v, setup.spec.rings) for v in views if v.full]
    low = np.asarray(setup.spec.elevation_deg) < -8.0
    fired = setup.spec.columns / _SECTORS
    seen = np.max(full, axis=0) if full else np.zeros((setup.spec.rings, _SECTORS))
    return np.asarray(low[:, None] & (seen < 0.2 * fired))


def count_returns(view: View, setup: Setup, blocked: Mask, tally: Tally) -> None:
    """Of the pulses that are fired past the vehicle itself, how many return, by elevation and by cell."""
    if not view.full:
        return
    came = ring_sectors(view, setup.spec.rings)
    # Spinning lidars fire at a steady rate and turn at a less steady one: the fullest ring tells how often.
    fired = min(int(came.sum(axis=1).max()), setup.spec.columns) / _SECTORS
    came = np.minimum(came, np.ceil(fired))
    free = ~blocked
    elevation = np.broadcast_to(np.asarray(setup.spec.elevation_deg)[:, None], free.shape)[free]
    tally.means("returned", elevation, came[free].astype(np.float64), fired)
    tally.histogram("cells", np.minimum(came[free] / fired, 1.0))


def count_gaps(view: View, setup: Setup, tally: Tally) -> None:
    """Pulses that are lost between two returns of one surface."""
    same_ring = view.ring[1:] == view.ring[:-1]
    # A quarter of a step off: the azimuths of encoders jitter, and two steps must not be taken for three.
    steps = np.diff(view.azimuth_rad) / setup.step_rad
    missing = np.maximum(np.round(steps - 0.25) - 1, 0)
    one, two = view.range_m[:-1], view.range_m[1:]
    near = np.minimum(one, two)
    good = same_ring & (missing <= _GAP) & (np.abs(one - two) < _STEP_M + _STEP * near)
    ground = view.ground[:-1] & view.ground[1:]
    for key, part in (("gaps_ground", good & ground), ("gaps_other", good & ~ground)):
        tally.means(key, near[part], missing[part], missing[part] + 1)


def count_levels(view: View, tally: Tally) -> None:
    """Intensities by class; without classes the road is the ground of the lane ahead and behind."""
    if view.kind is None:
        road = view.ground & (np.abs(view.xyz_m[:, 1]) < _CORRIDOR_M)
        tally.histogram("level_road", view.intensity[road])
    else:
        road = view.kind == Kind.ROAD
        for kind, key in _KINDS:
            tally.histogram(key, view.intensity[view.kind == kind])
    tally.means("level_road_range", view.range_m[road], view.intensity[road])


def count_ground(view: View, tally: Tally) -> None:
    """Squares of the residuals of ground returns about planes through cells of 2 m."""
    limit = BY_KEY["ground_spread"].edges[-1]
    use = np.flatnonzero(view.ground & (view.range_m < limit))
    xyz = view.xyz_m[use]
    residual = plane_residuals(xyz, np.ones(len(xyz), bool))
    residual = plane_residuals(xyz, np.abs(residual) < _PLANE_CLIP_M)
    known = np.abs(residual) < _PLANE_CLIP_M
    tally.means("ground_spread", view.range_m[use][known], residual[known] ** 2)


def plane_residuals(xyz_m: F64, use: Mask) -> F64:
    """(N,) height over the least-squares plane of each point's cell; NaN where a cell has too few points, or too
    narrow ones for a plane. use (N,): points that the planes are fitted to.
    """
    cell = np.floor(xyz_m[:, :2] / _PLANE_CELL_M)
    _, group = np.unique(cell, axis=0, return_inverse=True)
    group = group.ravel()
    local = np.column_stack([xyz_m[:, :2] - (cell + 0.5) * _PLANE_CELL_M, np.ones(len(xyz_m))])
    count = int(group.max()) + 1 if len(group) else 0
    matrix, right = np.zeros((count, 3, 3)), np.zeros((count, 3))
    g = group[use]
    for i in range(3):
        right[:, i] = np.bincount(g, local[use, i] * xyz_m[use, 2], count)
        for j in range(3):
            matrix[:, i, j] = np.bincount(g, local[use, i] * local[use, j], count)
    number = np.maximum(matrix[:, 2, 2], 1.0)
    mean = matrix[:, :2, 2] / number[:, None]
    spread = matrix[:, :2, :2] / number[:, None, None] - mean[:, :, None] * mean[:, None]
    narrow = np.linalg.eigvalsh(spread)[:, 0] < 0.25**2 if count else np.zeros(0, bool)
    good = (matrix[:, 2, 2] >= _PLANE_POINTS) & ~narrow
    plane = np.full((count, 3), np.nan)
    if good.any():
        plane[good] = np.linalg.solve(matrix[good], right[good][..., None])[..., 0]
    return np.asarray(xyz_m[:, 2] - np.einsum("ij,ij->i", local, plane[group]))


def count_noise(view: View, setup: Setup, tally: Tally) -> None:
    """|r1 - 2 r2 + r3| / sqrt(6) of three successive returns of one surface: noise where the surface is flat."""
    r, ring = view.range_m, view.ring
    step = np.diff(view.azimuth_rad) < 1.6 * setup.step_rad
    run = (ring[2:] == ring[:-2]) & step[1:] & step[:-1]
    flat = np.abs(r[2:] - r[:-2]) < 0.05 + 0.005 * r[1:-1]
    run &= flat & (r[1:-1] > 5.0) & (r[1:-1] < 40.0)
    noise = np.abs(r[:-2] - 2 * r[1:-1] + r[2:]) / np.sqrt(6.0)
    ground = view.ground[:-2] & view.ground[1:-1] & view.ground[2:]
    tally.histogram("noise_ground", noise[run & ground])
    tally.histogram("noise_other", noise[run & ~ground])


def count_clutter(view: View, tally: Tally) -> None:
    """Heights over ground of returns from 5 to 40 m that are not ground and in no car's box."""
    use = ~view.ground & (view.range_m > 5.0) & (view.range_m < 40.0)
    for k in range(len(view.cars)):
        near = np.flatnonzero(use & (np.abs(view.xyz_m - view.cars.center_m[k]).max(axis=1) < 4.0))
        at = np.abs(in_box_frame(view.xyz_m[near], view.cars, k))
        use[near[(at < view.cars.lwh_m[k] / 2 + 0.1).all(axis=1)]] = False
    tally.histogram("clutter_height", view.over_ground_m[use])
