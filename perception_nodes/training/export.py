"""From trained weights to ONNX files: one in float32 with a check that it answers the same, one in int8."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
OPSET: Final = 20
# What `check_parity` asks for: boxes this near, m and rad, and scores this near.
PARITY_M, PARITY_SCORE = 1e-3, 1e-4


@dataclass(frozen=True)
class Parity:
    """How far the exported model is from the trained one: largest differences over `frames` frames, `boxes` boxes.

    unmatched: boxes that only one of the two has (scores at the very threshold).
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
        a, b = (decode(m[0], m[1], output_cell(raster), DecodeConfig()) for m in (ours, theirs))
        near, far, alone = compare(a, b)
        box, score, unmatched, boxes = max(box, near), max(score, far), unmatched + alone, boxes + len(a)
    return Parity(len(used), boxes, unmatched, box, score)


def compare(a: DecodedBoxes, b: DecodedBoxes) -> tuple[float, float, int]:
    """Largest difference of a box (m, rad) and of a score between boxes within 0.1 m; boxes without such a partner."""
    if not len(a) or not len(b):
        return 0.0, 0.0, len(a) + len(b)
    apart = np.linalg.norm(a.center_m[:, None] - b.center_m[None], axis=2) + 9.0 * (
        a.label[:, None] != b.label[None]
    )
    partner = apart.argmin(axis=1)
    rows = np.flatnonzero(apart[np.arange(len(a)), partner] < 0.1)
    other = partner[rows]
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
