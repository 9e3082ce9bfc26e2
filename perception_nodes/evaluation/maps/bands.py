"""Whether the bands around two lines touch: the rule that decides which pairs of the Chamfer AP are looked at at all.

A band is what shapely makes with `LineString.buffer(width, cap_style="flat", join_style="mitre")`: a rectangle along
each segment and, on the outer side of each bend, a corner, cut off at five widths from the bend (the limit there).
Differs: GEOS first drops vertices that are off by less than a hundredth of the width; here all count.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

MITRE_LIMIT = 5.0
_CORNERS = 5
# Below this sine of the angle between two segments there is no bend.
_STRAIGHT = 1e-9


def band_pieces(line_m: F64, half_width_m: float) -> F64:
    """(K, 5, 2) convex pieces, any turning sense, that together are the band of a line (N, 2), m.

    A piece of four corners repeats its last one. A line without length has no band.
    """
    step = np.diff(line_m, axis=0)
    length = np.hypot(step[:, 0], step[:, 1])
    kept = length > 0
    start, end = line_m[:-1][kept], line_m[1:][kept]
    along = step[kept] / length[kept, None]
    left = np.column_stack([-along[:, 1], along[:, 0]]) * half_width_m
    sides = np.stack([start - left, end - left, end + left, start + left, start + left], axis=1)
    return np.concatenate([sides, _corners(end[:-1], along, left, half_width_m)])


def _corners(at: F64, along: F64, left: F64, half_width_m: float) -> F64:
    """(B, 5, 2) what the bends at `at` add on their outer sides."""
    before, after = along[:-1], along[1:]
    sine = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    cosine = (before * after).sum(axis=1)
    bent = np.abs(sine) > _STRAIGHT
    before, after, sine, cosine, at = before[bent], after[bent], sine[bent], cosine[bent], at[bent]
    outer = -np.sign(sine)[:, None]
    first, last = at + outer * left[:-1][bent], at + outer * left[1:][bent]
    # Half the bend: its tangent is how far, in widths, both outer edges go on until they meet.
    half_sine, half_cosine = (np.sqrt(np.maximum(1 + sign * cosine, 0.0) / 2) for sign in (-1, 1))
    with np.errstate(divide="ignore"):  # of a bend that is none or a whole turn, where the other one counts
        whole, cut = half_sine / half_cosine, (MITRE_LIMIT - half_cosine) / half_sine
        mitred = 1 / half_cosine <= MITRE_LIMIT
    reach = (np.where(mitred, whole, cut) * half_width_m)[:, None]
    return np.stack([at, first, first + reach * before, last - reach * after, last], axis=1)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def bands_touch(a: F64, b: F64) -> bool:
    """Whether a piece of one band (K, 5, 2) and one of the other (L, 5, 2) have a point in common."""
    low_a, high_a = _bounds(a)
    low_b, high_b = _bounds(b)
    for i in range(len(a)):
        for j in range(len(b)):
            apart = (
                low_a[i, 0] > high_b[j, 0]
                or low_b[j, 0] > high_a[i, 0]
                or low_a[i, 1] > high_b[j, 1]
                or low_b[j, 1] > high_a[i, 1]
            )
            if not apart and not _separated(a[i], b[j]) and not _separated(b[j], a[i]):
                return True
    return False


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _bounds(pieces: F64) -> tuple[F64, F64]:
    low = np.empty((len(pieces), 2))
    high = np.empty((len(pieces), 2))
    for i in range(len(pieces)):
        for k in range(2):
            low[i, k] = pieces[i, :, k].min()
            high[i, k] = pieces[i, :, k].max()
    return low, high


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _separated(a: F64, b: F64) -> bool:
    """Whether an edge of the convex piece `a` has all of `b` on the other side than the rest of `a`."""
    for k in range(_CORNERS):
        ex, ey = a[(k + 1) % _CORNERS, 0] - a[k, 0], a[(k + 1) % _CORNERS, 1] - a[k, 1]
        if ex == 0.0 and ey == 0.0:
            continue
        low_a, high_a, low_b, high_b = 0.0, 0.0, np.inf, -np.inf
        for i in range(_CORNERS):
            side = ex * (a[i, 1] - a[k, 1]) - ey * (a[i, 0] - a[k, 0])
            low_a, high_a = min(low_a, side), max(high_a, side)
            side = ex * (b[i, 1] - a[k, 1]) - ey * (b[i, 0] - a[k, 0])
            low_b, high_b = min(low_b, side), max(high_b, side)
        if low_b > high_a or high_b < low_a:
            return True
    return False
