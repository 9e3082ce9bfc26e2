"""A PointPillars of the layout with anchors, made without torch: its answers are boxes that were encoded here.

Wherever the pillars of a cell of the head show points, it says the box that was put there: the logit of its class is
`GAIN` times the greatest mean height of the points of its four pillars, less `BIAS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

SIZE, LOW, HIGH, POINTS = 0.4, (-12.8, -9.6, -3.0), (12.8, 9.6, 5.0), 20
WIDTH, HEIGHT = 64, 48  # pillars; the head has half as many cells along each side
CLASSES = ["Pedestrian", "Cyclist", "Car"]
SIZES = [[0.8, 0.6, 1.73], [1.76, 0.6, 1.73], [3.9, 1.6, 1.56]]
UNDERSIDES = [-0.6, -0.6, -1.78]
ROTATIONS = [0.0, 1.57]
ANCHORS = 6
BIAS, GAIN, FRONT = 8.0, 8.0, 2.0
PARAMETERS: dict[str, Any] = {
    "class_names": CLASSES, "point_cloud_range": [*LOW, *HIGH], "voxel_size": [SIZE, SIZE, 8.0],
    "max_num_points": POINTS, "max_voxels": 900,
    "anchor_generator": {
        "type": "AlignedAnchor3DRangeGenerator", "sizes": SIZES, "rotations": ROTATIONS,
        "ranges": [[*LOW[:2], z, *HIGH[:2], z] for z in UNDERSIDES],
    },
    "dir_offset": 0.7854,
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """A box that the model says at the cell under its centre; frame of the model; front: the half that it names."""

    kind: int
    center: tuple[float, float, float]
    lwh: tuple[float, float, float]
    yaw: float
    turned: bool = False
    sure: bool = True

    @property
    def cell(self) -> tuple[int, int]:
        """Row (y) and column (x) of the head."""
        return int((self.center[1] - LOW[1]) / (2 * SIZE)), int((self.center[0] - LOW[0]) / (2 * SIZE))

    def residuals(self, turn: int, middle: tuple[float, float]) -> list[float]:
        """By the papers' formulas, written out for one box, against the anchor of one rotation."""
        (x, y, z), (length, width, height) = self.center, self.lwh
        al, aw, ah = SIZES[self.kind]
        diagonal = (al**2 + aw**2) ** 0.5
        az = UNDERSIDES[self.kind] + ah / 2
        # The network is taught the angle up to half a turn only: the other end where `turned`.
        angle = self.yaw - ROTATIONS[turn] + (np.pi if self.turned else 0.0)
        return [
            (x - middle[0]) / diagonal, (y - middle[1]) / diagonal, (z - az) / ah,
            float(np.log(length / al)), float(np.log(width / aw)), float(np.log(height / ah)), angle,
        ]  # fmt: skip

    def half(self) -> int:
        """Which half of the circle, from the offset on, holds the yaw: the one that begins there, or the other."""
        return int(((self.yaw - PARAMETERS["dir_offset"]) % (2 * np.pi)) // np.pi)


def write_parameters(path: Path, **changed: Any) -> None:
    path.write_text(yaml.safe_dump({**PARAMETERS, **changed}))


def maps(boxes: list[Told], spread: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is added and multiplied: gains (18, h, w), residuals (42, h, w), directions (12, h, w)."""
    h, w = HEIGHT // 2, WIDTH // 2
    gain, box, half = np.zeros((18, h, w)), np.zeros((42, h, w)), np.zeros((12, h, w))
    for k, told in enumerate(boxes):
        turn = k % 2
        i, j = told.cell
        middle = (LOW[0] + (j + 0.5) * 2 * SIZE, LOW[1] + (i + 0.5) * 2 * SIZE)
        if spread:  # from border to border
            middle = (LOW[0] + j * (HIGH[0] - LOW[0]) / (w - 1), LOW[1] + i * (HIGH[1] - LOW[1]) / (h - 1))
        anchor = 2 * told.kind + turn
        gain[3 * anchor + told.kind, i, j] = GAIN
        box[7 * anchor : 7 * anchor + 7, i, j] = told.residuals(turn, middle)
        half[2 * anchor + told.half(), i, j] = FRONT if told.sure else 0.1
    return gain, box, half


def write_folder(
    folder: Path, boxes: list[Told], fixed: bool = False, names: Any = None, spread: bool = False
) -> Path:
    """Scatters the mean heights of the pillars' points, takes the greatest of four, and answers as `maps` says."""
    folder.mkdir()
    write_parameters(folder / "anchors.param.yaml")
    gain, box, half = maps(boxes, spread)
    called = {n: (names or {}).get(n, n) for n in ("cls_score", "bbox_pred", "dir_cls_pred")}
    node = helper.make_node
    nodes = [
        node("Slice", ["voxels", "two", "three", "two"], ["z"]),
        node("ReduceSum", ["z", "axes"], ["sum"], keepdims=0),
        node("Cast", ["num_points"], ["n"], to=TensorProto.FLOAT),
        node("Div", ["sum", "n"], ["mean"]),
        node("Cast", ["coors"], ["place"], to=TensorProto.INT64),
        node("ScatterND", ["empty", "place", "mean"], ["canvas"]),
        node("MaxPool", ["canvas"], ["cells"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Mul", ["cells", "gain"], ["raised"]), node("Sub", ["raised", "bias"], [called["cls_score"]]),
        node("Mul", ["cells", "zero"], ["none"]),
        node("Add", ["none", "box"], [called["bbox_pred"]]), node("Add", ["none", "half"], [called["dir_cls_pred"]]),
    ]  # fmt: skip
    constants = {
        "two": np.array([2]), "three": np.array([3]), "axes": np.array([1, 2]),
        "empty": np.zeros((1, 1, HEIGHT, WIDTH), np.float32), "zero": np.float32(0.0), "bias": np.float32(BIAS),
        "gain": gain[None].astype(np.float32), "box": box[None].astype(np.float32),
        "half": half[None].astype(np.float32),
    }  # fmt: skip
    many: Any = 900 if fixed else "pillars"
    shapes = {"voxels": [many, POINTS, 4], "num_points": [many], "coors": [many, 4]}
    values = [
        [helper.make_tensor_value_info(k, TensorProto.FLOAT if k == "voxels" else TensorProto.INT32, s)
         for k, s in shapes.items()],
        [helper.make_tensor_value_info(v, TensorProto.FLOAT, None) for v in called.values()],
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "anchors", *values, [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(folder / "end2end.onnx"))
    return folder
