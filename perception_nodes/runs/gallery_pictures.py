"""Pictures of a simulated moment: the sweep from above and in perspective, with true boxes and the true map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ElementType

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bgr = npt.NDArray[np.uint8]

STREET: Final = -1
NOISE: Final = -2
BACKGROUND: Final = (27, 19, 14)
# BGR by the taxonomy's label, as in the report pages.
BOX_BGR: Final = (
    (255, 161, 78), (250, 139, 167), (182, 114, 244), (252, 132, 192), (249, 121, 232), (60, 146, 251),
    (36, 191, 251), (113, 113, 248), (116, 186, 253), (184, 163, 148), (175, 163, 156),
)  # fmt: skip
LINE_BGR: Final = {
    ElementType.LANE_DIVIDER: (235, 235, 235),
    ElementType.ROAD_BOUNDARY: (40, 140, 235),
    ElementType.CENTERLINE: (110, 80, 40),
    ElementType.PED_CROSSING: (120, 200, 60),
    ElementType.STOP_LINE: (80, 80, 255),
    ElementType.TRAFFIC_SIGN: (90, 200, 255),
    ElementType.TRAFFIC_LIGHT: (200, 120, 255),
}
NOISE_BGR: Final = (60, 60, 255)
RADAR_BGR: Final = (255, 90, 255)
_EDGES: Final = (
    (0, 1),
    (1, 2),
    (2, 3),
    (3, 0),
    (4, 5),
    (5, 6),
    (6, 7),
    (7, 4),
    (0, 4),
    (1, 5),
    (2, 6),
    (3, 7),
)
_LOW_M, _HIGH_M = -0.3, 4.5
_TURBO: Final = np.asarray(
    cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_TURBO)[:, 0], np.uint8
)
_HUES: Final = np.asarray(
    cv2.cvtColor(np.array([[[hue, 170, 255] for hue in range(180)]], np.uint8), cv2.COLOR_HSV2BGR)[0],
    np.uint8,
)


@dataclass(frozen=True, eq=False)
class MomentView:
    """What pictures show, base frame at one stamp.

    xyz_m, owner (N,), intensity (N,): a sweep; owner >= 0 is an actor, STREET or NOISE else; corners_m (K, 8, 3), label
    (K,), seen (K,): true boxes and whether a point lies on them; lines: true map; radar_m (R, 3), radar_mps (R,).
    """

    xyz_m: F32
    owner: I64
    intensity: F32
    corners_m: F64
    label: npt.NDArray[np.uint8]
    seen: npt.NDArray[np.bool_]
    lines: Sequence[tuple[ElementType, F64]] = ()
    radar_m: F64 = field(default_factory=lambda: np.zeros((0, 3)))
    radar_mps: F64 = field(default_factory=lambda: np.zeros(0))


def seen_from_above(view: MomentView, size_px: int = 700, span_m: float = 100.0) -> Bgr:
    """(S, S, 3) with the vehicle's way up; points are coloured by height, blue at the road to red at 4.5 m."""
    scale = size_px / span_m
    middle = np.array([0.5 * size_px, 0.62 * size_px])
    canvas = np.full((size_px, size_px, 3), BACKGROUND, np.uint8)

    def pixels(xyz_m: npt.NDArray[Any]) -> F64:
        return np.stack([middle[0] - scale * xyz_m[:, 1], middle[1] - scale * xyz_m[:, 0]], axis=1)

    for kind, points in view.lines:
        _draw_element(canvas, kind, pixels(points), closed=kind == ElementType.PED_CROSSING)
    order = np.argsort(view.xyz_m[:, 2], kind="stable")
    _dots(canvas, pixels(view.xyz_m[order]), _by_height(view.xyz_m[order, 2]), 2)
    for corners, label, seen in zip(view.corners_m, view.label, view.seen, strict=True):
        colour = BOX_BGR[int(label)] if seen else (90, 90, 90)
        foot = pixels(corners[:4])
        _line(canvas, foot, colour, closed=True)
        _line(canvas, np.stack([foot.mean(axis=0), (foot[0] + foot[3]) / 2]), colour, closed=False)
    _radar(canvas, view, pixels)
    ego = np.array([[3.7, 0.95], [-0.9, 0.95], [-0.9, -0.95], [3.7, -0.95]])
    _line(canvas, pixels(ego), (255, 255, 255), closed=True)
    return canvas


