"""Several lidars' sweeps as one cloud in the base frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import MalformedMessage, PointCloud

from .transforms import Transform


def merge_clouds(
    parts: Sequence[tuple[PointCloud, Transform]], stamp_ns: int, frame_id: str
) -> tuple[PointCloud, npt.NDArray[np.float64]]:
    """One cloud in `frame_id` at `stamp_ns` and the sensors' origins (K, 3) m in that frame.

    parts: clouds already compensated to `stamp_ns`, each with frame_from_sensor. `source` of the result is the index
    of the part. Intensity and ring are kept where every part has them. Raises MalformedMessage if there is no part.
    """
    if not parts:
        raise MalformedMessage("merge_clouds: wanted at least one cloud, got none")
    clouds = [cloud for cloud, _ in parts]
    xyz = [np.ascontiguousarray(pose.apply(cloud.xyz_m), np.float32) for cloud, pose in parts]
    source = [np.full(len(cloud), index, np.uint8) for index, cloud in enumerate(clouds)]
    intensity = [c.intensity for c in clouds if c.intensity is not None]
    ring = [c.ring for c in clouds if c.ring is not None]
    merged = PointCloud(
        stamp_ns=stamp_ns,
        frame_id=frame_id,
        xyz_m=np.concatenate(xyz),
        intensity=np.concatenate(intensity) if len(intensity) == len(clouds) else None,
        ring=np.concatenate(ring) if len(ring) == len(clouds) else None,
        source=np.concatenate(source),
        invalid_points=sum(c.invalid_points for c in clouds),
    )
    return merged, np.stack([pose.translation_m for _, pose in parts])
