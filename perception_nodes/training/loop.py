"""The steps of a training run: forward, loss, backward, step; what is averaged, when it is scored and kept."""

from __future__ import annotations

import copy
import math
import os
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from perception_nodes.datatypes import InputError
from perception_nodes.networks.bev import BevDetector, network_config

from .config import LossConfig, TrainConfig, digest
from .loader import Samples, batches
from .losses import total_loss

CHECKPOINT: Final = "checkpoint.pt"
# From the network's two outputs and the batch to what is minimised and its parts.
Loss = Callable[[tuple[Tensor, Tensor], dict[str, Tensor], LossConfig], tuple[Tensor, dict[str, Tensor]]]
# Called with (step, named numbers): progress, logs.
Report = Callable[[int, dict[str, float]], None]
# Scores the averaged network: one number, higher is better.
Evaluate = Callable[[BevDetector, int], float]


@dataclass(frozen=True)
class Place:
    """Where this process computes, and which of how many it is."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0


def find_place() -> Place:
    """A GPU where there is one; the process group where `torchrun` started several."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(local)
    if world > 1 and not torch.distributed.is_initialized():
        # The others wait while the first one simulates.
        torch.distributed.init_process_group("nccl" if gpu else "gloo", timeout=timedelta(hours=12))
    return Place(torch.device("cuda", local) if gpu else torch.device("cpu"), rank, world)


