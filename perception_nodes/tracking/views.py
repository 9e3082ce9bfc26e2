"""What the sensors of a rig have in view, and what is published while none of them sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from perception_nodes.datatypes import Modality, Rig, SensorSpec, Tracks, TrackState, TransformUnavailable
from perception_nodes.geometry import CameraModel, Transform, wrap_angle

from .config import TrackerConfig
from .looks import Look, all_around

Lookup = Callable[[str, str, int], Transform]

# They confirm each other's objects in one list, and what hides an object from one often hides it from the others.
_DETECTOR = "fusion"
_LATE = 1.5
COAST_NS = 1_000_000_000


class RigViews:
    """The looks of a rig's sensors at a fused frame, each worked out once: mounts do not move.

    A lidar that sees all around is the detector that `TrackerConfig` describes. No detector reads radar yet.
    """

    def __init__(self, rig: Rig, config: TrackerConfig) -> None:
        self._specs = {s.name: s for s in rig.sensors}
        self._base, self._config = rig.base_frame, config
        self._cameras: dict[str, tuple[CameraModel, str]] = {}
        self._looks: dict[str, Look] = {}

    def know_camera(self, name: str, model: CameraModel, frame_id: str) -> None:
        """Intrinsics of a camera and its optical frame."""
        self._cameras[name] = (model, frame_id)

    def looks(self, names: Iterable[str], stamp_ns: int, lookup: Lookup) -> tuple[Look, ...]:
        """Of those sensors, by name. One whose calibration or mount is not known (yet) has no look: nothing can be held
        against a track for its sake. One that the rig does not have looks all around.
        """
        made = [self._look(name, stamp_ns, lookup) for name in names]
        looks = tuple(one for one in made if one is not None)
        # What sees all of it, and sees it best, leaves nothing to add: the parameters are of such frames.
        best = max((one.detection_probability for one in looks), default=0.0)
        whole = [one for one in looks if one.half_angle_rad == np.pi and one.detection_probability == best]
        return tuple(whole[:1]) or looks

    def _look(self, name: str, stamp_ns: int, lookup: Lookup) -> Look | None:
        if name not in self._specs:
            return replace(all_around(self._config), detector=_DETECTOR)
        if name not in self._looks:
            spec = self._specs[name]
            try:
                made = self._made(spec, stamp_ns, lookup)
            except TransformUnavailable:
                return None
            if made is None:
                return None
            self._looks[name] = replace(made, detector=_DETECTOR, period_s=_LATE / spec.rate_hz)
        return self._looks[name]

    def _made(self, spec: SensorSpec, stamp_ns: int, lookup: Lookup) -> Look | None:
        around = all_around(self._config)
        if spec.modality == Modality.CAMERA and spec.name in self._cameras:
            model, frame_id = self._cameras[spec.name]
            mount = lookup(self._base, spec.frame or frame_id, stamp_ns)
            bearing_rad, half_angle_rad = field_of_view(model, mount)
            return Look(
                _DETECTOR,
                self._config.camera_detection_probability,
                self._config.camera_detection_range_m,
                self._config.camera_range_m,
                _xyz(mount),
                bearing_rad,
                half_angle_rad,
            )
        if spec.modality != Modality.LIDAR:
            return None
        half_angle_rad = min(spec.fov_rad / 2, np.pi)
        if half_angle_rad == np.pi:
            return around
        mount = lookup(self._base, spec.frame or self._base, stamp_ns)
        return replace(around, sensor_m=_xyz(mount), bearing_rad=mount.yaw_rad, half_angle_rad=half_angle_rad)


def field_of_view(model: CameraModel, base_from_optical: Transform) -> tuple[float, float]:
    """Middle and half of a camera's horizontal field of view in the base frame, rad: between its left and right edge at
    the height of the principal point. What is wider than a half circle counts as one.
    """
    edges_px = np.array([[0.0, model.cy_px], [float(model.width_px), model.cy_px]])
    ahead = base_from_optical.rotate(np.array([[0.0, 0.0, 1.0]]))[0]
    edges = base_from_optical.rotate(model.rays(edges_px))
    axis_rad = float(np.arctan2(ahead[1], ahead[0]))
    aside = np.asarray(wrap_angle(np.arctan2(edges[:, 1], edges[:, 0]) - axis_rad))
    left, right = np.where(np.isnan(aside), [np.pi / 2, -np.pi / 2], aside).tolist()
    return float(wrap_angle(axis_rad + (left + right) / 2)), abs(left - right) / 2


def _xyz(mount: Transform) -> tuple[float, float, float]:
    x, y, z = mount.translation_m.tolist()
    return x, y, z


@dataclass
class Sight:
    """Since when no sensor has seen anything: then tracks are published for `COAST_NS`, and after that only their ends.

    The tracker itself goes on, so that ids last if a sensor comes back before the tracks end.
    """

    last_ns: int = 0

    def lost(self, stamp_ns: int) -> bool:
        """Whether it has been so for longer than tracks may coast."""
        return stamp_ns - self.last_ns > COAST_NS

    def published(self, tracks: Tracks, seen: bool) -> Tracks:
        """What a planner may have of the tracks of a frame; seen: a sensor has seen something for it."""
        if seen:
            self.last_ns = tracks.stamp_ns
        return tracks.select(tracks.state == TrackState.DELETED) if self.lost(tracks.stamp_ns) else tracks
