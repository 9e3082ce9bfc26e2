"""Which lidar detector a node runs: `geometric`, `auto`, a shipped model, a model file, a foreign model's folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
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
# Words for models that the package brings, and what `auto` takes where it does.
SHIPPED: Final[Mapping[str, str]] = {"small": "models/lidar_small.onnx", "base": "models/lidar_base.onnx"}
_AUTOMATIC: Final = "small"
_WANTED: Final = f"{GEOMETRIC}, {AUTO}, {', '.join(SHIPPED)}, an ONNX file or the folder of a foreign model"


def check_choice(model: str, option: str) -> None:
    """Raises ConfigurationError, naming `option`, for a model that is neither a known word nor there."""
    if model not in (GEOMETRIC, AUTO) and not model_path(model).exists():
        raise ConfigurationError(f"{option} {model}: no such file: wanted {_WANTED}")


def model_path(model: str | Path) -> Path:
    """The file of a shipped model by its word (`small`, `base`; a folder of that name is `./small`), else the path."""
    word = str(model)
    if word in SHIPPED:
        with suppress(ConfigurationError):
            return resource_path(SHIPPED[word])
    return Path(model)


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

    model: `geometric`; `auto`: the shipped `small`, or the geometric detector where there is none; `small`, `base`:
    shipped models; else a path: a file of `perception train lidar`, or a folder as `learned_foreign` or
    `learned_anchors` describes it.
    Raises ModelError for a file that is missing or no model of this detector.
    """
    path = model_path(_AUTOMATIC if model == AUTO else model)
    if model == GEOMETRIC or (model == AUTO and not path.is_file()):
        geometric = GeometricLidarDetector(config.points)
        why = " (auto: no model is shipped)" if model == AUTO else ""
        return OpenedDetector(geometric.detect, list, f"geometric lidar detector{why}")
    if path.is_dir():
        return _open_foreign(path, config)
    if not path.is_file():
        raise ModelError(f"lidar model {model!r}: no such file: wanted {_WANTED}")
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
