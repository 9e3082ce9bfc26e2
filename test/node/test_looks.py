"""The tracker node and who has looked: a frame without a lidar takes nothing from what only the lidar could see."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo
from tf2_msgs.msg import TFMessage

from perception_nodes import msg
from perception_nodes.datatypes import (
    Detections3D,
    FrameInfo,
    LatencyTrace,
    Modality,
    Mode,
    Orientation,
    Qualifier,
    SensorReason,
    SensorStatus,
)
from perception_nodes.ros import qos
from perception_nodes.ros.convert import to_msg

PERIOD_NS = 100_000_000
AHEAD, BEHIND = (15.0, 1.0), (-12.0, -4.0)
SEEN, LOST, BLIND = 22, 18, 14  # frames
O = msg.TrackedObject  # noqa: E741


class Frames:
    """Sends the tracker what fusion would, with stamps in the future, so that it fills no gaps on a busy machine."""

    def __init__(self, bench: Any) -> None:
        self.bench, self.count = bench, 0
        self.begin_ns = time.time_ns() + 10**15
        self.out = bench.keep(msg.TrackedObjectArray, "/perception/objects", qos.objects())
        topic = "/perception/fusion/objects"
        self.fused = bench.node.create_publisher(msg.Detection3DArray, topic, qos.detections())
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.static = bench.node.create_publisher(TFMessage, "/tf_static", latched)

    def know_camera(self) -> None:
        """A camera that looks ahead, 60 degrees wide."""
        mount = TransformStamped(header=to_msg.header(0, "base_link"), child_frame_id="camera")
        q = mount.transform.rotation
        q.x, q.y, q.z, q.w = -0.5, 0.5, -0.5, 0.5
        mount.transform.translation.z = 1.5
        self.static.publish(TFMessage(transforms=[mount]))
        info = CameraInfo(width=800, height=400, k=[693.0, 0.0, 400.0, 0.0, 693.0, 200.0, 0.0, 0.0, 1.0])
        info.header.frame_id = "camera"
        self.bench.infos.publish(info)

    def send(self, *boxes: tuple[float, float], seeing: tuple[str, ...] = ("lidar", "camera")) -> Any:
        """One frame into which these sensors have gone; what the tracker says to it."""
        stamp = self.begin_ns + self.count * PERIOD_NS
        self.count += 1
        for at in (stamp - PERIOD_NS, stamp):
            self.bench.pose(at)
        modes = {0: Mode.BLIND, 1: Mode.DEGRADED, 2: Mode.NOMINAL}
        trace = LatencyTrace("monotonic", "here", stamp, stamp, ("fusion",), (1,), (2,))
        status = tuple(_status(name, kind, name in seeing, stamp) for name, kind in SENSORS.items())
        info = FrameInfo(1, self.count, modes[len(seeing)], trace, sensors=status)
        self.fused.publish(to_msg.detections_3d(_found(stamp, boxes), info))
        self.bench.until(lambda: any(_stamp(m) == stamp for m in self.out))
        return next(m for m in self.out if _stamp(m) == stamp)


SENSORS = {"lidar": Modality.LIDAR, "camera": Modality.CAMERA}


def _status(name: str, kind: Modality, seeing: bool, stamp: int) -> SensorStatus:
    if seeing:
        return SensorStatus(name, kind, Qualifier.AVAILABLE, SensorReason.NORMAL, stamp)
    return SensorStatus(name, kind, Qualifier.NOT_AVAILABLE, SensorReason.STALE)


def _found(stamp: int, boxes: tuple[tuple[float, float], ...]) -> Detections3D:
    n = len(boxes)
    center = np.column_stack([np.reshape(boxes, (n, 2)), np.full(n, 0.8)])
    size = np.tile([4.5, 1.9, 1.6], (n, 1))
    known = {"score": np.full(n, 0.9), "orientation": np.full(n, Orientation.SIGN_UNKNOWN, np.uint8)}
    return Detections3D.of(stamp, "base_link", "fusion", center, size, np.zeros(n), **known)


def _stamp(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def _cars(message: Any) -> dict[int, int]:
    """State by id."""
    return {int(o.id): int(o.state) for o in message.objects if o.state != O.STATE_DELETED}


def test_what_only_the_lost_lidar_could_see_coasts_and_keeps_its_id(bench: Any) -> None:
    frames = Frames(bench)
    bench.start("tracker")
    for publisher in (frames.fused, bench.infos, frames.static):
        bench.ready(publisher)
    bench.ready(bench.tf, 1)
    frames.know_camera()
    for _ in range(SEEN):
        whole = frames.send(AHEAD, BEHIND)
    assert sorted(_cars(whole).values()) == [O.STATE_CONFIRMED] * 2
    ahead, behind = (next(int(o.id) for o in whole.objects if (o.x > 0) == front) for front in (True, False))
    for _ in range(LOST):
        alone = frames.send(AHEAD, seeing=("camera",))
        assert _cars(alone) == {ahead: O.STATE_CONFIRMED, behind: O.STATE_COASTING}
    assert [o.visibility > 0 for o in sorted(alone.objects, key=lambda o: o.x)] == [False, True]
    # Back, with an empty street ahead: it is missed there, because somebody looks, and not behind.
    for _ in range(LOST):
        last = frames.send(BEHIND)
        if ahead not in _cars(last):
            break
    assert _cars(last) == {behind: O.STATE_CONFIRMED}
    (gone,) = [o for o in last.objects if o.state == O.STATE_DELETED]
    assert gone.end_reason in (O.END_MISSED, O.END_LOW_EXISTENCE)
    blind = [frames.send(seeing=()) for _ in range(BLIND)]
    assert [_cars(m) for m in blind[:10]] == [{behind: O.STATE_COASTING}] * 10
    assert not any(m.objects for m in blind[10:])
    assert all(m.info.mode == msg.FrameInfo.MODE_BLIND for m in blind)
