"""A CenterPoint of the two-file layout, made without torch: it sees something in every pillar that rises above 1 m."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

SIZE, LOW, HIGH, POINTS = 0.8, (-12.8, -9.6, -3.0), (12.8, 9.6, 5.0), 20
WIDTH, HEIGHT = 32, 24
PARAMETERS: dict[str, Any] = {
    "class_names": ["CAR", "PEDESTRIAN"], "point_feature_size": 4, "max_voxel_size": 768,
    "point_cloud_range": [*LOW, *HIGH], "voxel_size": [SIZE, SIZE, 8.0], "downsample_factor": 1,
    "encoder_in_feature_size": 9, "has_variance": False, "has_twist": False,
}  # fmt: skip
# What the head says wherever it sees something; sizes as width, length, height; the yaw of the old mmdet3d.
REG, Z, WLH, YAW = (0.25, 0.75), 0.8, (1.9, 4.4, 1.6), 0.4


def write_parameters(path: Path, own: Any = None, **changed: Any) -> None:
    data: dict[str, Any] = {"model_params": {**PARAMETERS, **changed}}
    if own is not None:
        data["perception_nodes"] = own
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": data}}))


def write_folder(folder: Path, names: Any = None, fixed: bool = False) -> Path:
    """Encoder: greatest z and greatest fourth feature of a pillar; head: 1x1 convolutions of those."""
    folder.mkdir()
    write_parameters(folder / "ml_package.param.yaml")
    pick = np.zeros((9, 2), np.float32)
    pick[2, 0], pick[3, 1] = 1.0, 1.0
    encoder = [
        helper.make_node("MatMul", ["input_features", "pick"], ["each"]),
        helper.make_node("ReduceMax", ["each", "axis"], ["pillar_features"], keepdims=1),
    ]
    many = 768 if fixed else "voxels"
    constants = [numpy_helper.from_array(pick, "pick"), numpy_helper.from_array(np.array([1]), "axis")]
    _save(folder / "pts_voxel_encoder.onnx", encoder, {"input_features": [many, POINTS, 9]},
          {"pillar_features": [many, 1, 2]}, constants)  # fmt: skip
    rise = {"heatmap": ([[8.0, 0.0], [0.0, 8.0]], [-8.0, -8.0])}
    said = {
        "reg": REG,
        "height": (Z,),
        "dim": np.log(WLH),
        "rot": (np.sin(YAW), np.cos(YAW)),
        "vel": (0.0, 0.0),
    }
    heads = {**rise, **{k: (np.zeros((len(v), 2)), v) for k, v in said.items()}}
    nodes, weights, shapes = [], [], {}
    for name, (weight, bias) in heads.items():
        called = (names or {}).get(name, name)
        nodes.append(helper.make_node("Conv", ["spatial_features", f"{name}w", f"{name}b"], [called]))
        weights.append(numpy_helper.from_array(np.array(weight, np.float32)[:, :, None, None], f"{name}w"))
        weights.append(numpy_helper.from_array(np.array(bias, np.float32), f"{name}b"))
        shapes[called] = [1, len(bias), HEIGHT, WIDTH]
    _save(
        folder / "pts_backbone_neck_head.onnx",
        nodes,
        {"spatial_features": [1, 2, HEIGHT, WIDTH]},
        shapes,
        weights,
    )
    return folder


def _save(path: Path, nodes: Any, inputs: Any, outputs: Any, constants: Any) -> None:
    values = [
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, s) for k, s in part.items()]
        for part in (inputs, outputs)
    ]
    graph = helper.make_graph(nodes, path.stem, *values, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(path))
