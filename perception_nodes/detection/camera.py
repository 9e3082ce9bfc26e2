"""Camera detection with any ONNX model of the YOLOX layout.

Reference: Z. Ge et al., YOLOX: Exceeding YOLO Series in 2021, arXiv 2107.08430 (letterboxed BGR 0-255 input;
per anchor cell x, y, w, h, objectness, class scores; strides 8, 16, 32).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS, UNKNOWN, Detections2D, Image, ModelError

from .camera_config import YoloxConfig
from .coco import COCO_NAMES, TAXONOMY_OF

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
_STRIDES = (8, 16, 32)
_PAD_VALUE = 114


class YoloxDetector:
    """One ONNX session; `detect` is one image in, the boxes in the original image's pixels out."""

    def __init__(self, path: Path, config: YoloxConfig | None = None) -> None:
        """Load a model. Raises ModelError if the file is missing, unreadable or not of the YOLOX layout."""
        self.config = config or YoloxConfig()
        self._session = _open_session(path, self.config)
        self.provider: str = self._session.get_providers()[0]
        self.model_id = path.stem
        self.model_hash = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        entry = self._session.get_inputs()[0]
        self._input: str = entry.name
        self._size = _input_size(entry.shape, path)
        self._names = self.config.labels or COCO_NAMES
        self._grid, self._stride = _anchors(self._size)
        self._check_output(path)
        self._canvas = np.full((*self._size, 3), _PAD_VALUE, np.uint8)
        # (classes of the model, taxonomy): which taxonomy class each of the model's classes counts for.
        self._to_taxonomy = np.zeros((len(self._names), NUM_LABELS))
        for row, name in enumerate(self._names):
            column = LABEL_INDEX.get(TAXONOMY_OF.get(name, name), UNKNOWN)
            self._to_taxonomy[row, column] = 1.0

    def warm(self) -> None:
        """Run once on an empty picture, so that the first real frame is not the slow one."""
        self._infer(np.zeros((1, 3, *self._size), np.float32))

    def detect(self, image: Image, source: str) -> Detections2D:
        """Boxes of the taxonomy's classes in `image`, at most `max_detections`, best first."""
        height, width = image.bgr.shape[:2]
        blob, scale = self._letterbox(image.bgr)
        boxes, scores = self._decode(self._infer(blob)[0])
        by_class = scores @ self._to_taxonomy
        best = by_class[:, :UNKNOWN].max(axis=1, initial=0.0)
        keep = np.flatnonzero(best >= self.config.score_threshold)
        boxes, by_class, best = boxes[keep] / scale, by_class[keep], best[keep]
        label = by_class[:, :UNKNOWN].argmax(axis=1) if len(keep) else np.zeros(0, np.int64)
        order = self._suppress(boxes, best, label)
        boxes = np.clip(boxes[order], 0, [width, height, width, height])
        probabilities = by_class[order] / np.maximum(by_class[order].sum(axis=1, keepdims=True), 1e-9)
        return Detections2D(
            stamp_ns=image.stamp_ns,
            frame_id=image.frame_id,
            source=source,
            width_px=width,
            height_px=height,
            box_px=boxes,
            label=label[order].astype(np.uint8),
            class_probabilities=probabilities,
            score=best[order],
            depth_m=np.full(len(order), np.nan),
            depth_std_m=np.full(len(order), np.nan),
            detection_id=np.arange(len(order), dtype=np.uint64),
        )

    def _check_output(self, path: Path) -> None:
        """Compare the output's shape with the anchors and the class names."""
        shape = self._session.get_outputs()[0].shape
        wanted = [1, len(self._stride), 5 + len(self._names)]
        fits = len(shape) == 3 and all(
            not isinstance(s, int) or s == w for s, w in zip(shape, wanted, strict=True)
        )
        if not fits:
            raise ModelError(
                f"{path}: output shape {shape}: the YOLOX layout for this input wants {wanted}"
                + _labels_hint(shape, wanted, len(self._names))
            )

    def _infer(self, blob: F32) -> F32:
        out: F32 = self._session.run(None, {self._input: blob})[0]
        return out

    def _letterbox(self, bgr: npt.NDArray[np.uint8]) -> tuple[F32, float]:
        """The picture scaled to fit the upper left of the input, the rest grey; and the scale."""
        rows, columns = self._size
        scale = min(rows / bgr.shape[0], columns / bgr.shape[1])
        size = (max(1, round(bgr.shape[1] * scale)), max(1, round(bgr.shape[0] * scale)))
        self._canvas[:] = _PAD_VALUE
        self._canvas[: size[1], : size[0]] = cv2.resize(bgr, size, interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(self._canvas.transpose(2, 0, 1)[None], np.float32), scale

    def _decode(self, raw: F32) -> tuple[F64, F64]:
        """Corners (A, 4) in input pixels and class scores (A, C) of all anchors."""
        out = raw.astype(np.float64)
        if self.config.decoded:
            center, size = out[:, :2], out[:, 2:4]
        else:
            stride = self._stride[:, None]
            center = (out[:, :2] + self._grid) * stride
            # 20 = e^20 cells: far beyond any picture, but finite.
            size = np.exp(np.minimum(out[:, 2:4], 20.0)) * stride
        boxes = np.concatenate([center - size / 2, center + size / 2], axis=1)
        return boxes, out[:, 4:5] * out[:, 5:]

    def _suppress(self, boxes: F64, scores: F64, label: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Indices kept by non-maximum suppression within each class, best first."""
        if not len(boxes):
            return np.zeros(0, np.int64)
        xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        kept = cv2.dnn.NMSBoxesBatched(
            xywh.tolist(), scores.tolist(), label.tolist(), self.config.score_threshold, self.config.nms_iou
        )
        order = np.asarray(kept, np.int64).reshape(-1)
        order = order[np.argsort(-scores[order], kind="stable")]
        return order[: self.config.max_detections]


def _labels_hint(shape: list[Any], wanted: list[int], names: int) -> str:
    """What to do where nothing but the number of classes differs."""
    if len(shape) != 3 or (isinstance(shape[1], int) and shape[1] != wanted[1]):
        return ""
    if not isinstance(shape[2], int) or shape[2] < 6:
        return ""
    return (
        f" for {names} class names: a model of {shape[2] - 5} classes needs their names, in its order, "
        "in the parameter labels of camera_detector (perception run: --set params_file:=FILE)"
    )


def available_providers() -> tuple[str, ...]:
    """Execution providers that this onnxruntime was built with."""
    return tuple(ort.get_available_providers())


def _open_session(path: Path, config: YoloxConfig) -> Any:
    if not path.is_file():
        raise ModelError(f"camera model {path}: no such file")
    # onnxruntime prints to stderr and falls back silently when a provider is not built in: choose here, and say so.
    usable = [p for p in config.providers if p in available_providers()]
    if not usable:
        wanted, have = list(config.providers), list(available_providers())
        raise ModelError(f"camera model {path}: wanted providers {wanted}, this onnxruntime has {have}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = config.threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=usable)
    except Exception as error:  # onnxruntime's own error classes have no public common base
        raise ModelError(f"camera model {path}: cannot be loaded: {error}") from error


def _input_size(shape: list[Any], path: Path) -> tuple[int, int]:
    fits = len(shape) == 4 and shape[1] == 3 and all(isinstance(s, int) and s % 32 == 0 for s in shape[2:])
    if not fits:
        raise ModelError(f"{path}: input shape {shape}: wanted [1, 3, H, W] with H and W multiples of 32")
    return int(shape[2]), int(shape[3])


def _anchors(size: tuple[int, int]) -> tuple[F64, F64]:
    """Cell coordinates (A, 2) and strides (A,) in the order of the model's output."""
    grids, strides = [], []
    for stride in _STRIDES:
        rows, columns = size[0] // stride, size[1] // stride
        y, x = np.mgrid[:rows, :columns]
        grids.append(np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64))
        strides.append(np.full(rows * columns, float(stride)))
    return np.concatenate(grids), np.concatenate(strides)
