"""Which lidar detector a node runs: `geometric`, `auto`, a model file, or the folder of a foreign model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError, ModelError, PointCloud
from perception_nodes.resources import resource_path

from .learned_config import LearnedConfig
from .lidar import GeometricLidarDetector, LidarFrame, practice_sweep

GEOMETRIC, AUTO = "geometric", "auto"
# What `auto` takes where the package has it.
SHIPPED: Final = "models/lidar_small.onnx"


def check_choice(model: str, option: str) -> None:
    """Raises ConfigurationError, naming `option`, for a model that is neither a known word nor there."""
    if model not in (GEOMETRIC, AUTO) and not Path(model).exists():
        wanted = f"{GEOMETRIC}, {AUTO}, an ONNX file or the folder of a foreign model"
        raise ConfigurationError(f"{option} {model}: no such file: wanted {wanted}")


@dataclass(frozen=True, eq=False)
class OpenedDetector:
    """A detector and what is to be said of it.

    detect: a merged cloud of the base frame and the sensors' origins (K, 3) to a `LidarFrame`; misfits: sentences
    where the sweeps are unlike those of the training; description: what runs, for the log.
    """

    detect: Callable[[PointCloud, npt.NDArray[np.float64]], LidarFrame]
    misfits: Callable[[], list[str]]
    description: str
    model_id: str = GEOMETRIC
    model_hash: str = ""
    calibration_id: str = ""

    def warm(self) -> None:
        """Compile (or load) the kernels and run once, so that the first real frame is not the slow one."""
        self.detect(*practice_sweep())


def open_detector(model: str, config: LearnedConfig) -> OpenedDetector:
    """The detector that `model` names.

    model: `geometric`; `auto`: the shipped model, or the geometric detector where there is none; else a path: a file of
    `perception train lidar`, or a folder as `learned_foreign` or `learned_anchors` describes it.
    Raises ModelError for a file that is missing or no model of this detector.
    """
    path = _shipped() if model == AUTO else None if model == GEOMETRIC else Path(model)
    if path is None:
        geometric = GeometricLidarDetector(config.points)
        why = " (auto: no model is shipped)" if model == AUTO else ""
        return OpenedDetector(geometric.detect, list, f"geometric lidar detector{why}")
    if path.is_dir():
        return _open_foreign(path, config)
    if not path.is_file():
        raise ModelError(
            f"lidar model {model!r}: no such file: wanted {GEOMETRIC}, {AUTO} or the path of an ONNX file"
        )
    # ONNX Runtime is loaded only where it is used.
    from .learned import LearnedLidarDetector

    learned = LearnedLidarDetector(path, config)
    return OpenedDetector(
        learned.detect,
        learned.domain.misfits,
        f"{learned.model.describe()}; providers in use: {', '.join(learned.model.providers)}",
        learned.model_id,
        learned.model_hash,
        learned.calibration_id,
    )


def _open_foreign(folder: Path, config: LearnedConfig) -> OpenedDetector:
    from .learned_anchors import PARAMETERS, AnchorLidarDetector
    from .learned_foreign import ForeignLidarDetector

    anchors = (folder / PARAMETERS).is_file()
    foreign = AnchorLidarDetector(folder, config) if anchors else ForeignLidarDetector(folder, config)
    text = f"{foreign.describe()}; providers in use: {', '.join(foreign.providers)}"
    return OpenedDetector(foreign.detect, list, text, foreign.model_id, foreign.model_hash)


def _shipped() -> Path | None:
    try:
        return resource_path(SHIPPED)
    except ConfigurationError:
        return None
