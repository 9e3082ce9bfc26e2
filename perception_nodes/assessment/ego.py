"""Where the vehicle was, from the /tf messages of a recording."""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_nodes.datasets.messages import stamp_ns
from perception_nodes.datasets.poses import PoseTrack
from perception_nodes.datatypes import PerceptionError
from perception_nodes.geometry import Transform
from perception_nodes.ros.convert import from_msg

# A pose is not made up further outside what was recorded than this.
_REACH_NS = 150_000_000
_DEPTH = 16


class EgoMotion:
    """fixed_from_base at any stamp; feed it all TFMessages, in any order, then ask."""

    def __init__(self, fixed_frame: str, base_frame: str) -> None:
        self._fixed = fixed_frame.lstrip("/")
        self._base = base_frame.lstrip("/")
        self._moving: dict[str, tuple[str, dict[int, Transform]]] = {}
        self._still: dict[str, tuple[str, Transform]] = {}
        self._tracks: dict[str, PoseTrack] = {}

    def add(self, message: Any, *, static: bool) -> None:
        """Add a tf2_msgs/TFMessage; an impossible rotation is left out."""
        for item in message.transforms:
            parent, child = item.header.frame_id.lstrip("/"), item.child_frame_id.lstrip("/")
            try:
                pose = from_msg.transform(item.transform)
            except PerceptionError:
                continue
            if static:
                self._still[child] = (parent, pose)
            else:
                self._moving.setdefault(child, (parent, {}))[1][stamp_ns(item)] = pose
        self._tracks.clear()

    def at(self, stamp: int) -> Transform | None:
        """fixed_from_base, None where it is not known; poses between two recorded ones are interpolated."""
        pose, frame = Transform.identity(), self._base
        for _ in range(_DEPTH):
            if frame == self._fixed:
                return pose
            step = self._step(frame, stamp)
            if step is None:
                return None
            frame, pose = step[0], step[1] @ pose
        return None

    def _step(self, child: str, stamp: int) -> tuple[str, Transform] | None:
        """(parent, parent_from_child)."""
        if child in self._still:
            return self._still[child]
        if child not in self._moving:
            return None
        parent, poses = self._moving[child]
        if child not in self._tracks:
            stamps = sorted(poses)
            self._tracks[child] = PoseTrack(tuple(stamps), tuple(poses[s] for s in stamps))
        track = self._tracks[child]
        near = track.stamps_ns[0] - _REACH_NS <= stamp <= track.stamps_ns[-1] + _REACH_NS
        return (parent, track.at(stamp)) if near else None


def turned(yaw_rad: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(2, 2) rotation about +z."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([[c, -s], [s, c]])
