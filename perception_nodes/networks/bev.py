"""The networks of the lidar detector, from the raster to the boxes, top to bottom as in a figure.

    raster (16, 256, 256)                                   0.4 m a cell
      -> stem                     1/2                       0.8 m
      -> stage 1                  1/4                       1.6 m
      -> stage 2                  1/8                       3.2 m: sees 40 m around
      -> up, + stage 1            1/4
      -> up, + stem               1/2
      -> heads                    one vector a cell of 0.8 m: classes and one box

Plain 3x3 convolutions: on a CPU they are faster per millisecond than separable ones. Idea of the heads: T. Yin et al.,
Center-based 3D Object Detection and Tracking, CVPR 2021. Differs: one group of heads for all classes, one box a cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from perception_nodes.datatypes import ConfigurationError

NUM_CLASSES: Final = 10
# What the head says of a box, in this order, and how many numbers each takes.
BOX_FIELDS: Final[Mapping[str, int]] = {
    "offset": 2,       # centre from the cell's middle, m, base frame axes
    "z": 1,            # centre over the ground, m
    "size": 3,         # log of length, width, height in m
    "heading": 2,      # cos and sin of twice the yaw: what is seen of a box looks alike from both ends
    "direction": 1,    # logit that the front is in the half of yaw in (-pi/2, pi/2]
    "velocity": 2,     # m/s over ground, base frame axes (of use with several sweeps only)
    "quality": 1,      # logit of the overlap with the true box
    "log_std": 5,      # natural log of the spread of: position m, length, width, height m, yaw rad
}  # fmt: skip
BOX_CHANNELS: Final = sum(BOX_FIELDS.values())
# Heatmaps begin at this probability, so that the first steps do not drown in the empty cells.
_PRIOR: Final = 0.02


@dataclass(frozen=True)
class NetworkConfig:
    """Widths of the stem, of the two stages and of the neck, and how many convolutions each stage has."""

    name: str
    stem: int
    stage1: int
    stage2: int
    depth1: int
    depth2: int
    head: int
    channels: int = 16


SIZES: Final[Mapping[str, NetworkConfig]] = {
    "tiny": NetworkConfig("tiny", 16, 24, 48, 1, 1, 16),
    "small": NetworkConfig("small", 32, 48, 96, 2, 3, 32),
    "base": NetworkConfig("base", 48, 96, 160, 3, 5, 64),
}


def network_config(name: str) -> NetworkConfig:
    """One of the sizes; raises ConfigurationError naming them."""
    if name not in SIZES:
        raise ConfigurationError(f"network {name!r}: wanted one of {sorted(SIZES)}")
    return SIZES[name]


class Conv(nn.Sequential):
    """3x3 convolution, normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03),
            nn.ReLU(inplace=True),
        )


class Up(nn.Module):
    """A coarse map, brought to the width and the resolution of a finer one, and added to it."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(coarse, fine, 1)
        self.mix = Conv(fine, fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """(B, coarse, n, n) and (B, fine, 2n, 2n) to (B, fine, 2n, 2n)."""
        mixed: Tensor = self.mix(F.interpolate(self.narrow(coarse), scale_factor=2.0, mode="nearest") + fine)
        return mixed


class BevDetector(nn.Module):
    """Raster (B, 16, N, N) to class logits (B, 10, N/2, N/2) and boxes (B, 17, N/2, N/2) in the order of BOX_FIELDS."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Sequential(Conv(config.channels, config.stem, 2), Conv(config.stem, config.stem))
        self.stage1 = _stage(config.stem, config.stage1, config.depth1)
        self.stage2 = _stage(config.stage1, config.stage2, config.depth2)
        self.up1 = Up(config.stage2, config.stage1)
        self.up2 = Up(config.stage1, config.stem)
        self.shared = Conv(config.stem, config.head)
        self.classes = nn.Conv2d(config.head, NUM_CLASSES, 1)
        self.boxes = nn.Conv2d(config.head, BOX_CHANNELS, 1)
        self._initialise()

    def forward(self, raster: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits and boxes; see the class."""
        half = self.stem(raster)
        quarter = self.stage1(half)
        eighth = self.stage2(quarter)
        quarter = self.up1(eighth, quarter)
        half = self.shared(self.up2(quarter, half))
        return self.classes(half), self.boxes(half)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.normal_(self.classes.weight, std=0.01)
        nn.init.normal_(self.boxes.weight, std=0.01)
        nn.init.constant_(self.classes.bias, float(torch.logit(torch.tensor(_PRIOR))))
        nn.init.zeros_(self.boxes.bias)


def split_boxes(boxes: Tensor) -> dict[str, Tensor]:
    """(B, 17, ...) into the named parts of BOX_FIELDS, each (B, k, ...)."""
    parts = torch.split(boxes, list(BOX_FIELDS.values()), dim=1)
    return dict(zip(BOX_FIELDS, parts, strict=True))


def count_flops(config: NetworkConfig, cells: int = 256) -> int:
    """2 x multiply-adds of one forward pass."""
    model, total = BevDetector(config).eval(), 0

    def add(module: nn.Conv2d, _: object, output: Tensor) -> None:
        nonlocal total
        total += 2 * output.shape[-1] * output.shape[-2] * module.weight.numel()

    handles = [m.register_forward_hook(add) for m in model.modules() if isinstance(m, nn.Conv2d)]
    with torch.inference_mode():
        model(torch.zeros(1, config.channels, cells, cells))
    for handle in handles:
        handle.remove()
    return total


def _stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    return nn.Sequential(Conv(inputs, outputs, 2), *(Conv(outputs, outputs) for _ in range(depth)))
