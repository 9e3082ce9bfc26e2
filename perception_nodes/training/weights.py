"""Weights out of an exported model, to train on from there: the ONNX file is all that is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from perception_nodes.datatypes import InputError
from perception_nodes.detection.learned import KIND
from perception_nodes.detection.learned_config import RuntimeConfig
from perception_nodes.detection.runtime import OnnxModel
from perception_nodes.networks.bev import BevDetector, NetworkConfig, network_config


class SteadyDetector(BevDetector):
    """A detector whose normalisations keep their statistics while it is trained: those of a few frames are no better.

    Read from a file they are folded into the convolutions, and nothing is left to be measured.
    """

    def train(self, mode: bool = True) -> SteadyDetector:
        """As of any module, but the normalisations stay as they are."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


def network_of(path: Path) -> tuple[SteadyDetector, dict[str, Any]]:
    """The network of a float32 file of `perception train lidar`, and the file's metadata.

    Raises ModelError if it cannot be loaded, InputError if it is no such file, or int8.
    """
    import onnx

    about = OnnxModel(path, RuntimeConfig(threads=1, precision="fp32", probe_runs=1)).metadata
    if about.get("kind") != KIND or "size" not in about:
        raise InputError(
            f"{path}: wanted a float32 file of perception train lidar, got {about.get('kind')!r}"
        )
    config: NetworkConfig = network_config(str(about["size"]))
    model = SteadyDetector(config)
    try:
        model.load_state_dict(_unfolded(model, _convolutions(onnx.load(str(path)).graph)))
    except (KeyError, RuntimeError) as error:
        raise InputError(f"{path}: not the weights of a network of size {config.name}: {error}") from error
    return model.eval(), about


def _convolutions(graph: Any) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Weight and bias of each convolution by the name that it has in the network; a bias that is left out is zero."""
    import onnx

    tensors = {i.name: torch.from_numpy(np.array(onnx.numpy_helper.to_array(i))) for i in graph.initializer}
    out = {}
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in tensors:
            weight = tensors[node.input[1]]
            bias = tensors[node.input[2]] if len(node.input) > 2 else torch.zeros(len(weight))
            out[node.input[1].removesuffix(".weight")] = (weight, bias)
    return out


def _unfolded(
    model: BevDetector, convolutions: dict[str, tuple[torch.Tensor, torch.Tensor]]
) -> dict[str, torch.Tensor]:
    """A state in which every normalisation does nothing but to add the bias that was folded with it."""
    norms = {n: m for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    state = {}
    for name, value in model.state_dict().items():
        module, kind = name.rsplit(".", 1)
        if module not in norms:
            state[name] = convolutions[module][kind == "bias"]
        elif kind == "bias":
            state[name] = convolutions[f"{module.rsplit('.', 1)[0]}.0"][1]
        elif kind == "running_var":
            state[name] = torch.full_like(value, 1.0 - norms[module].eps)
        else:
            state[name] = torch.ones_like(value) if kind == "weight" else torch.zeros_like(value)
    return state
