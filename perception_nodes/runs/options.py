"""What a run is asked to do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.detection.learned_choice import check_choice
from perception_nodes.tracking.calibration import NONE, ExistenceCalibrations

SYNC_POLICIES = ("aligner", "approximate_time")
# The arguments of the graph that the stages take without it.
LIDAR_MODEL = "lidar_model"
EXISTENCE_CALIBRATION = "existence_calibration"
_OFFLINE = (LIDAR_MODEL, EXISTENCE_CALIBRATION)


@dataclass(frozen=True)
class RunOptions:
    """Arguments of `perception run`; see its --help for their meaning. lidar_model: empty = as the graph says."""

    input: Path
    output: Path
    rig: str = ""
    lidar_model: str = ""
    camera_model: Path | None = None
    rate: float = 1.0
    start_s: float = 0.0
    duration_s: float | None = None
    loop: bool = False
    view: bool = False
    view_port: int = 8765
    offline: bool = False
    sync_policy: str = "aligner"
    graph: Path | None = None
    graph_arguments: tuple[str, ...] = ()
    start_timeout_s: float = 240.0

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf:
            raise ConfigurationError(f"--rate {self.rate}: wanted > 0")
        if not 0 <= self.start_s < math.inf:
            raise ConfigurationError(f"--start {self.start_s}: wanted >= 0 s")
        if self.duration_s is not None and not 0 < self.duration_s < math.inf:
            raise ConfigurationError(f"--duration {self.duration_s}: wanted > 0 s")
        if self.sync_policy not in SYNC_POLICIES:
            raise ConfigurationError(f"--sync-policy {self.sync_policy}: wanted one of {SYNC_POLICIES}")
        for argument in self.graph_arguments:
            if ":=" not in argument:
                raise ConfigurationError(f"--set {argument}: wanted name:=value")
        if self.lidar_model and any(a.startswith(f"{LIDAR_MODEL}:=") for a in self.graph_arguments):
            raise ConfigurationError(f"--lidar-model and --set {LIDAR_MODEL}: wanted one of them")
        if LIDAR_MODEL in self.arguments:
            check_choice(self.arguments[LIDAR_MODEL], "--lidar-model")
        ExistenceCalibrations.read(self.arguments.get(EXISTENCE_CALIBRATION, NONE))
        if self.camera_model is not None and not self.camera_model.is_file():
            raise ConfigurationError(f"--camera-model {self.camera_model}: no such file")
        if self.offline:
            self._refuse_what_needs_nodes()

    @property
    def arguments(self) -> dict[str, str]:
        """The graph's arguments by name, the last of a name."""
        given = dict(argument.split(":=", 1) for argument in self.graph_arguments)
        return {**given, LIDAR_MODEL: self.lidar_model} if self.lidar_model else given

    def _refuse_what_needs_nodes(self) -> None:
        """Options that offline would silently do without."""
        given = {
            "--loop": self.loop,
            "--view": self.view,
            "--graph": self.graph is not None,
            "--set": any(name not in _OFFLINE for name in self.arguments),
            "--sync-policy": self.sync_policy != SYNC_POLICIES[0],
        }
        useless = [name for name, is_given in given.items() if is_given]
        if useless:
            raise ConfigurationError(
                f"--offline runs no nodes: {', '.join(useless)} would have no effect"
                f" (of --set it takes {', '.join(_OFFLINE)})"
            )
