"""A small ONNX file of the layout of `perception train lidar`, made without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CELLS = 64
ABOUT: dict[str, Any] = {
    "kind": "lidar_bev", "name": "by_hand", "raster": 1, "cells": CELLS, "cell_m": 0.8, "sweeps": 1,
    "calibration": {"id": "isotonic-test", "score": [0.0, 1.0], "probability": [0.0, 0.5]},
}  # fmt: skip


def write_model(path: Path, about: Any = ABOUT, cells: int = CELLS, channels: int = 16) -> Path:
    """Sees a car of 4 x 1.8 x 1.5 m in every second cell whose points rise above 1.2 m."""
    classes = np.zeros((10, channels, 2, 2), np.float32)
    classes[0, 0] = 8.0
    boxes = np.zeros((17, channels, 2, 2), np.float32)
    bias = np.zeros(17, np.float32)
    bias[2:9], bias[11] = [0.75, *np.log([4.0, 1.8, 1.5]), 1.0, 0.0, 3.0], 9.0
    weights = {"cw": classes, "cb": np.full(10, -6.0, np.float32), "bw": boxes, "bb": bias}
    nodes = [
        helper.make_node("Conv", ["raster", f"{k}w", f"{k}b"], [out], strides=[2, 2], kernel_shape=[2, 2])
        for k, out in (("c", "classes"), ("b", "boxes"))
    ]
    shapes = {"classes": [1, 10, cells // 2, cells // 2], "boxes": [1, 17, cells // 2, cells // 2]}
    graph = helper.make_graph(
        nodes, "by_hand",
        [helper.make_tensor_value_info("raster", TensorProto.FLOAT, [1, channels, cells, cells])],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, s) for k, s in shapes.items()],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    if about is not None:
        entry = model.metadata_props.add()
        entry.key, entry.value = "perception_nodes", about if isinstance(about, str) else json.dumps(about)
    onnx.save(model, str(path))
    return path
