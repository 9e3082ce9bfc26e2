"""From the simulator's frames to frames that are trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import UNKNOWN, Detections3D, Modality, PointCloud, Rig
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.learned_points import prepare
from perception_nodes.geometry import Transform

from .store import BOX, StoredFrame

# Beyond the raster's corners after a turn and a shift.
RANGE_M: Final = 62.0


class Frame(Protocol):
    """What a frame must have, as of `simulation.iterator.TrainingFrame`."""

    @property
    def sweep(self) -> PointCloud: ...  # noqa: D102 - in the lidar's frame, motion compensated
    @property
    def base_from_lidar(self) -> Transform: ...  # noqa: D102 - the mount
    @property
    def boxes(self) -> Detections3D: ...  # noqa: D102 - in the base frame at the sweep's stamp
    @property
    def street(self) -> int: ...  # noqa: D102 - seed of the drive
    @property
    def index(self) -> int: ...  # noqa: D102 - frame of the drive


def compensated_rig(rig: Rig) -> Rig:
    """The rig with lidars whose sweeps are motion compensated, as the node's are before detection."""
    sensors = tuple(
        replace(s, motion_compensated=True) if s.modality == Modality.LIDAR else s for s in rig.sensors
    )
    return replace(rig, sensors=sensors)


def points_config(rig: Rig) -> GeometricConfig:
    """Ground and own footprint for a rig, as far as training looks."""
    return GeometricConfig(range_m=RANGE_M).with_vehicle(rig.vehicle_lwh_m, rig.base_to_center_m)


def stored_frames(frames: Iterator[Frame], rig: Rig, number: int) -> Iterator[StoredFrame]:
    """Each frame as it is stored; `number`: which of the rigs it is of."""
    config = points_config(rig)
    return (store_frame(frame, config, number) for frame in frames)


def store_frame(frame: Frame, config: GeometricConfig, rig: int) -> StoredFrame:
    """Points over the ground and boxes over the ground of one frame."""
    pose = frame.base_from_lidar
    cloud = replace(
        frame.sweep,
        frame_id="base_link",
        xyz_m=np.ascontiguousarray(pose.apply(frame.sweep.xyz_m), np.float32),
    )
    points, ground, kept = prepare(cloud, pose.translation_m[None], config)
    ring = np.zeros(len(kept), np.uint8) if cloud.ring is None else (cloud.ring[kept] % 256).astype(np.uint8)
    origin = pose.translation_m.astype(np.float32)
    origin[2] -= np.float32(ground.height_at(pose.translation_m[None, :2])[0])
    boxes = stored_boxes(frame.boxes, ground.height_at(frame.boxes.center_m[:, :2]))
    return StoredFrame(points, ring, boxes, rig, frame.street, frame.index, origin)


def stored_boxes(boxes: Detections3D, ground_m: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    """(M,) `BOX` rows of the boxes that have a class and a point; ground_m (N,) height below each."""
    out = np.zeros(len(boxes), BOX)
    for name in ("lwh_m", "yaw_rad", "velocity_mps", "label", "num_points", "visibility"):
        out[name] = getattr(boxes, name)
    out["center_m"] = boxes.center_m
    out["center_m"][:, 2] -= ground_m
    kept: npt.NDArray[Any] = out[(boxes.label != UNKNOWN) & (boxes.num_points > 0)]
    return kept
