"""Files from a recording whose first frame took so long that later ones were received before it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from perception_nodes import msg
from perception_nodes.datasets import BagWriter
from perception_nodes.ros.convert import to_msg
from perception_nodes.runs.collect import collect_outputs

S = 1_000_000_000


def test_files_are_in_the_order_of_stamps_and_the_map_is_that_of_the_last_one(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "outputs.mcap") as writer:
        for topic, kind in (
            ("/perception/objects", "TrackedObjectArray"),
            ("/perception/map/elements", "MapElementArray"),
        ):
            writer.declare(topic, f"perception_nodes/msg/{kind}")
        for second, received in ((1, 60), (2, 3), (3, 4)):
            header = to_msg.header(second * S, "odom")
            objects = msg.TrackedObjectArray(
                header=header, objects=[msg.TrackedObject(id=second, state=1, label="car")]
            )
            elements = msg.MapElementArray(
                header=header, elements=[msg.MapElement(id=k) for k in range(second)]
            )
            writer.write_raw("/perception/objects", to_msg.to_bytes(objects), received * S)
            writer.write_raw("/perception/map/elements", to_msg.to_bytes(elements), received * S)
    outputs = collect_outputs(tmp_path / "outputs.mcap", tmp_path, 1.0)
    lines = [json.loads(line) for line in (tmp_path / "objects.jsonl").read_text().splitlines()]
    np.testing.assert_array_equal([o["stamp_ns"] for o in lines], np.array([1, 2, 3]) * S)
    assert len(json.loads((tmp_path / "map_elements.geojson").read_text())["features"]) == 3
    assert outputs.summary.build("", {})["map_elements"]["count"] == 3