def seen_from_behind(view: MomentView, size_px: tuple[int, int] = (700, 700)) -> Bgr:
    """(H, W, 3) from 7 m above and 13 m behind; points by instance, the street grey by intensity, noise red."""
    width, height = size_px
    canvas = np.full((height, width, 3), BACKGROUND, np.uint8)
    focal, pitch = 0.7 * width, 0.32
    c, s = np.cos(pitch), np.sin(pitch)
    rotation = np.array([[0.0, -1.0, 0.0], [-s, 0.0, -c], [c, 0.0, -s]])

    def camera(xyz_m: npt.NDArray[Any]) -> F64:
        return np.asarray((xyz_m.astype(np.float64) - np.array([-13.0, 0.0, 7.0])) @ rotation.T)

    def pixels(at: F64) -> F64:
        return np.stack(
            [focal * at[:, 0] / at[:, 2] + width / 2, focal * at[:, 1] / at[:, 2] + 0.45 * height], 1
        )

    at = camera(view.xyz_m)
    front = np.flatnonzero(at[:, 2] > 1.0)
    front = front[np.argsort(-at[front, 2], kind="stable")]
    colours = _by_instance(view)
    for near_m, far_m, dot in ((30.0, np.inf, 1), (14.0, 30.0, 2), (0.0, 14.0, 3)):
        part = front[(at[front, 2] > near_m) & (at[front, 2] <= far_m)]
        _dots(canvas, pixels(at[part]), colours[part], dot)
    for corners, label, seen in zip(view.corners_m, view.label, view.seen, strict=True):
        there = camera(corners)
        if seen and (there[:, 2] > 1.0).all():
            px = pixels(there)
            for a, b in _EDGES:
                _line(canvas, px[[a, b]], BOX_BGR[int(label)], closed=False)
    return canvas


def _by_height(z_m: F32) -> Bgr:
    level = np.clip((z_m - _LOW_M) / (_HIGH_M - _LOW_M) * 215 + 25, 25, 240).astype(np.uint8)
    return np.asarray(_TURBO[level], np.uint8)


def _by_instance(view: MomentView) -> Bgr:
    out = _HUES[view.owner * 47 % 180]
    # Intensities reach from 1 (wet road) to 255 (signs): the root shows both.
    grey = (60 + 10 * np.sqrt(np.clip(view.intensity, 0, 255))).astype(np.uint8)
    street = view.owner == STREET
    out[street] = grey[street, None]
    out[view.owner == NOISE] = NOISE_BGR
    return out


def _dots(canvas: Bgr, pixels: F64, colours: Bgr, size: int) -> None:
    """Squares; of those that meet, the later one stays."""
    height, width = canvas.shape[:2]
    corner = np.floor(np.clip(pixels, -10.0, 1e5)).astype(np.int64)
    for du in range(size):
        for dv in range(size):
            u, v = corner[:, 0] + du, corner[:, 1] + dv
            inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
            canvas[v[inside], u[inside]] = colours[inside]


def _line(canvas: Bgr, pixels: F64, colour: tuple[int, int, int], *, closed: bool) -> None:
    fixed = np.round(np.clip(pixels, -1e4, 1e4) * 16).astype(np.int32)  # in sixteenths of a pixel
    cv2.polylines(canvas, [fixed], closed, colour, 1, cv2.LINE_AA, shift=4)


def _draw_element(canvas: Bgr, kind: ElementType, pixels: F64, *, closed: bool) -> None:
    colour = LINE_BGR.get(kind, (120, 120, 120))
    if len(pixels) > 1:
        _line(canvas, pixels, colour, closed=closed)
        return
    at = (round(float(np.clip(pixels[0, 0], -99, 9999))), round(float(np.clip(pixels[0, 1], -99, 9999))))
    cv2.circle(canvas, at, 3, colour, 1, cv2.LINE_AA)


def _radar(canvas: Bgr, view: MomentView, pixels: Any) -> None:
    """A cross for each detection, with its radial speed over ground as a line of half a second."""
    for at, speed in zip(view.radar_m, view.radar_mps, strict=True):
        reach = float(np.hypot(at[0], at[1]))
        tip = at * (1 + 0.5 * speed / max(reach, 1.0))
        px = pixels(np.stack([at, tip]))
        for arm in ([2.5, 2.5], [2.5, -2.5]):
            _line(canvas, px[0] + np.array([arm, np.negative(arm)]), RADAR_BGR, closed=False)
        _line(canvas, px, RADAR_BGR, closed=False)
