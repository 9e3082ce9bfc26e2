"""From trained weights to ONNX files: one in float32 with a check that it answers the same, one in int8."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from perception_nodes.datatypes import InputError
from perception_nodes.detection.learned_config import DecodeConfig, RuntimeConfig
from perception_nodes.detection.learned_decode import DecodedBoxes, decode
from perception_nodes.detection.raster import RasterConfig, rasterize
from perception_nodes.detection.runtime import METADATA_KEY, OnnxModel
from perception_nodes.networks.bev import BevDetector

from .store import Frames

F32 = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]
OPSET: Final = 20
# What `check_parity` asks for: boxes this near, m and rad, and scores this near.
PARITY_M, PARITY_SCORE = 1e-3, 1e-4


@dataclass(frozen=True)
class Parity:
    """How far the exported model is from the trained one: largest differences over `frames` frames, `boxes` boxes.

    unmatched: boxes that only one of the two has, also before suppression, whose ties a hair decides.
    """

    frames: int
    boxes: int
    unmatched: int
    box: float
    score: float

    @property
    def holds(self) -> bool:
        """Within 1 mm and 1e-4, and no box on one side only."""
        return self.box < PARITY_M and self.score < PARITY_SCORE and self.unmatched == 0


def export_onnx(model: BevDetector, raster: RasterConfig, path: Path, about: dict[str, Any]) -> None:
    """Write one file with the weights in it, normalisations folded by the exporter; `about` is kept in its metadata."""
    import onnx

    plain = BevDetector(model.config)
    plain.load_state_dict({k: v.cpu() for k, v in model.state_dict().items()})
    plain.eval()
    example = torch.zeros(1, model.config.channels, raster.cells, raster.cells)
    with _quiet():
        program: Any = torch.onnx.export(
            plain, (example,), dynamo=True, opset_version=OPSET, external_data=False, verbose=False,
            input_names=["raster"], output_names=["classes", "boxes"],
        )  # fmt: skip
    proto = program.model_proto
    _write(onnx, proto, path, about)


def check_parity(
    model: BevDetector, path: Path, store: Frames, raster: RasterConfig, frames: int = 100
) -> Parity:
    """Boxes of the trained network against those of the file, frame by frame."""
    exported = OnnxModel(path, RuntimeConfig(threads=1, precision="fp32", probe_runs=1))
    model = model.eval()
    box, score, boxes, unmatched = 0.0, 0.0, 0, 0
    used = range(0, len(store), max(1, len(store) // frames))[:frames]
    for index in used:
        picture = rasterize(store[index].points, raster)[None]
        with torch.inference_mode():
            device = next(model.parameters()).device
            ours = [o.float().cpu().numpy()[0] for o in model(torch.from_numpy(picture).to(device))]
        theirs = [o[0] for o in exported.run(picture)]
        near, far, alone, found = compare_maps(ours, theirs, output_cell(raster))
        box, score, unmatched, boxes = max(box, near), max(score, far), unmatched + alone, boxes + found
    return Parity(len(used), boxes, unmatched, box, score)


def compare_maps(ours: Sequence[F32], theirs: Sequence[F32], cell_m: float) -> tuple[float, float, int, int]:
    """As `compare` of the boxes of two networks' maps, and how many boxes ours has.

    Which of two boxes of one place and nearly the same score is suppressed, and what is just above the least score, a
    hair decides: a box that the other lacks is looked for among all that it had before that.
    """
    config = DecodeConfig()
    early = replace(
        config, min_score=config.min_score - PARITY_SCORE, max_detections=4096, overlap=1.0, overlap_kinds=1.0
    )
    a, b = (decode(m[0], m[1], cell_m, config) for m in (ours, theirs))
    near, far, alone = compare(a, b)
    if alone:
        early_a, early_b = (decode(m[0], m[1], cell_m, early) for m in (ours, theirs))
        alone = _lacking(a, b, early_b) + _lacking(b, a, early_a)
    return near, far, alone, len(a)


def compare(a: DecodedBoxes, b: DecodedBoxes) -> tuple[float, float, int]:
    """Largest difference of a box (m, rad) and of a score between boxes within 0.1 m; boxes without such a partner."""
    rows, other = _partners(a, b)
    turn = np.abs((a.yaw_rad[rows] - b.yaw_rad[other] + np.pi) % (2 * np.pi) - np.pi)
    # At the seam of the angle of twice the yaw, and at even odds of the front, a hair decides between both ends.
    turn = np.minimum(turn, np.abs(np.pi - turn))
    parts = [
        np.abs(a.center_m[rows] - b.center_m[other]).max(initial=0.0),
        np.abs(a.lwh_m[rows] - b.lwh_m[other]).max(initial=0.0),
        turn.max(initial=0.0),
    ]
    score = float(np.abs(a.score[rows] - b.score[other]).max(initial=0.0))
    return float(max(parts)), score, len(a) + len(b) - len(rows) - len(np.unique(other))


def _partners(a: DecodedBoxes, b: DecodedBoxes) -> tuple[Rows, Rows]:
    """Rows of `a` that have a box of `b` of their class within 0.1 m, and the nearest such rows of `b`."""
    if not len(a) or not len(b):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    apart = np.linalg.norm(a.center_m[:, None] - b.center_m[None], axis=2)
    apart += 9.0 * (a.label[:, None] != b.label[None])
    partner = apart.argmin(axis=1)
    rows = np.flatnonzero(apart[np.arange(len(a)), partner] < 0.1)
    return rows, partner[rows]


def _lacking(a: DecodedBoxes, b: DecodedBoxes, early_b: DecodedBoxes) -> int:
    """How many boxes of `a` have no partner in `b`, nor one as near as parity asks for in `early_b`."""
    count = 0
    for k in np.setdiff1d(np.arange(len(a)), _partners(a, b)[0]).tolist():
        same = (early_b.label == a.label[k]) & (np.abs(early_b.score - a.score[k]) < PARITY_SCORE)
        for ours, theirs in ((a.center_m[k], early_b.center_m), (a.lwh_m[k], early_b.lwh_m)):
            same &= (np.abs(theirs - ours) < PARITY_M).all(axis=1)
        count += not same.any()
    return count


def quantise(path: Path, target: Path, store: Frames, raster: RasterConfig, frames: int = 64) -> None:
    """Static int8: unsigned activations, signed weights by channel, calibrated on rasters of the store.

    The last layers stay in float: what they say are metres and logits, not features.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    model = onnx.load(str(path))
    about = {p.key: p.value for p in model.metadata_props}
    heads = [n.name for n in model.graph.node if n.op_type == "Conv" and set(n.output) & {"classes", "boxes"}]
    if len(heads) != 2:
        raise InputError(f"{path}: wanted two last convolutions, got {heads}")
    with tempfile.TemporaryDirectory() as scratch, _quiet():
        made = Path(scratch) / "int8.onnx"
        quantize_static(
            str(path), str(made), _Rasters(store, raster, frames), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_exclude=heads,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"CalibMovingAverage": True, "CalibMovingAverageConstant": 0.05},
        )  # fmt: skip
        result = onnx.load(str(made))
    _write(onnx, result, target, json.loads(about[METADATA_KEY]))


