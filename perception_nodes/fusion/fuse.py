"""Late fusion: lidar objects confirmed, classified and completed by camera boxes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from perception_nodes.datatypes import UNKNOWN, Detections3D, SourceMask

from .camera_only import camera_only_objects
from .config import FusionConfig
from .projection import CameraView, Projection, hidden_share, overlap_matrix, project_boxes

F64 = npt.NDArray[np.float64]
_EPS = 1e-3


def fused_model(lidar: str, cameras: Iterable[str] = ()) -> str:
    """Name of what made fused objects, from the `model_id` of their detectors: what their scores are worth depends on
    all of these.
    """
    return f"late_fusion({'+'.join([lidar, *sorted(set(cameras))])})"


class ObjectFusion:
    """Stateless: associate in the image, combine class and existence, add what only a camera sees."""

    def __init__(self, config: FusionConfig | None = None) -> None:
        self.config = config or FusionConfig()

    def fuse(
        self,
        lidar: Detections3D | None,
        cameras: Sequence[CameraView],
        stamp_ns: int,
        frame_id: str = "base_link",
    ) -> Detections3D:
        """Objects in `frame_id` (base_link) at `stamp_ns`. `lidar` None: that sensor is missing in this frame."""
        objects = lidar if lidar is not None else Detections3D.empty(stamp_ns, frame_id, "fusion")
        log_odds = _log_odds(objects.score)
        log_class = np.log(np.clip(objects.class_probabilities, _EPS, 1.0))
        mask = objects.source_mask.copy()
        extra = []
        for view in cameras:
            projection = project_boxes(objects, view.model, view.optical_from_base)
            matched_object, matched_box = self._associate(projection, view)
            log_odds[matched_object] += self._match_evidence(view, matched_box)
            camera_class = np.clip(view.detections.class_probabilities[matched_box], _EPS, 1.0)
            log_class[matched_object] += self.config.camera_class_weight * np.log(camera_class)
            mask[matched_object] |= np.uint8(SourceMask.CAMERA)
            missed = self._clearly_missed(objects, projection, matched_object)
            log_odds[missed] -= self.config.miss_log_odds
            lonely = self._lonely_boxes(projection, view, matched_box)
            extra.append(camera_only_objects(view, lonely, stamp_ns, frame_id, self.config))
        probabilities = np.exp(log_class - log_class.max(axis=1, keepdims=True, initial=-np.inf))
        probabilities /= np.maximum(probabilities.sum(axis=1, keepdims=True), 1e-12)
        fused = replace(
            objects,
            source="fusion",
            score=1 / (1 + np.exp(-log_odds)),
            class_probabilities=probabilities,
            label=probabilities.argmax(axis=1).astype(np.uint8) if len(objects) else objects.label,
            source_mask=mask,
        )
        return Detections3D.concatenate([fused, *extra])

    def _associate(
        self, projection: Projection, view: CameraView
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Indices (objects, boxes) of the pairs: the assignment that maximises the overlap."""
        iou, of_object, of_box = overlap_matrix(projection.rect_px, view.detections.box_px)
        overlap = (iou + np.maximum(of_object, of_box)) / 2
        # Two boxes that nest without being of one size are an object and one behind or before it.
        overlap = np.where(iou > 0.1, overlap, 0.0)
        rows, columns = linear_sum_assignment(-overlap)
        good = overlap[rows, columns] >= self.config.min_overlap
        return rows[good].astype(np.int64), columns[good].astype(np.int64)

    def _match_evidence(self, view: CameraView, boxes: npt.NDArray[np.int64]) -> F64:
        """Log-odds that a matched box adds: in proportion to its score."""
        return self.config.match_log_odds * 2 * view.detections.score[boxes]

    def _clearly_missed(
        self, objects: Detections3D, projection: Projection, matched: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Objects of a class that cameras know, fully in view, large enough and not hidden, without a box."""
        height = projection.rect_px[:, 3] - projection.rect_px[:, 1]
        clear: npt.NDArray[np.bool_] = np.asarray(
            (projection.inside > 0.95)
            & (np.nan_to_num(height) >= self.config.miss_min_height_px)
            & (projection.depth_m <= self.config.miss_max_range_m)
            & (hidden_share(projection) < 0.3)
            & (objects.label != UNKNOWN)
        )
        clear[matched] = False
        return clear

    def _lonely_boxes(
        self, projection: Projection, view: CameraView, matched: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Boxes good enough to be objects of their own: strong, unmatched, not on a lidar object."""
        covered = overlap_matrix(projection.rect_px, view.detections.box_px)[2]
        free = covered.max(axis=0, initial=0.0) <= self.config.covered_share
        free &= view.detections.score >= self.config.camera_only_score
        free[matched] = False
        return np.flatnonzero(free).astype(np.int64)


def _log_odds(score: F64) -> F64:
    """Log-odds of scores; an unknown score counts as 0.5."""
    p = np.clip(np.nan_to_num(score, nan=0.5), _EPS, 1 - _EPS)
    return np.asarray(np.log(p / (1 - p)))
