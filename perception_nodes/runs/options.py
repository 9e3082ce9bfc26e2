"""What a run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perception_nodes.datatypes import ConfigurationError


@dataclass(frozen=True)
class RunOptions:
    """Arguments of `perception run`; see its --help for their meaning."""

    input: Path
    output: Path
    rig: str = ""
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
    start_timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.rate > 0:
            raise ConfigurationError(f"--rate {self.rate}: wanted > 0")
        if self.start_s < 0:
            raise ConfigurationError(f"--start {self.start_s}: wanted >= 0 s")
        if self.duration_s is not None and not self.duration_s > 0:
            raise ConfigurationError(f"--duration {self.duration_s}: wanted > 0 s")
        if self.camera_model is not None and not self.camera_model.is_file():
            raise ConfigurationError(f"--camera-model {self.camera_model}: no such file")