def rewrite_metadata(path: Path, target: Path, changed: dict[str, Any]) -> dict[str, Any]:
    """A copy of a model of which some entries of the metadata are others; returns all of them."""
    import onnx

    proto = onnx.load(str(path))
    about = {**json.loads({p.key: p.value for p in proto.metadata_props}[METADATA_KEY]), **changed}
    _write(onnx, proto, target, about)
    return about


def output_cell(raster: RasterConfig) -> float:
    """Edge of a cell of the network's answer, m."""
    return 2.0 * raster.cell_m


class _Rasters:
    """Rasters one by one, as the quantiser asks for them."""

    def __init__(self, store: Frames, raster: RasterConfig, frames: int) -> None:
        step = max(1, len(store) // frames)
        self._left: Iterator[F32] = (
            rasterize(store[k].points, raster)[None] for k in range(0, len(store), step)[:frames]
        )

    def get_next(self) -> dict[str, F32] | None:
        """The next input, None at the end."""
        picture = next(self._left, None)
        return None if picture is None else {"raster": picture}

    def set_range(self, start_index: int, end_index: int) -> None:
        """Part of the quantiser's interface; not used with moving averages."""
        raise NotImplementedError(f"ranges of calibration frames: {start_index}..{end_index}")

    def __len__(self) -> int:
        raise NotImplementedError("the frames are counted by asking for them")


def _write(onnx: Any, proto: Any, path: Path, about: dict[str, Any]) -> None:
    del proto.metadata_props[:]
    entry = proto.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(about)
    making = path.with_suffix(".making")
    for part in (*proto.graph.node, *proto.graph.value_info, *proto.graph.initializer):
        del part.metadata_props[:]  # the exporter's stack traces: paths of the machine that trained
    onnx.save(proto, str(making))
    making.replace(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter and the quantiser tell much that is no news."""
    loggers: Sequence[logging.Logger] = [logging.getLogger(), logging.getLogger("torch.onnx")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
