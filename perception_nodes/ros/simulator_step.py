"""One step of a simulated drive onto topics. The simulator itself is not known here: its frames come in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from perception_nodes.datatypes import Image, Modality, PointCloud, RadarScan, Rig
from perception_nodes.geometry import Transform

from .simulator_lockstep import NEAR_NS
from .simulator_outputs import SimulatorOutputs


class StepSender:
    """Publishes `SimFrame`s: time first, then where the vehicle is, then what is true, then what the sensors saw.

    guide: distance to the next closed line and allowed speed at a frame; true_of: topic and value of the sensors' truth
    of a frame, of the topics that a function asks for; looped: a planner decides by the odometry topic.
    """

    def __init__(
        self,
        out: SimulatorOutputs,
        rig: Rig,
        guide: Callable[[Any], tuple[float, float]],
        true_of: Callable[[Any, Callable[[str], bool]], Iterable[tuple[str, Any]]],
        *,
        looped: bool,
    ) -> None:
        self._out, self._guide, self._true_of, self._looped = out, guide, true_of, looped
        self._wheels = bool(rig.odometry_topic) and not looped
        self._lidars = {s.name for s in rig.of(Modality.LIDAR)}

    def begin(self, stamp_ns: int, odom_from_base: Transform) -> None:
        """Time and place before the first step."""
        self._out.clock(stamp_ns)
        self._out.pose(stamp_ns, odom_from_base)

    def send(self, frame: Any) -> None:
        """A step."""
        out, stamp_ns, pose = self._out, frame.stamp_ns, frame.odom_from_base
        out.clock(stamp_ns)
        out.pose(stamp_ns, pose)
        out.guide(stamp_ns, *self._guide(frame))
        if self._looped:  # the planner decides once a step, in the frame of the objects
            out.odometry(stamp_ns, pose, frame.ego.speed_mps, frame.ego.yaw_rate_rps)
        out.truth(frame.truth)
        for topic, value in self._true_of(frame, out.hears_truth):
            out.sensor_truth(topic, stamp_ns, value)
        for emission in frame.emissions:
            if isinstance(emission.value, PointCloud | RadarScan | Image):
                out.sensor(emission.sensor, emission.stamp_ns, emission.value)
            else:
                self._send_motion(emission.stamp_ns, emission.value)

    def _send_motion(self, stamp_ns: int, sample: Any) -> None:
        """As in a bag: IMU, and wheel odometry where the rig has a topic for it, unless the planner needs that."""
        self._out.imu(stamp_ns, sample)
        if self._wheels:
            self._out.wheels(stamp_ns, sample)

    def measured(self, frame: Any) -> bool:
        """Whether a sweep of this step went out: without one no objects are due for it."""
        near = [e.sensor for e in frame.emissions if abs(e.stamp_ns - frame.stamp_ns) <= NEAR_NS]
        return not self._lidars.isdisjoint(near)
