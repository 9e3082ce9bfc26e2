"""The 10 Hz sign of life of a node, and its row in /diagnostics."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from perception_nodes import msg
from perception_nodes.datatypes import Mode, SensorStatus

from .convert import to_msg

_WINDOW_NS = 10_000_000_000
_LEVELS = {
    Mode.NOMINAL: b"\x00",
    Mode.STARTING: b"\x01",
    Mode.DEGRADED: b"\x01",
    Mode.BLIND: b"\x02",
    Mode.FAULT: b"\x02",
}


@dataclass(frozen=True)
class NodeState:
    """What a heartbeat says about a node beside its vitals and sensors."""

    node: str
    session_id: int
    sequence: int
    stamp: Time
    mode: Mode
    faults: list[str]
    expected_rate_hz: float
    dropped_total: int
    active: bool


class Vitals:
    """Latency window, output rate, CPU and memory of this process."""

    def __init__(self) -> None:
        self._latency: deque[tuple[int, float]] = deque()
        self._outputs: deque[int] = deque(maxlen=30)
        self._process = psutil.Process(os.getpid())
        self._process.cpu_percent()
        self._sampled_ns = time.monotonic_ns()
        self.cpu_percent = float("nan")
        self.rss_mb = self._process.memory_info().rss / 1e6
        self.last_output_stamp_ns = 0

    def output(self, stamp_ns: int, latency_ms: float) -> None:
        """An output has been published."""
        now = time.monotonic_ns()
        self._outputs.append(now)
        self.last_output_stamp_ns = stamp_ns
        self._latency.append((now, latency_ms))

    def sample(self) -> None:
        """Read CPU and memory, once a second at most."""
        now = time.monotonic_ns()
        if now - self._sampled_ns >= 1_000_000_000:
            self._sampled_ns = now
            self.cpu_percent = self._process.cpu_percent()
            self.rss_mb = self._process.memory_info().rss / 1e6

    @property
    def output_rate_hz(self) -> float:
        """Of the last outputs, NaN before the second."""
        if len(self._outputs) < 2:
            return float("nan")
        return (len(self._outputs) - 1) * 1e9 / max(1, self._outputs[-1] - self._outputs[0])

    def latency_ms(self) -> tuple[float, float, float]:
        """p50, p95, max over the last 10 s; NaN without outputs."""
        now = time.monotonic_ns()
        while self._latency and now - self._latency[0][0] > _WINDOW_NS:
            self._latency.popleft()
        if not self._latency:
            return float("nan"), float("nan"), float("nan")
        values = np.array([v for _, v in list(self._latency)])  # a copy: other threads note outputs
        p50, p95 = np.percentile(values, (50, 95))
        return float(p50), float(p95), float(values.max())


def health_message(state: NodeState, vitals: Vitals, sensors: tuple[SensorStatus, ...]) -> Any:
    """PerceptionHealth from the node's state."""
    mode = state.mode
    p50, p95, high = vitals.latency_ms()
    hazard = 2 if mode in (Mode.FAULT, Mode.BLIND) else 1 if mode == Mode.DEGRADED else 0
    out = msg.PerceptionHealth(
        node=state.node,
        session_id=state.session_id,
        sequence=state.sequence,
        mode=int(mode),
        active=state.active,
        hazard=hazard,
        active_faults=state.faults,
        last_output_stamp_ns=vitals.last_output_stamp_ns,
        output_rate_hz=float(vitals.output_rate_hz),
        expected_rate_hz=float(state.expected_rate_hz),
        latency_p50_ms=p50,
        latency_p95_ms=p95,
        latency_max_ms=high,
        cpu_percent=float(vitals.cpu_percent),
        rss_mb=float(vitals.rss_mb),
        received=sum(s.received for s in sensors),
        used=sum(s.used for s in sensors),
        dropped=sum(s.dropped for s in sensors),
        dropped_total=state.dropped_total,
        sensors=[to_msg.sensor_status(s) for s in sensors],
    )
    out.header.stamp = state.stamp
    return out


def diagnostics_message(health: Any, hardware_id: str) -> Any:
    """diagnostic_msgs/DiagnosticArray with one status that says the same."""
    mode = Mode(int(health.mode))
    status = DiagnosticStatus(
        level=_LEVELS[mode],
        name=str(health.node).lstrip("/"),
        message=", ".join(health.active_faults) or mode.name,
        hardware_id=hardware_id,
    )
    values = {
        "mode": mode.name,
        "output rate Hz": f"{health.output_rate_hz:.2f}",
        "latency p95 ms": f"{health.latency_p95_ms:.1f}",
        "cpu %": f"{health.cpu_percent:.0f}",
        "memory MB": f"{health.rss_mb:.0f}",
        "received": str(health.received),
        "dropped": str(health.dropped),
    }
    status.values = [KeyValue(key=k, value=v) for k, v in values.items()]
    out = DiagnosticArray(status=[status])
    out.header.stamp = health.header.stamp
    return out
