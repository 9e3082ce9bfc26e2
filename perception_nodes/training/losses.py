"""The loss of the lidar detector.

References: H. Law and J. Deng, CornerNet, ECCV 2018 (penalty-reduced focal loss); A. Kendall and Y. Gal, NIPS 2017
(Gaussian likelihood for spreads). Differs: spreads learn from the errors but do not weigh them, so that boxes stay as
good as without.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from perception_nodes.networks.bev import split_boxes

from .config import LossConfig

_ALPHA, _BETA = 2.0, 4.0
# Errors beyond this do not widen the spreads further, m and rad.
_LARGEST_ERROR = 3.0


def heat_loss(logits: Tensor, heat: Tensor) -> Tensor:
    """Focal loss of (B, C, n, n) logits against peaks, per true centre; places with -1 do not count."""
    log_p, log_not = F.logsigmoid(logits), F.logsigmoid(-logits)
    p = log_p.exp()
    at = (heat == 1.0).float()
    asked = (heat >= 0.0).float()
    positive = at * (1 - p) ** _ALPHA * log_p
    negative = (1 - at) * asked * (1 - heat.clamp(min=0.0)) ** _BETA * p**_ALPHA * log_not
    return -(positive.sum() + negative.sum()) / at.sum().clamp(min=1.0)


def total_loss(
    outputs: tuple[Tensor, Tensor], batch: dict[str, Tensor], config: LossConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum and its parts, detached. outputs: of the network; batch: stacked `Targets`."""
    logits, boxes = (o.float() for o in outputs)
    parts = {"heat": heat_loss(logits, batch["heat"]), **box_losses(boxes, batch)}
    weights = {name: getattr(config, name) for name in parts}
    loss = torch.stack([weights[name] * value for name, value in parts.items()]).sum()
    return loss, {name: value.detach() for name, value in parts.items()}


def box_losses(boxes: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Parts of the loss of (B, 17, n, n) boxes at the places that answer for one, weighted means over them."""
    flat = boxes.flatten(2)
    at = batch["cell"][:, None].expand(-1, flat.shape[1], -1)
    said = {k: v.transpose(1, 2) for k, v in split_boxes(torch.gather(flat, 2, at)).items()}
    true, weight = batch["values"], batch["weight"]
    total = weight.sum().clamp(min=1.0)

    def mean(value: Tensor) -> Tensor:
        return (value * weight).sum() / total

    known = true[..., 11]
    angle = 0.5 * _angle_between(said["heading"], true[..., 6:8])
    speed = F.smooth_l1_loss(said["velocity"], true[..., 9:11], reduction="none").sum(-1)
    overlap = _overlap(said, true, angle).detach()
    return {
        "offset": mean((said["offset"] - true[..., 0:2]).abs().sum(-1)),
        "z": mean((said["z"][..., 0] - true[..., 2]).abs()),
        "size": mean((said["size"] - true[..., 3:6]).abs().sum(-1)),
        "heading": mean((said["heading"] - true[..., 6:8]).abs().sum(-1)),
        "direction": mean(
            F.binary_cross_entropy_with_logits(said["direction"][..., 0], true[..., 8], reduction="none")
        ),
        "velocity": mean(speed * known),
        "quality": mean(
            F.binary_cross_entropy_with_logits(said["quality"][..., 0], overlap, reduction="none")
        ),
        "spread": mean(_spread_loss(said, true, angle)),
    }


def _spread_loss(said: dict[str, Tensor], true: Tensor, angle: Tensor) -> Tensor:
    """(B, K) negative log likelihood of the errors of position, sizes (m) and yaw."""
    position = (said["offset"] - true[..., 0:2]).norm(dim=-1, keepdim=True) / 2**0.5
    size = (said["size"].clamp(max=4.0).exp() - true[..., 3:6].exp()).abs()
    error = torch.cat([position, size, angle[..., None]], dim=-1).detach().clamp(max=_LARGEST_ERROR)
    log_std = said["log_std"].clamp(-5.0, 3.0)
    return (0.5 * (error * torch.exp(-log_std)) ** 2 + log_std).sum(-1)


def _angle_between(a: Tensor, b: Tensor) -> Tensor:
    """Unsigned angle between vectors (..., 2), rad; the first need not be of length one."""
    cross = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    dot = (a * b).sum(-1)
    # The gradient of atan2 at the origin is not finite; nothing learns from this, so none is taken.
    return torch.atan2(cross.detach().abs(), dot.detach())


def _overlap(said: dict[str, Tensor], true: Tensor, angle: Tensor) -> Tensor:
    """Overlap seen from above, 0..1, as if both boxes had the true heading, less for the angle between them."""
    yaw = 0.5 * torch.atan2(true[..., 7], true[..., 6])
    c, s = torch.cos(yaw), torch.sin(yaw)
    step = said["offset"] - true[..., 0:2]
    u, v = step[..., 0] * c + step[..., 1] * s, step[..., 1] * c - step[..., 0] * s
    length, width = (said["size"][..., k].clamp(max=4.0).exp() for k in (0, 1))
    true_length, true_width = (true[..., k].exp() for k in (3, 4))
    along = torch.minimum(u + length / 2, true_length / 2) - torch.maximum(u - length / 2, -true_length / 2)
    across = torch.minimum(v + width / 2, true_width / 2) - torch.maximum(v - width / 2, -true_width / 2)
    shared = along.clamp(min=0.0) * across.clamp(min=0.0)
    union = length * width + true_length * true_width - shared
    return (shared / union.clamp(min=1e-6)).clamp(0.0, 1.0) * torch.cos(angle).clamp(min=0.0)
