"""Output messages as the flat records of `objects.jsonl`, `detections.jsonl` and `map_elements.geojson`.

Works on any object with the messages' attributes (received live or decoded from a recording). One box a line, m, rad,
centre, REP-103; a key that is absent is unknown. `docs/outputs.md` describes the layout.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from perception_nodes.datatypes import ElementChange, ElementSource, ElementType, TrackState

Record = dict[str, Any]


def stamp_ns(header: Any) -> int:
    """Stamp of a std_msgs/Header in ns."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def object_records(array: Any) -> Iterator[Record]:
    """One record a track of a TrackedObjectArray; `state` in lower case, `score` is the existence probability."""
    head = {"stamp_ns": stamp_ns(array.header), "frame_id": array.header.frame_id, "source": "tracker"}
    for item in array.objects:
        record = {**head, "id": int(item.id), "label": str(item.label), "score": item.existence_probability}
        record |= _box(item) | {"state": TrackState(int(item.state)).name.lower()}
        yield _known(record)


def detection_records(array: Any) -> Iterator[Record]:
    """One record a box of a Detection3DArray; `source` names the sensor, or "fusion"."""
    head = {
        "stamp_ns": stamp_ns(array.header),
        "frame_id": array.header.frame_id,
        "source": str(array.source),
    }
    for item in array.detections:
        record = {**head, "id": int(item.detection_id), "label": str(item.label), "score": item.score}
        yield _known(record | _box(item) | {"num_points": int(item.num_points)})


def truth_records(array: Any) -> Iterator[Record]:
    """As `detection_records` for a truth topic: the id is the track's, and there is no score."""
    for record in detection_records(array):
        record.pop("score", None)
        yield record | {"source": "truth"}


def detection2d_records(array: Any) -> Iterator[Record]:
    """One record a box of a Detection2DArray: pixels of the original image instead of metres."""
    head = {
        "stamp_ns": stamp_ns(array.header),
        "frame_id": array.header.frame_id,
        "source": str(array.source),
    }
    for item in array.detections:
        record = {**head, "id": int(item.detection_id), "label": str(item.label), "score": item.score}
        edges = {k: getattr(item, k) for k in ("x_min", "y_min", "x_max", "y_max")}
        yield _known(record | edges)


def map_geojson(array: Any) -> Record:
    """A GeoJSON FeatureCollection of a MapElementArray.

    Differs: coordinates are metres in the frame named by `frame_id` (odom), not longitude and latitude.
    """
    features = []
    for item in array.elements:
        flat = [round(float(v), 3) for v in item.points]
        points = [flat[i : i + 3] for i in range(0, len(flat), 3)]
        if item.closed and points:
            points.append(points[0])
        kind = "Point" if len(points) == 1 else "LineString"
        geometry = {"type": kind, "coordinates": points[0] if kind == "Point" else points}
        features.append(
            {"type": "Feature", "id": int(item.id), "geometry": geometry, "properties": _properties(item)}
        )
    corners = [round(float(v), 3) for v in array.valid_rectangle]
    return {
        "type": "FeatureCollection",
        "frame_id": array.header.frame_id,
        "stamp_ns": stamp_ns(array.header),
        "valid_rectangle": [corners[i : i + 2] for i in range(0, len(corners), 2)],
        "features": features,
    }


def _properties(item: Any) -> Record:
    return _known(
        {
            "type": ElementType(int(item.type)).name.lower(),
            "subtype": str(item.subtype),
            "value": str(item.value),
            "existence_probability": item.existence_probability,
            "lateral_std_m": [round(float(v), 3) for v in item.lateral_std],
            "confidence": [round(float(v), 3) for v in item.confidence],
            "source": ElementSource(int(item.source)).name.lower(),
            "change": ElementChange(int(item.change)).name.lower(),
            "age_s": item.age_s,
            "time_since_update_s": item.time_since_update_s,
        }
    )


def _box(item: Any) -> Record:
    return {
        "x": item.x,
        "y": item.y,
        "z": item.z,
        "l": item.length,
        "w": item.width,
        "h": item.height,
        "yaw": item.yaw,
        "vx": item.vx,
        "vy": item.vy,
    }


def _known(record: Record) -> Record:
    """The record without unknown values (NaN), floats rounded to 0.1 mm."""
    out: Record = {}
    for key, value in record.items():
        if isinstance(value, int | str | list):
            out[key] = value
        elif math.isfinite(value):
            out[key] = round(float(value), 4)
    return out
