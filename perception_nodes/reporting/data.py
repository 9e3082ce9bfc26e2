"""What the report page shows, as plain values that go into it as JSON."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import PointCloud

Json = dict[str, Any]


@dataclass
class ReportFrame:
    """One chosen frame: a sweep in the base frame, the vehicle's pose, and what was said about it.

    ego: x, y, yaw of the base frame in the tracking frame; boxes are records of `objects.jsonl`.
    """

    stamp_ns: int
    ego: tuple[float, float, float]
    points: Json = field(default_factory=dict)
    tracks: list[Json] = field(default_factory=list)
    detections: list[Json] = field(default_factory=list)
    truth: list[Json] = field(default_factory=list)
    elements: list[Json] = field(default_factory=list)
    images: list[Json] = field(default_factory=list)


@dataclass
class ReportData:
    """The whole page: `summary` is summary.json; series are lists of [seconds, value]."""

    title: str
    summary: Json
    frames: list[ReportFrame] = field(default_factory=list)
    elements: list[Json] = field(default_factory=list)
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)


def pack_points(cloud: PointCloud, limit: int, range_m: float = 90.0) -> Json:
    """At most `limit` points within `range_m`, thinned by cells: x, y as int16 cm, z as int8 dm, base64."""
    xyz = cloud.xyz_m
    near = xyz[(np.abs(xyz[:, :2]) < range_m).all(axis=1)]
    # One point a cell keeps far walls and thin poles, where every n-th point would keep the road at the wheels.
    for cell_m in (0.15, 0.25, 0.4, 0.6, 1.0, 1.6):
        cells = np.floor(near / cell_m).astype(np.int64)
        key = (cells[:, 0] << 40) + (cells[:, 1] << 20) + cells[:, 2]
        near = near[np.sort(np.unique(key, return_index=True)[1])]
        if len(near) <= limit:
            break
    near = near[:limit]
    xy = np.round(near[:, :2] * 100).astype("<i2")
    z = np.clip(np.round(near[:, 2] * 10), -127, 127).astype(np.int8)
    return {"n": len(near), "xy": _b64(xy.tobytes()), "z": _b64(z.tobytes())}


def pack_image(name: str, bgr: npt.NDArray[np.uint8], boxes: list[Json], width_px: int = 960) -> Json:
    """A picture scaled to `width_px` as JPEG, with its boxes in the picture's own scale."""
    scale = min(1.0, width_px / bgr.shape[1])
    size = (round(bgr.shape[1] * scale), round(bgr.shape[0] * scale))
    small = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    ok, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 75])
    if not ok:
        raise ValueError(f"image {name}: {bgr.shape} could not be encoded as JPEG")
    scaled = [{**b, **{k: b[k] * scale for k in ("x_min", "y_min", "x_max", "y_max")}} for b in boxes]
    return {"name": name, "w": size[0], "h": size[1], "jpeg": _b64(jpeg.tobytes()), "boxes": scaled}


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
