"""Parameters of the learned lidar detector, apart from the model; needs no ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass, field

from perception_nodes.datatypes import ConfigurationError, check_ranges, param

from .config import GeometricConfig


@dataclass(frozen=True)
class DecodeConfig:
    """Which answers of the network become boxes."""

    min_score: float = param(0.05, "boxes of a lower score are dropped", low=0.0, high=1.0)
    max_detections: int = param(300, "at most this many boxes a frame, best first", low=1, high=4096)
    quality_share: float = param(
        0.3, "exponent of the quality in the score; the class has the rest", low=0.0, high=1.0
    )
    overlap: float = param(
        0.15, "of two boxes of one kind that overlap more, the weaker is dropped", low=0.0, high=1.0
    )
    overlap_kinds: float = param(0.4, "the same for two boxes of different kinds", low=0.0, high=1.0)
    direction_odds: float = param(2.0, "odds of the front below which it is given as unknown", low=1.0)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class RuntimeConfig:
    """How a model is run."""

    providers: tuple[str, ...] = param(
        ("CPUExecutionProvider",), "execution providers, the first usable one is used"
    )
    threads: int = param(0, "threads of a run; 0: the fastest of 1 and 2, measured at start", low=0, high=64)
    precision: str = param("auto", "auto (the fastest, measured at start), fp32 or int8")
    probe_runs: int = param(8, "runs of each candidate at start", low=1, high=1000)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.precision not in ("auto", "fp32", "int8"):
            raise ConfigurationError(f"RuntimeConfig.precision {self.precision!r}: wanted auto, fp32 or int8")


@dataclass(frozen=True)
class LearnedConfig:
    """Everything but the model."""

    points: GeometricConfig = field(default_factory=GeometricConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
