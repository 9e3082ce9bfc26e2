"""Messages as the lines that people script against: units, frames, absent keys."""

from __future__ import annotations

import json
from pathlib import Path

from perception_nodes import msg
from perception_nodes.evaluation import read_boxes
from perception_nodes.ros.convert import to_msg
from perception_nodes.runs.records import (
    detection2d_records,
    detection_records,
    map_geojson,
    object_records,
    truth_records,
)

NAN = float("nan")


def tracks() -> msg.TrackedObjectArray:
    box = {"x": 1.0, "y": 2.0, "z": 0.5, "length": 4.5, "width": 1.8, "height": 1.5, "yaw": 0.25}
    known = msg.TrackedObject(id=7, state=1, label="car", existence_probability=0.75, vx=3.0, vy=0.0, **box)
    unknown = msg.TrackedObject(
        id=8, state=2, label="unknown", existence_probability=0.5, vx=NAN, vy=NAN, **box
    )
    return msg.TrackedObjectArray(header=to_msg.header(1_500_000_000, "odom"), objects=[known, unknown])


def test_objects_have_the_documented_keys() -> None:
    first, second = object_records(tracks())
    assert first == {
        "stamp_ns": 1_500_000_000, "frame_id": "odom", "source": "tracker", "id": 7, "label": "car", "score": 0.75,
        "x": 1.0, "y": 2.0, "z": 0.5, "l": 4.5, "w": 1.8, "h": 1.5, "yaw": 0.25, "vx": 3.0, "vy": 0.0,
        "state": "confirmed",
    }  # fmt: skip
    assert "vx" not in second
    assert second["state"] == "coasting"


def test_records_are_what_the_evaluation_reads(tmp_path: Path) -> None:
    path = tmp_path / "objects.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in object_records(tracks())))
    (frame,) = read_boxes(path)
    assert (frame.stamp_ns, frame.id.tolist()) == (1_500_000_000, [7, 8])


def test_detections_and_truth() -> None:
    item = msg.Detection3D(detection_id=3, label="bus", score=0.5, num_points=12, vx=NAN, vy=NAN)
    array = msg.Detection3DArray(header=to_msg.header(5, "base_link"), source="top", detections=[item])
    (record,) = detection_records(array)
    assert (record["source"], record["score"], record["num_points"]) == ("top", 0.5, 12)
    (truth,) = truth_records(array)
    assert truth["source"] == "truth"
    assert "score" not in truth


def test_camera_boxes_are_in_pixels() -> None:
    item = msg.Detection2D(label="car", score=0.5, x_min=1.0, y_min=2.0, x_max=3.0, y_max=4.0)
    array = msg.Detection2DArray(header=to_msg.header(5, "optical"), source="front", detections=[item])
    (record,) = detection2d_records(array)
    assert [record[k] for k in ("x_min", "y_min", "x_max", "y_max")] == [1.0, 2.0, 3.0, 4.0]
    assert "x" not in record


def test_map_is_geojson_in_metres() -> None:
    line = msg.MapElement(
        id=4, type=1, points=[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], subtype="solid", lateral_std=[0.1, 0.2]
    )
    area = msg.MapElement(id=5, type=4, points=[0.0] * 3 + [1.0] * 3 + [2.0] * 3, closed=True)
    sign = msg.MapElement(id=6, type=6, points=[1.0, 2.0, 3.0])
    out = map_geojson(msg.MapElementArray(header=to_msg.header(5, "odom"), elements=[line, area, sign]))
    assert (out["type"], out["frame_id"], out["stamp_ns"]) == ("FeatureCollection", "odom", 5)
    shapes = [f["geometry"] for f in out["features"]]
    assert shapes[0] == {"type": "LineString", "coordinates": [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]}
    assert shapes[1]["coordinates"][0] == shapes[1]["coordinates"][-1]
    assert shapes[2] == {"type": "Point", "coordinates": [1.0, 2.0, 3.0]}
    assert out["features"][0]["properties"]["type"] == "lane_divider"
