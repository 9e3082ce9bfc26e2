"""Learned lidar detector: raster, network, boxes. The same interface as the geometric one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import (
    ConfigurationError,
    Detections3D,
    ModelError,
    Orientation,
    PointCloud,
    SourceMask,
)

from .beams import Beams, count_points, sort_beams
from .ground import GroundGrid
from .learned_config import LearnedConfig
from .learned_decode import BOX_CHANNELS, DecodedBoxes, decode
from .learned_domain import DomainCheck, describe_points
from .learned_points import PreparedPoints, prepare
from .lidar import LidarFrame
from .raster import CHANNELS, RASTER_VERSION, RasterConfig, rasterize
from .runtime import OnnxModel
from .second_look import SecondLook, as_rows

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
KIND: Final = "lidar_bev"
# Beyond the raster there is nothing to detect, but the ground goes on.
_MARGIN_M: Final = 5.0


class LearnedLidarDetector:
    """One merged, motion-compensated cloud of the base frame in, boxes and ground out."""

    def __init__(self, path: Path, config: LearnedConfig | None = None) -> None:
        """Load a model. Raises ModelError if it is missing, unreadable, or not one of these detectors."""
        self.config = config or LearnedConfig()
        self.model = OnnxModel(path, self.config.runtime)
        about = _checked(self.model)
        self.model_id = str(about.get("name", path.stem))
        self.model_hash = self.model.model_hash
        calibration = _part(about, "calibration", path)
        self.calibration_id = str(calibration.get("id", ""))
        self._existence = _existence_table(calibration, path)
        self.second_look = SecondLook.of(about, path)
        self._sweeps = int(about.get("sweeps", 1))
        self.domain = _domain_check(_part(about, "statistics", path), path)
        self.raster = RasterConfig(float(about["cell_m"]), int(about["cells"]))
        limit = min(self.config.points.range_m, self.raster.reach_m + _MARGIN_M)
        self._points = replace(self.config.points, range_m=limit)
        self._input = np.zeros((1, len(CHANNELS), self.raster.cells, self.raster.cells), np.float32)

    def detect(self, cloud: PointCloud, origins_m: F64) -> LidarFrame:
        """Objects of one sweep.

        cloud: base frame, motion compensated; `cloud.source` (absent: all 0) is the row of `origins_m` (K, 3), the
        sensors' positions in the base frame.
        Raises MalformedMessage if a point names a sensor without an origin.
        """
        points, ground, kept = prepare(cloud, origins_m, self._points)
        origins = np.asarray(origins_m, np.float64).reshape(-1, 3)
        sensor_height_m = origins[:, 2] - ground.height_at(origins[:, :2])
        self.domain.add(describe_points(points, float(sensor_height_m[0])))
        beams = sort_beams(points, sensor_height_m)
        found = self._looked_at(points, beams)
        height = np.full(len(cloud), np.nan, np.float32)
        height[kept] = points.xyh_m[:, 2]
        detections = self._detections(cloud, found, beams, ground)
        return LidarFrame(detections, ground, height, self.config.points.object_min_height_m)

    def boxes(self, points: PreparedPoints, sensor_height_m: F64) -> DecodedBoxes:
        """Boxes in prepared points, z over the ground as sensor_height_m (K,) of the sensors."""
        return self._looked_at(points, sort_beams(points, sensor_height_m))

    def _looked_at(self, points: PreparedPoints, beams: Beams) -> DecodedBoxes:
        found = self.first_boxes(points)
        return found if self.second_look is None else self.second_look(found, beams)

    def first_boxes(self, points: PreparedPoints) -> DecodedBoxes:
        """What the network says, without the second look."""
        rasterize(points, self.raster, self._input[0])
        logits, maps = self.model.run(self._input)
        return decode(
            logits[0], maps[0], self.raster.cell_m * self.raster.cells / logits.shape[-1], self.config.decode
        )

    def _detections(
        self, cloud: PointCloud, found: DecodedBoxes, beams: Beams, ground: GroundGrid
    ) -> Detections3D:
        counts = count_points(beams, as_rows(found), 0.1)
        center = found.center_m.copy()
        center[:, 2] += ground.height_at(center[:, :2])
        n = len(found)
        odds = self.config.decode.direction_odds
        sure = found.front >= odds / (1.0 + odds)
        velocity = found.velocity_mps if self._sweeps > 1 else np.full((n, 2), np.nan)
        existence = np.full(n, np.nan)
        if self._existence is not None:
            existence = np.interp(found.score, *self._existence)
        return Detections3D.of(
            cloud.stamp_ns, cloud.frame_id, "lidar", center, found.lwh_m, found.yaw_rad,
            orientation=np.where(sure, Orientation.AVAILABLE, Orientation.SIGN_UNKNOWN).astype(np.uint8),
            velocity_mps=velocity, label=found.label, class_probabilities=found.probabilities, score=found.score,
            existence_probability=existence, covariance=covariance(found.std), num_points=counts,
            source_mask=np.full(n, SourceMask.LIDAR, np.uint8),
        )  # fmt: skip


def covariance(std: F64) -> F64:
    """(N, 9, 9) of x, y, z, yaw, l, w, h from (N, 5) spreads of position, l, w, h, yaw; velocity unknown."""
    out = np.full((len(std), 9, 9), np.nan)
    out[:, :7, :7] = 0.0
    for row, column in enumerate((0, 0, 3, 4, 1, 2, 3)):
        out[:, row, row] = std[:, column] ** 2
    # A centre is as high as its box: half of the height's spread, and what the ground is off.
    out[:, 2, 2] = 0.25 * std[:, 3] ** 2 + 0.05**2
    # Not known is how centre and extent err together.
    out[:, :2, 4:6] = out[:, 4:6, :2] = np.nan
    return out


def _checked(model: OnnxModel) -> dict[str, Any]:
    about = model.metadata
    if about.get("kind") != KIND:
        raise ModelError(f"{model.path}: not a model of `perception train lidar`: kind {about.get('kind')!r}")
    if about.get("raster") != RASTER_VERSION:
        raise ModelError(
            f"{model.path}: its raster is version {about.get('raster')!r}: wanted {RASTER_VERSION}"
        )
    try:
        cells = int(about["cells"])
        RasterConfig(float(about["cell_m"]), cells)
    except (KeyError, TypeError, ValueError, ConfigurationError) as error:
        raise ModelError(f"{model.path}: its metadata has no usable cells and cell_m: {error!r}") from error
    wanted = [1, len(CHANNELS), cells, cells]
    if model.input_shape != wanted or len(model.output_names) != 2:
        raise ModelError(
            f"{model.path}: wanted input {wanted} and 2 outputs (10 classes; {BOX_CHANNELS} of the box), got"
            f" {model.input_shape} and {model.output_names}"
        )
    return about


def _part(about: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    """An object in the metadata, empty where there is none."""
    value = about.get(name) or {}
    if not isinstance(value, dict):
        raise ModelError(f"{path}: {name}: wanted an object, got {value!r}")
    return value


def _domain_check(statistics: dict[str, Any], path: Path) -> DomainCheck:
    try:
        return DomainCheck(statistics)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path}: statistics: wanted three quantiles of each quantity: {error}") from error


def _existence_table(calibration: dict[str, Any], path: Path) -> tuple[F64, F64] | None:
    """Scores and the probabilities that they stand for, both rising; None where the model was not calibrated."""
    if not calibration:
        return None
    score, probability = (np.asarray(calibration.get(k, ()), np.float64) for k in ("score", "probability"))
    rising = len(score) >= 2 and len(score) == len(probability) and (np.diff(score) >= 0).all()
    if not rising or not ((probability >= 0) & (probability <= 1)).all():
        raise ModelError(f"{path}: calibration: wanted rising scores with as many probabilities in 0..1")
    return score, probability
