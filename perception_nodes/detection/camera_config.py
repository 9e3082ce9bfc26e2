"""Parameters of the camera detector."""

from __future__ import annotations

from dataclasses import dataclass

from perception_nodes.datatypes import ConfigurationError, check_ranges, param


@dataclass(frozen=True)
class YoloxConfig:
    """How an ONNX of the YOLOX layout is run and what of its output is kept."""

    score_threshold: float = param(
        0.25, "boxes below this objectness x class score are dropped", low=0.0, high=1.0
    )
    nms_iou: float = param(
        0.5, "of two boxes of one class that overlap more than this, the weaker goes", low=0.0, high=1.0
    )
    max_detections: int = param(200, "at most this many boxes an image, the best first", low=1, high=10_000)
    decoded: bool = param(False, "the model's output is already in input pixels (exported with decoding)")
    providers: tuple[str, ...] = param(
        ("CPUExecutionProvider",), "onnxruntime execution providers in the order of preference"
    )
    threads: int = param(1, "intra-op threads of the inference session", low=1, high=64)
    labels: tuple[str, ...] = param((), "class names of the model in its order; empty = the 80 COCO names")

    def __post_init__(self) -> None:
        check_ranges(self)
        if not self.providers:
            raise ConfigurationError(
                "YoloxConfig.providers: wanted at least one execution provider, got none"
            )