@dataclass
class State:
    """Everything that a step changes."""

    model: BevDetector
    average: BevDetector
    optimiser: torch.optim.Optimizer
    step: int = 0
    best: float = -math.inf
    since_best: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def fresh(cls, config: TrainConfig, place: Place) -> State:
        """The beginning: the same weights for the same seed."""
        torch.manual_seed(config.seed)
        return cls.of(BevDetector(network_config(config.size)), config, place)

    @classmethod
    def of(cls, network: BevDetector, config: TrainConfig, place: Place) -> State:
        """The beginning of a run that goes on from a network's weights."""
        model = network.to(place.device, memory_format=torch.channels_last)
        average = copy.deepcopy(model).eval().requires_grad_(False)
        decay = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim <= 1]
        groups = [
            {"params": decay, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
        return cls(model, average, optimiser)

    def save(self, path: Path, config: TrainConfig, data: str) -> None:
        """Write so that a kill at any moment leaves the old file or the new one."""
        value = {
            "config": digest(config), "data": data, "step": self.step, "best": self.best,
            "since_best": self.since_best, "best_weights": self.best_weights, "model": self.model.state_dict(),
            "average": self.average.state_dict(), "optimiser": self.optimiser.state_dict(),
            "generator": torch.get_rng_state(),
        }  # fmt: skip
        making = path.with_suffix(".making")
        with making.open("wb") as stream:
            torch.save(value, stream)
            stream.flush()
            os.fsync(stream.fileno())
        making.replace(path)

    def load(self, path: Path, config: TrainConfig, data: str) -> None:
        """Go on from a checkpoint. Raises InputError if it belongs to another configuration or other data."""
        value = torch.load(path, map_location="cpu", weights_only=True)
        for name, wanted in (("config", digest(config)), ("data", data)):
            if value[name] != wanted:
                raise InputError(f"{path}: {name} {value[name]}: wanted {wanted}: not the same run")
        self.model.load_state_dict(value["model"])
        self.average.load_state_dict(value["average"])
        self.optimiser.load_state_dict(value["optimiser"])
        self.step, self.best, self.since_best = value["step"], value["best"], value["since_best"]
        self.best_weights = value["best_weights"]
        torch.set_rng_state(value["generator"])

    def begin_with(self, path: Path) -> None:
        """Weights of an earlier run. Raises InputError if they are of another network, or no weights."""
        try:
            value = torch.load(path, map_location="cpu", weights_only=True)
            self.model.load_state_dict(value)
        except (OSError, RuntimeError, pickle.UnpicklingError, AttributeError, TypeError) as error:
            raise InputError(
                f"{path}: not weights of a network of size {self.model.config.name}: {error}"
            ) from error
        self.average.load_state_dict(value)


@dataclass(frozen=True, eq=False)
class Job:
    """What is done: the frames, in which `folder` checkpoints are kept and for which `data`, who is told what, the
    loss.
    """

    samples: Samples
    config: TrainConfig
    place: Place
    folder: Path
    data: str
    report: Report
    evaluate: Evaluate
    loss: Loss = total_loss


def train(state: State, job: Job) -> None:
    """Run from `state.step` to the end, or until the scores have stopped to rise; `state` is changed in place."""
    config, place = job.config, job.place
    model: nn.Module = state.model
    if place.world > 1:
        model = nn.parallel.DistributedDataParallel(model)
    began, first = time.monotonic(), state.step
    stream = batches(job.samples, config, state.step, place.rank, place.world)
    while state.step < config.steps:
        parts = train_step(state, model, next(stream), config, place, job.loss)
        if place.is_first and (state.step % 10 == 0 or state.step == config.steps):
            speed = (state.step - first) * config.batch / (time.monotonic() - began)
            job.report(state.step, {**{k: float(v) for k, v in parts.items()}, "frames_per_s": speed})
        last = state.step == config.steps
        if state.step % config.evaluate_every == 0 or last:
            judge(state, job.evaluate, place)
        if place.is_first and (state.step % config.checkpoint_every == 0 or last):
            state.save(job.folder / CHECKPOINT, config, job.data)
        if config.patience and state.since_best >= config.patience:
            break


def judge(state: State, evaluate: Evaluate, place: Place) -> None:
    """Score the averaged weights and keep them if they are the best so far.

    Of several processes the first one scores: normalisations measure a share of the batch in each, and all must stop
    at the same step.
    """
    said = torch.zeros(1, dtype=torch.float64, device=place.device)
    if place.is_first:
        said[0] = float(evaluate(state.average, state.step))
    if place.world > 1:
        torch.distributed.broadcast(said, 0)
    score = float(said)
    state.since_best += 1
    if score > state.best:
        state.best, state.since_best = score, 0
        state.best_weights = {k: v.detach().cpu().clone() for k, v in state.average.state_dict().items()}


def train_step(
    state: State,
    model: nn.Module,
    batch: dict[str, Any],
    config: TrainConfig,
    place: Place,
    loss_of: Loss = total_loss,
) -> dict[str, Tensor]:
    """One step of the optimiser; returns the parts of the loss."""
    model.train()
    rate = learning_rate(config, state.step)
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    batch = {k: v.to(place.device, non_blocking=True) for k, v in batch.items()}
    raster = batch["raster"].contiguous(memory_format=torch.channels_last)
    with torch.autocast(place.device.type, torch.bfloat16):
        outputs = model(raster)
    loss, parts = loss_of(outputs, batch, config.loss)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(state.model.parameters(), config.clip_norm)
    # One frame with an impossible value must not end a run of hours: such a step changes nothing.
    if torch.isfinite(norm):
        state.optimiser.step()
    state.step += 1
    _average(state, config)
    return {**parts, "loss": loss.detach(), "gradient": norm, "learning_rate": torch.tensor(rate)}


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear to the highest, then half a cosine to one percent of it."""
    rise = max(1.0, config.warm_up * config.steps)
    if step < rise:
        return config.learning_rate * (step + 1) / (rise + 1)
    along = (step - rise) / max(1.0, config.steps - rise)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(along, 1.0))))


def _average(state: State, config: TrainConfig) -> None:
    """The running mean moves faster at the beginning, when it knows nothing."""
    keep = min(config.average, (1 + state.step) / (10 + state.step))
    with torch.no_grad():
        mean, now = state.average.state_dict(), state.model.state_dict()
        for name, value in mean.items():
            if value.dtype.is_floating_point:
                value.lerp_(now[name], 1.0 - keep)
            else:
                value.copy_(now[name])
