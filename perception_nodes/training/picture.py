"""A real sweep from above with what is there and what detectors find, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import CAR
from perception_nodes.evaluation import BoxFrame
from perception_nodes.geometry import corners_3d

from .real import RealFrame, score_at_false
from .score import RANGE_M

U8 = npt.NDArray[np.uint8]
_SIDE_PX: Final = 720
_LOWEST_M, _HIGHEST_M = 0.3, 3.0
_TRUE, _FOUND, _OTHER = (70, 150, 40), (30, 30, 220), (200, 120, 0)
_OTHERS_FROM: Final = 0.5


def write_picture(
    path: Path, frame: RealFrame, boxes: Mapping[str, tuple[Sequence[BoxFrame], Sequence[BoxFrame]]]
) -> None:
    """Draw a recording's first sweep once a detector; boxes: true ones and those found, of all sweeps, by detector.

    Green: labelled. Red: cars found, from the score on at which a sweep has one false car. Blue: other classes.
    """
    panels = [_panel(name, frame, truth, found) for name, (truth, found) in boxes.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    ok, raw = cv2.imencode(".jpg", np.concatenate(panels, axis=1), [cv2.IMWRITE_JPEG_QUALITY, 82])
    if not ok:
        raise OSError(f"{path}: picture could not be encoded")
    path.write_bytes(raw.tobytes())


def _panel(name: str, frame: RealFrame, truth: Sequence[BoxFrame], found: Sequence[BoxFrame]) -> U8:
    image: Any = np.full((_SIDE_PX, _SIDE_PX, 3), 255, np.uint8)
    _draw_points(image, frame.cloud.xyz_m)
    least = score_at_false(truth, found)
    first = found[0]
    _draw_boxes(image, truth[0], np.ones(len(truth[0]), bool), _TRUE, 2)
    _draw_boxes(image, first, (first.label == CAR) & (first.score >= least), _FOUND, 1)
    _draw_boxes(image, first, (first.label != CAR) & (first.score >= _OTHERS_FROM), _OTHER, 1)
    words = f"{name}: cars from {least:.2f}"
    cv2.putText(image, words, (10, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
    return np.asarray(image, np.uint8)


def _pixels(xy_m: Any) -> npt.NDArray[np.int32]:
    """(N, 2) column and row: x of the base frame is up, y to the left."""
    scale = _SIDE_PX / (2 * RANGE_M)
    return np.round(_SIDE_PX / 2 - scale * np.asarray(xy_m)[..., ::-1]).astype(np.int32)


def _draw_points(image: Any, xyz_m: Any) -> None:
    height = np.clip((xyz_m[:, 2] - _LOWEST_M) / (_HIGHEST_M - _LOWEST_M), 0.0, 1.0)
    at = _pixels(xyz_m[:, :2])
    shown = (xyz_m[:, 2] > _LOWEST_M) & (xyz_m[:, 2] < 2 * _HIGHEST_M)
    shown &= ((at >= 0) & (at < _SIDE_PX)).all(axis=1)
    grey = (70 + 130 * height[shown]).astype(np.uint8)
    image[at[shown, 1], at[shown, 0]] = grey[:, None]


def _draw_boxes(image: Any, boxes: BoxFrame, shown: Any, colour: tuple[int, int, int], width: int) -> None:
    corners = corners_3d(boxes.center_m[shown], boxes.lwh_m[shown], boxes.yaw_rad[shown])
    for outline in corners:
        hull = cv2.convexHull(_pixels(outline[:, :2]))
        cv2.polylines(image, [hull], True, colour, width, cv2.LINE_AA)
