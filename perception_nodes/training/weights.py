"""Weights out of an exported model, to train on from there: the ONNX file is all that is needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from perception_nodes.datatypes import InputError
from perception_nodes.detection.learned import KIND
from perception_nodes.detection.learned_config import RuntimeConfig
from perception_nodes.detection.raster import CHANNELS, RASTER_VERSION, RasterConfig
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
        raise InputError(
            f"{path}: not the weights of a network of size {config.name}: wanted the float32 file, not int8: {error}"
        ) from error
    return model.eval(), about


def network_for(path: Path, size: str, raster: RasterConfig) -> tuple[SteadyDetector, dict[str, Any]]:
    """As `network_of`, for a run of that size and raster. Raises InputError if the model is of another one."""
    model, about = network_of(path)
    wanted = {
        "size": size, "channels": list(CHANNELS), "raster": RASTER_VERSION, "cells": raster.cells,
        "cell_m": raster.cell_m,
    }  # fmt: skip
    for name, value in wanted.items():
        if about.get(name) != value:
            raise InputError(
                f"{path}: {name} {about.get(name)}: wanted {value}: weights go on in a network alike only"
            )
    return model, about


def mean_of(models: Sequence[SteadyDetector]) -> SteadyDetector:
    """A network with the mean of the weights of several that `network_of` gave; of one, with its own.

    Reference: M. Wortsman et al., Model soups, ICML 2022. Differs: normalisations are part of the weights that are
    averaged, and the features of the mean are not stretched to the spread that those of the models have.
    """
    states, out = [model.state_dict() for model in models], SteadyDetector(models[0].config)
    out.load_state_dict({
        name: torch.stack([s[name] for s in states]).mean(0) if value.is_floating_point() else value
        for name, value in states[0].items()
    })  # fmt: skip
    out.eval()
    return out


def measuring(folded: BevDetector, rasters: Iterable[torch.Tensor]) -> BevDetector:
    """The same function with normalisations that measure again, to be trained for long: as if nothing had been folded.

    rasters: (B, C, N, N) each, on which what a normalisation would have seen is measured.
    """
    sums: dict[str, list[torch.Tensor]] = {}

    def look(name: str, value: torch.Tensor) -> None:
        flat = value.double().transpose(0, 1).flatten(1)
        new = torch.stack([torch.full_like(flat[:, 0], flat.shape[1]), flat.sum(1), (flat**2).sum(1)])
        sums.setdefault(name, []).append(new)

    norms = {n: m for n, m in folded.named_modules() if isinstance(m, nn.BatchNorm2d)}
    hooks = [m.register_forward_pre_hook(lambda _, x, n=n: look(n, x[0])) for n, m in norms.items()]
    with torch.no_grad():
        for raster in rasters:
            folded.eval()(raster)
    for hook in hooks:
        hook.remove()
    state = folded.state_dict()
    for name, norm in norms.items():
        count, total, squares = torch.stack(sums[name]).sum(0)
        mean = total / count
        var = (squares / count - mean**2).clamp(min=0.0)
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        state[f"{name}.weight"] = (scale * (var + norm.eps).sqrt()).float()
        state[f"{name}.bias"] = (norm.bias.double() + scale * (mean - norm.running_mean)).float()
        state[f"{name}.running_mean"], state[f"{name}.running_var"] = mean.float(), var.float()
    model = BevDetector(folded.config)
    model.load_state_dict(state)
    return model


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
