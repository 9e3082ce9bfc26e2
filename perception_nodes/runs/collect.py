"""From a recording of outputs to the files that people and scripts read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perception_nodes.datasets import BagReader

from .records import Record, detection2d_records, detection_records, map_geojson, object_records, stamp_ns
from .summary import SummaryBuilder

OBJECTS = "/perception/objects"
FUSED = "/perception/fusion/objects"
MAP = "/perception/map/elements"


@dataclass
class Outputs:
    """The parts of a recording that the report and the metrics need, by stamp in ns."""

    summary: SummaryBuilder
    tracks: dict[int, list[Record]] = field(default_factory=dict)
    fused: dict[int, list[Record]] = field(default_factory=dict)
    boxes_2d: dict[str, dict[int, list[Record]]] = field(default_factory=dict)
    elements: dict[int, Record] = field(default_factory=dict)
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    start_ns: int | None = None

    def point(self, name: str, at_ns: int, value: float) -> None:
        """Append to a time series, in seconds since the first object message; an unknown value (NaN) is left out."""
        if self.start_ns is None:
            self.start_ns = at_ns
        if value != value:
            return
        self.series.setdefault(name, []).append((round((at_ns - self.start_ns) * 1e-9, 3), round(value, 3)))


def collect_outputs(recording: Path, folder: Path, rate: float) -> Outputs:
    """Read `outputs.mcap` once; write `objects.jsonl`, `detections.jsonl` and `map_elements.geojson`.

    Lines are in the order of stamps. Messages need not be: a frame that computed for long (kernels are compiled in the
    first one) was received after later ones.
    """
    reader = BagReader(recording)
    types = {topic.name: topic.typename for topic in reader.info.topics}
    outputs = Outputs(SummaryBuilder(rate))
    last_map: Any = None
    objects: list[Record] = []
    detections: list[Record] = []
    with reader:
        for topic, received_ns, raw in reader.messages():
            kind = types[topic].rsplit("/", 1)[-1]
            if not types[topic].startswith("perception_nodes/"):
                outputs.summary.add(topic, "", received_ns, None)
                continue
            message = reader.decode(raw, types[topic])
            outputs.summary.add(topic, kind, received_ns, message)
            if kind == "TrackedObjectArray":
                objects += _objects(outputs, message, received_ns, rate)
            elif kind == "Detection3DArray":
                detections += _detections(outputs, topic, message)
            elif kind == "Detection2DArray":
                detections += _boxes_2d(outputs, message)
            elif kind == "MapElementArray":
                if last_map is None or stamp_ns(message.header) >= stamp_ns(last_map.header):
                    last_map = message
                outputs.elements[stamp_ns(message.header)] = map_geojson(message)
            elif kind == "PerceptionHealth":
                outputs.point(f"cpu/{str(message.node).lstrip('/')}", received_ns, float(message.cpu_percent))
    _write(folder / "objects.jsonl", objects)
    _write(folder / "detections.jsonl", detections)
    geojson = map_geojson(last_map) if last_map is not None else {"type": "FeatureCollection", "features": []}
    (folder / "map_elements.geojson").write_text(json.dumps(geojson) + "\n")
    return outputs


def _write(path: Path, records: list[Record]) -> None:
    with path.open("w") as stream:
        for record in sorted(records, key=lambda r: r["stamp_ns"]):
            stream.write(json.dumps(record) + "\n")


def _objects(outputs: Outputs, message: Any, received_ns: int, rate: float) -> list[Record]:
    stamp = stamp_ns(message.header)
    records = list(object_records(message))
    outputs.tracks[stamp] = records
    published = [r for r in records if r["state"] in ("confirmed", "coasting")]
    outputs.point("count/objects", stamp, len(published))
    trace = message.info.latency
    if len(trace.stage) and int(trace.sensor_time_newest_ns) == stamp:
        outputs.point("latency/end to end", stamp, (received_ns - stamp) * 1e-6 / rate)
    for name, start, end in zip(trace.stage, trace.start_ns, trace.end_ns, strict=False):
        outputs.point(f"stage/{name}", stamp, (int(end) - int(start)) * 1e-6)
    return records


def _detections(outputs: Outputs, topic: str, message: Any) -> Iterator[Record]:
    records = list(detection_records(message))
    stamp = stamp_ns(message.header)
    if topic == FUSED:
        outputs.fused[stamp] = records
        outputs.point("count/fused detections", stamp, len(records))
    else:
        outputs.point(f"count/{message.source}", stamp, len(records))
    yield from records


def _boxes_2d(outputs: Outputs, message: Any) -> list[Record]:
    records = list(detection2d_records(message))
    outputs.boxes_2d.setdefault(str(message.source), {})[stamp_ns(message.header)] = records
    return records
