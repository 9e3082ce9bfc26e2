"""The loss, against its definition written out, and where it must vanish."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [train]")

from perception_nodes.training import losses  # noqa: E402
from perception_nodes.training.config import LossConfig  # noqa: E402
from perception_nodes.training.targets import make_targets  # noqa: E402

from . import streets  # noqa: E402


def batch_of(rng: np.random.Generator) -> dict[str, torch.Tensor]:
    boxes = streets.boxes(rng)
    t = make_targets(boxes, np.full(len(boxes), 50), (64, 0.8), 3)
    names = ("heat", "cell", "values", "weight")
    return {n: torch.from_numpy(getattr(t, n))[None] for n in names}


def perfect(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Box maps (1, 17, 64, 64) that say what is asked for."""
    maps = torch.zeros(1, 17, 64 * 64)
    used = batch["weight"][0] > 0
    cell, values = batch["cell"][0][used], batch["values"][0][used]
    maps[0, 0:8, cell] = values[:, :8].T
    maps[0, 8, cell] = 40 * values[:, 8] - 20
    maps[0, 9:11, cell] = values[:, 9:11].T
    maps[0, 11] = 20.0
    return maps.reshape(1, 17, 64, 64)


def test_a_perfect_answer_costs_nothing_but_the_spreads(rng: np.random.Generator) -> None:
    batch = batch_of(rng)
    parts = losses.box_losses(perfect(batch), batch)
    for name, value in parts.items():
        if name != "spread":
            assert abs(float(value)) < 1e-4, name


def test_errors_are_those_of_the_definition(rng: np.random.Generator) -> None:
    batch = batch_of(rng)
    maps = perfect(batch)
    maps[:, 0] += 0.3
    maps[:, 2] -= 0.2
    maps[:, 3:6] += 0.1
    parts = losses.box_losses(maps, batch)
    assert float(parts["offset"]) == pytest.approx(0.3, abs=1e-4)
    assert float(parts["z"]) == pytest.approx(0.2, abs=1e-4)
    assert float(parts["size"]) == pytest.approx(0.3, abs=1e-4)


def test_focal_loss_written_out(rng: np.random.Generator) -> None:
    heat = np.round(rng.uniform(0, 0.9, (1, 2, 4, 4)), 3)
    heat[0, 0, 1, 1], heat[0, 1, 2, 3], heat[0, 0, 3, 3] = 1.0, 1.0, -1.0
    logits = rng.normal(0, 2, heat.shape)
    p = 1 / (1 + np.exp(-logits))
    wanted = 0.0
    for y, q in zip(heat.ravel(), p.ravel(), strict=True):
        if y == 1.0:
            wanted -= (1 - q) ** 2 * np.log(q)
        elif y >= 0:
            wanted -= (1 - y) ** 4 * q**2 * np.log(1 - q)
    got = losses.heat_loss(torch.from_numpy(logits), torch.from_numpy(heat))
    assert float(got) == pytest.approx(wanted / 2, rel=1e-6)


def test_overlap_is_that_of_the_rectangles_where_headings_agree(rng: np.random.Generator) -> None:
    true = torch.zeros(1, 1, 12)
    true[..., 3:6] = torch.log(torch.tensor([4.0, 2.0, 1.5]))
    true[..., 6] = 1.0
    said = {"offset": torch.tensor([[[1.0, 0.5]]]), "size": true[..., 3:6]}
    got = losses._overlap(said, true, torch.zeros(1, 1))
    shared = (4 - 1.0) * (2 - 0.5)
    assert float(got) == pytest.approx(shared / (16 - shared), rel=1e-5)


def test_spreads_that_fit_the_errors_are_the_cheapest(rng: np.random.Generator) -> None:
    batch = batch_of(rng)
    maps = perfect(batch)
    maps[:, 3:6] += 0.2
    costs = []
    for log_std in np.linspace(-4, 1, 26):
        maps[:, 13:16] = float(log_std)
        costs.append(float(losses.box_losses(maps, batch)["spread"]))
    best = np.exp(np.linspace(-4, 1, 26)[int(np.argmin(costs))])
    assert 0.1 < best < 0.9


def test_spreads_do_not_move_the_boxes(rng: np.random.Generator) -> None:
    batch = batch_of(rng)
    maps = perfect(batch) + 0.05
    maps.requires_grad_(True)
    losses.box_losses(maps, batch)["spread"].backward()
    assert maps.grad is not None
    assert not maps.grad[:, :12].any()
    assert maps.grad[:, 12:].any()


def test_an_empty_batch_is_finite_and_gradients_too(rng: np.random.Generator) -> None:
    batch = batch_of(rng)
    batch["weight"] = torch.zeros_like(batch["weight"])
    batch["heat"] = torch.zeros_like(batch["heat"])
    logits = torch.zeros(1, 10, 64, 64, requires_grad=True)
    maps = torch.zeros(1, 17, 64, 64, requires_grad=True)
    loss, parts = losses.total_loss((logits, maps), batch, LossConfig())
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    assert set(parts) == set(LossConfig.__dataclass_fields__)
