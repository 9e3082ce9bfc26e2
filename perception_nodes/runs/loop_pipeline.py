"""Perception for the closed loop without ROS: the stages of `pipeline.py` on what the simulator sends."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from perception_nodes.datatypes import (
    MapElements,
    Modality,
    Mode,
    PerceptionError,
    PointCloud,
    Rig,
    SensorSpec,
    Tracks,
    TransformUnavailable,
)
from perception_nodes.datatypes.existence import is_tentative
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.learned_choice import GEOMETRIC
from perception_nodes.geometry import Transform, interpolate
from perception_nodes.pipeline import FrameInput, Pipeline, PipelineConfig
from perception_nodes.ros.sweeps import BLIND_POINTS, SweepFrames, merged_sweep
from perception_nodes.simulation.simulation import SimFrame
from perception_nodes.tracking import RigViews, Source

# As the nodes judge it: an input is stale after 2.5 periods and 0.1 s.
_STALE_NS = 350_000_000
_KEPT = 16


@dataclass(frozen=True)
class Percept:
    """What perception says at one time: objects, lines, and whether they may be relied upon. None: nothing yet."""

    tracks: Tracks | None
    elements: MapElements | None
    mode: Mode


class Poses:
    """odom_from_base at the last stamps, as /tf has it, and the mounts of the rig file."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._poses: deque[tuple[int, Transform]] = deque(maxlen=_KEPT)
        self._mounts = {
            s.frame: Transform.from_xyz_rpy(s.mount_xyz_m, s.mount_rpy_rad)
            for s in rig.sensors
            if s.mount_xyz_m is not None
        }

    def add(self, stamp_ns: int, odom_from_base: Transform) -> None:
        """The newest pose."""
        self._poses.append((stamp_ns, odom_from_base))

    def lookup(self, target: str, source: str, stamp_ns: int) -> Transform:
        """target_from_source; raises TransformUnavailable for an unknown frame or a time without pose."""
        if target == source:
            return Transform.identity()
        in_base = Transform.identity() if source == self._rig.base_frame else self._mounts.get(source)
        if in_base is None or target not in (self._rig.base_frame, self._rig.odom_frame):
            raise TransformUnavailable(f"no transform {target} <- {source}")
        return in_base if target == self._rig.base_frame else self._pose(stamp_ns) @ in_base

    def _pose(self, stamp_ns: int) -> Transform:
        for (early_ns, early), (late_ns, late) in zip(self._poses, list(self._poses)[1:], strict=False):
            if early_ns <= stamp_ns <= late_ns:
                return interpolate(early, late, (stamp_ns - early_ns) / (late_ns - early_ns))
        raise TransformUnavailable(f"no pose of the vehicle at {stamp_ns} ns")


class PipelinePerception:
    """Takes each step of the simulation; sweeps that come late or not at all are as late or missing for the stages."""

    def __init__(self, rig: Rig, lidar_model: str = GEOMETRIC) -> None:
        """lidar_model: as of `open_detector`. Raises ModelError for a model that cannot be opened."""
        lidar = GeometricConfig().with_vehicle(rig.vehicle_lwh_m, rig.base_to_center_m)
        self._pipeline = Pipeline(PipelineConfig(lidar=lidar, lidar_model=lidar_model), rig.odom_frame)
        self._specs = {s.name: s for s in rig.of(Modality.LIDAR)}
        self._frames = SweepFrames.of(rig, rig.odom_frame)
        self._views = RigViews(rig, self._pipeline.tracker.config)
        self._base = rig.base_frame
        self._poses = Poses(rig)
        self._last_ns = 0  # stamp of the last sweep that was used
        self._blind = False
        self._elements: MapElements | None = None

    @property
    def source(self) -> Source:
        """What the tracker's detections are of."""
        return self._pipeline.source

    def believed(self, tracks: Tracks) -> Tracks:
        """Tracks with the existence that the tracker believes in: the planner's limits are on that."""
        calibration = self._pipeline.tracker.calibration
        if calibration is None:
            return tracks
        existence = calibration.belief(tracks.label, is_tentative(tracks), tracks.existence_probability)
        return replace(tracks, existence_probability=existence)

    def know_pose(self, stamp_ns: int, odom_from_base: Transform) -> None:
        """Where the vehicle is, from /tf."""
        self._poses.add(stamp_ns, odom_from_base)

    def perceive(self, frame: SimFrame) -> Percept:
        """State after the step."""
        self.know_pose(frame.stamp_ns, frame.odom_from_base)
        arrived: dict[int, list[tuple[SensorSpec, PointCloud]]] = {}
        for emission in frame.emissions:
            if emission.sensor in self._specs and isinstance(emission.value, PointCloud):
                sweep = (self._specs[emission.sensor], emission.value)
                arrived.setdefault(emission.value.stamp_ns, []).append(sweep)
        tracks, complete = None, False
        for stamp_ns in sorted(s for s in arrived if s > self._last_ns):
            try:
                tracks = self._process(arrived[stamp_ns], stamp_ns)
                complete = len(arrived[stamp_ns]) == len(self._specs)
            except PerceptionError:
                continue  # a frame that cannot be used is dropped, as in the graph
        if not self._last_ns:
            return Percept(None, None, Mode.STARTING)
        age_ns = frame.stamp_ns - self._last_ns
        if self._pipeline.sight.lost(frame.stamp_ns):
            return Percept(
                Tracks.empty(frame.stamp_ns, self._pipeline.tracking_frame), self._elements, Mode.BLIND
            )
        if tracks is None or tracks.stamp_ns < frame.stamp_ns:
            tracks = self._pipeline.tracker.predict(frame.stamp_ns)
        if self._blind or age_ns > _STALE_NS:
            return Percept(tracks, self._elements, Mode.BLIND)
        return Percept(tracks, self._elements, Mode.NOMINAL if complete else Mode.DEGRADED)

    def _process(self, sweeps: list[tuple[SensorSpec, PointCloud]], stamp_ns: int) -> Tracks:
        cloud, origins = merged_sweep(sweeps, stamp_ns, self._frames, self._poses.lookup)
        pose = self._poses.lookup(self._pipeline.tracking_frame, self._base, stamp_ns)
        seeing = [spec.name for spec, sweep in sweeps if len(sweep) >= BLIND_POINTS]
        looks = self._views.looks(seeing, stamp_ns, self._poses.lookup)
        output = self._pipeline.process(FrameInput(cloud, origins, pose, looks=looks))
        self._last_ns, self._elements = stamp_ns, output.elements
        self._blind = not seeing
        return output.tracks
