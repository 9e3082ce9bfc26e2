"""`summary.json`: what went in, what came out, what was dropped and why, how long it took, how good it was.

The layout is described in `docs/outputs.md` and kept stable.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perception_nodes.datatypes import DropReason, ElementType, Mode

from .records import stamp_ns

VERSION = 1
# Their inputs are other nodes' outputs, named after the sensor that they come from.
_DOWNSTREAM = ("fusion",)


def percentiles(values: list[float]) -> dict[str, float | int | None]:
    """p50, p95, p99, max and count of durations in ms; None where there are none."""
    if not values:
        return {"p50": None, "p95": None, "p99": None, "max": None, "count": 0}
    p50, p95, p99 = np.percentile(values, [50, 95, 99])
    worst = max(values)
    return {
        "p50": round(float(p50), 2),
        "p95": round(float(p95), 2),
        "p99": round(float(p99), 2),
        "max": round(float(worst), 2),
        "count": len(values),
    }


@dataclass
class _NodeFigures:
    cpu: list[tuple[int, float]] = field(default_factory=list)
    rss_mb: float = 0.0
    last: Any = None


@dataclass
class SummaryBuilder:
    """Feed it every recorded message once, in order; `build` gives the summary.

    rate: recorded seconds per wall second, to turn differences of ROS time into wall time.
    """

    rate: float = 1.0
    _times: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _end_to_end_ms: list[float] = field(default_factory=list)
    _stages_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _nodes: dict[str, _NodeFigures] = field(default_factory=lambda: defaultdict(_NodeFigures))
    _drops: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _track_labels: dict[int, str] = field(default_factory=dict)
    _objects_per_frame: list[int] = field(default_factory=list)
    _object_stamps: list[int] = field(default_factory=list)
    _object_modes: Counter[str] = field(default_factory=Counter)
    _elements: Any = None
    _playback: Any = None
    _state_modes: Counter[str] = field(default_factory=Counter)
    _faults: Counter[str] = field(default_factory=Counter)
    _frame_sets: Counter[str] = field(default_factory=Counter)

    def add(self, topic: str, kind: str, received_ns: int, message: Any) -> None:
        """Count one message; `kind` is the name of its type, `received_ns` in ROS time."""
        self._times[topic].append(received_ns)
        handler = getattr(self, f"_add_{kind}", None)
        if handler is not None:
            handler(received_ns, message)

    def _add_TrackedObjectArray(self, received_ns: int, message: Any) -> None:  # noqa: N802 - message name
        stamp = stamp_ns(message.header)
        self._object_stamps.append(stamp)
        self._object_modes[Mode(int(message.info.mode)).name] += 1
        live = [o for o in message.objects if int(o.state) in (1, 2)]
        self._objects_per_frame.append(len(live))
        for item in live:
            self._track_labels[int(item.id)] = str(item.label)
        trace = message.info.latency
        if trace.stage and int(trace.sensor_time_newest_ns) == stamp:
            self._end_to_end_ms.append((received_ns - stamp) * 1e-6 / self.rate)
        for name, start, end in zip(trace.stage, trace.start_ns, trace.end_ns, strict=False):
            self._stages_ms[name].append((int(end) - int(start)) * 1e-6)

    def _add_MapElementArray(self, received_ns: int, message: Any) -> None:  # noqa: N802
        if self._elements is None or stamp_ns(message.header) >= stamp_ns(self._elements.header):
            self._elements = message
        trace = message.info.latency
        for name, start, end in zip(trace.stage, trace.start_ns, trace.end_ns, strict=False):
            self._stages_ms[name].append((int(end) - int(start)) * 1e-6)

    def _add_Detection2DArray(self, received_ns: int, message: Any) -> None:  # noqa: N802
        trace = message.info.latency
        for name, start, end in zip(trace.stage, trace.start_ns, trace.end_ns, strict=False):
            self._stages_ms[name].append((int(end) - int(start)) * 1e-6)

    def _add_PerceptionHealth(self, received_ns: int, message: Any) -> None:  # noqa: N802
        figures = self._nodes[str(message.node).lstrip("/")]
        if np.isfinite(message.cpu_percent):
            figures.cpu.append((received_ns, float(message.cpu_percent)))
        if np.isfinite(message.rss_mb):
            figures.rss_mb = max(figures.rss_mb, float(message.rss_mb))
        figures.last = message

    def _add_PerceptionState(self, received_ns: int, message: Any) -> None:  # noqa: N802
        self._state_modes[Mode(int(message.mode)).name] += 1
        self._faults.update(str(f) for f in message.active_faults)

    def _add_DropEvent(self, received_ns: int, message: Any) -> None:  # noqa: N802
        reason = DropReason(int(message.reason)).name
        self._drops[(str(message.node).lstrip("/"), str(message.topic), reason)] += 1

    def _add_FrameSet(self, received_ns: int, message: Any) -> None:  # noqa: N802
        self._frame_sets["complete" if message.complete else "partial"] += 1

    def _add_PlaybackState(self, received_ns: int, message: Any) -> None:  # noqa: N802
        self._playback = message

    def build(self, reference: str, topics: dict[str, str]) -> dict[str, Any]:
        """The summary's measured part; `topics` maps the topics of the rig's sensors to their names."""
        published = self._published(topics)
        return {
            "version": VERSION,
            "frames": self._frames(reference, published),
            "topics": {topic: _rate(times) for topic, times in sorted(self._times.items())},
            "inputs": self._inputs(published),
            "drops": self._drop_totals(),
            "latency_ms": {
                "end_to_end": percentiles(self._end_to_end_ms),
                "stages": {name: percentiles(values) for name, values in self._stages_ms.items()},
            },
            "nodes": {name: self._node(figures) for name, figures in sorted(self._nodes.items())},
            "objects": self._objects(),
            "map_elements": self._map(),
            "state": {"messages_by_mode": dict(self._state_modes), "faults_seen": dict(self._faults)},
        }

    def _published(self, topics: dict[str, str]) -> dict[str, int]:
        """Messages that the player sent, by sensor."""
        if self._playback is None:
            return {}
        counts = zip(self._playback.topics, self._playback.published, strict=False)
        return {topics[t]: int(n) for t, n in counts if t in topics}

    def _read(self) -> dict[str, int]:
        """Messages that a run without a player has read, by sensor."""
        figures = self._nodes.get("pipeline")
        return {str(s.name): int(s.received) for s in figures.last.sensors} if figures is not None else {}

    def _frames(self, reference: str, published: dict[str, int]) -> dict[str, Any]:
        return {
            "published": {k: n for k, n in (published or self._read()).items() if k == reference},
            "frame_sets": dict(self._frame_sets),
            "object_messages": len(self._object_stamps),
            "object_stamps": len(set(self._object_stamps)),
            "object_messages_by_mode": dict(self._object_modes),
        }

    def _inputs(self, published: dict[str, int]) -> list[dict[str, Any]]:
        """Every input of every node: received = used + dropped, from the node's last heartbeat."""
        rows = []
        for name, figures in sorted(self._nodes.items()):
            for sensor in figures.last.sensors:
                received, used, dropped = int(sensor.received), int(sensor.used), int(sensor.dropped)
                row = {
                    "node": name,
                    "input": str(sensor.name),
                    "received": received,
                    "used": used,
                    "dropped": dropped,
                }
                if sensor.name in published and name not in _DOWNSTREAM:
                    # Without loss in the middleware every message that was played was received.
                    row["lost"] = published[sensor.name] - received
                rows.append(row | {"balanced": received == used + dropped and row.get("lost", 0) == 0})
        return rows

    def _drop_totals(self) -> dict[str, Any]:
        by_reason: Counter[str] = Counter()
        rows = []
        for (node, topic, reason), count in sorted(self._drops.items()):
            by_reason[reason] += count
            rows.append({"node": node, "topic": topic, "reason": reason, "count": count})
        return {"total": sum(by_reason.values()), "by_reason": dict(by_reason), "rows": rows}

    def _node(self, figures: _NodeFigures) -> dict[str, Any]:
        """Load and last word of a node. Its load counts while a recording plays, not while nodes start and wait."""
        start, end = 0, 2**63
        if self._playback is not None:
            # A figure is the mean over the second before it.
            start, end = int(self._playback.stamp_start_ns) + 1_000_000_000, int(self._playback.stamp_end_ns)
        cpu = [value for at, value in figures.cpu if start <= at <= end]
        last = figures.last
        return {
            "cpu_percent_mean": round(float(np.mean(cpu)), 1) if cpu else None,
            "cpu_percent_max": round(max(cpu), 1) if cpu else None,
            "rss_mb_max": round(figures.rss_mb, 1) if figures.rss_mb else None,
            "last_mode": Mode(int(last.mode)).name,
            "received": int(last.received),
            "used": int(last.used),
            "dropped": int(last.dropped),
        }

    def _objects(self) -> dict[str, Any]:
        per_frame = self._objects_per_frame
        return {
            "tracks": len(self._track_labels),
            "tracks_by_label": dict(Counter(self._track_labels.values())),
            "mean_per_frame": round(float(np.mean(per_frame)), 2) if per_frame else 0.0,
            "max_per_frame": max(per_frame, default=0),
        }

    def _map(self) -> dict[str, Any]:
        by_type: Counter[str] = Counter()
        if self._elements is not None:
            by_type.update(ElementType(int(e.type)).name.lower() for e in self._elements.elements)
        return {"count": sum(by_type.values()), "by_type": dict(by_type)}


def _rate(times: list[int]) -> dict[str, Any]:
    span_s = (times[-1] - times[0]) * 1e-9
    return {"count": len(times), "rate_hz": round((len(times) - 1) / span_s, 3) if span_s > 0 else None}
