"""Pre-training without labels: the network is shown part of a sweep and asked what the whole of it showed.

Beams and patches of ground are taken out of a simulated sweep, or of a real one that nobody labelled; for each cell of
the answer the network says in which heights the whole sweep has returns, and how high the highest is. Backbone and neck
go into the supervised stage, the two heads do not. Idea: K. He et al., Masked Autoencoders Are Scalable Vision
Learners, CVPR 2022; C. Min et al., Occupancy-MAE, 2022. Differs: on the raster of the detector, seen from above, and
beams are hidden as well as patches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.raster import CHANNELS, RasterConfig, rasterize
from perception_nodes.networks.bev import BevDetector, network_config

from .adapt_labels import unlabelled_frame
from .adapt_sweeps import Sweep
from .augment import augment, drop_beams, keep_points
from .config import LossConfig, TrainConfig
from .curves import write_curves
from .frames import RANGE_M
from .journal import journal
from .loader import Samples
from .loop import CHECKPOINT, Job, Place, State, train
from .store import FrameStore, JoinedStore, StoredFrame, write_store

FOLDER: Final = "pretrain"
WEIGHTS: Final = "weights.pt"
# Heights in which the whole sweep has returns, as channels of the raster; and the one that says how high they reach.
SLICES: Final = ("count", "low", "body", "window", "roof", "overhead")
_TOP: Final = CHANNELS.index("top")
_ROWS: Final = [CHANNELS.index(name) for name in SLICES]
# Side of a patch that is hidden, m, and which share of them.
_PATCH_M: Final = 3.2
_HIDDEN: Final = (0.3, 0.6)
_FEWER_BEAMS: Final = 0.5
# What was shown counts too, but less than what was hidden.
_SHOWN_WEIGHT: Final = 0.2
_TOP_WEIGHT: Final = 2.0
_HELD_OUT: Final = 24
Rng = np.random.Generator
B = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Recording:
    """Real sweeps without labels: a name for their folder, and how they are read (only if they are not stored yet)."""

    name: str
    read: Callable[[], tuple[Sequence[Sweep], GeometricConfig]]


@dataclass(frozen=True)
class Pretraining:
    """So many steps (0: none) on simulated frames, and on recordings as often where there are any."""

    steps: int = 0
    recordings: tuple[Recording, ...] = ()

    def asked(self) -> dict[str, Any]:
        """For `run.json`; a run goes on only if it is the same."""
        return {"steps": self.steps, "recordings": [r.name for r in self.recordings]}


@dataclass(frozen=True, eq=False)
class Ground:
    """What there is to learn from: simulated frames, others that are held out, how to train, where to write."""

    frames: JoinedStore
    held_out: JoinedStore
    config: TrainConfig
    raster: RasterConfig
    folder: Path
    logs: tuple[str, ...] = ()
    console: Console = field(default_factory=Console)


def pretrain(plan: Pretraining, ground: Ground, place: Place) -> Path:
    """The weights to begin the supervised stage with; what a run that was killed had done is not done again."""
    weights = ground.folder / WEIGHTS
    if weights.is_file():
        return weights
    ground.folder.mkdir(parents=True, exist_ok=True)
    config = replace(
        ground.config, steps=plan.steps, evaluate_every=max(1, plan.steps // 4), patience=0, loss=LossConfig()
    )
    frames = _mixed(ground.frames, _recorded(plan, ground, place))
    torch.manual_seed(config.seed)
    state = State.of(completer(config.size), config, place)
    if (ground.folder / CHECKPOINT).is_file():
        state.load(ground.folder / CHECKPOINT, config, frames.digest)
    _steps(state, ground, config, frames, place)
    if place.is_first:
        _write(state.average, config, weights)
    if place.world > 1:
        torch.distributed.barrier()
    return weights


def completer(size: str) -> BevDetector:
    """A detector's network that answers, in place of classes and boxes, logits of `SLICES` and the top / 3 m."""
    model = BevDetector(network_config(size))
    model.classes = nn.Conv2d(model.config.head, len(SLICES), 1)
    model.boxes = nn.Conv2d(model.config.head, 1, 1)
    return model


def _write(model: BevDetector, config: TrainConfig, path: Path) -> None:
    """The weights of a detector whose heads are fresh."""
    torch.manual_seed(config.seed)
    detector = BevDetector(network_config(config.size))
    trained = {k: v.cpu() for k, v in model.state_dict().items() if not k.startswith(("classes.", "boxes."))}
    detector.load_state_dict({**detector.state_dict(), **trained})
    making = path.with_suffix(".making")
    torch.save(detector.state_dict(), making)
    making.replace(path)


def _recorded(plan: Pretraining, ground: Ground, place: Place) -> list[FrameStore]:
    """The recordings' sweeps, stored by the first process."""
    stores = []
    for number, recording in enumerate(plan.recordings):
        folder = ground.folder / f"sweeps_{number}_{recording.name}"
        if place.is_first and not (folder / "about.json").is_file():
            sweeps, points = recording.read()
            wide = replace(points, range_m=RANGE_M)
            frames = (unlabelled_frame(k, s, wide, number)[0] for k, s in enumerate(sweeps))
            write_store(folder, frames, {"recording": recording.name})
        if place.world > 1:
            torch.distributed.barrier()
        stores.append(FrameStore(folder))
        ground.console.print(f"{recording.name}: {len(stores[-1])} sweeps without labels", highlight=False)
    return stores


def _mixed(simulated: JoinedStore, recorded: Sequence[FrameStore]) -> JoinedStore:
    """Simulated frames, and of all recordings together about as many."""
    if not recorded:
        return simulated
    often = max(1, round(len(simulated) / sum(len(s) for s in recorded)))
    return JoinedStore([*simulated.stores, *list(recorded) * often])


def _steps(state: State, ground: Ground, config: TrainConfig, frames: JoinedStore, place: Place) -> None:
    samples = Masked(frames, config, ground.raster, config.steps * config.batch)
    held_out = Masked(ground.held_out, config, ground.raster, min(_HELD_OUT, len(ground.held_out)))
    logs = ground.logs if place.is_first else None
    with journal("pre-train", config, state.step, ground.folder, logs, ground.console) as kept:

        def evaluate(model: BevDetector, step: int) -> float:
            parts = held_out_loss(model.eval(), held_out, place)
            ground.console.print(
                f"pre-training, step {step}: held-out loss {parts['loss']:.4f}", highlight=False
            )
            kept.log(step, {f"held_out/{name}": value for name, value in parts.items()})
            return -parts["loss"]

        told = (kept.report, evaluate, completion_loss)
        train(state, Job(samples, config, place, ground.folder, frames.digest, *told))
    if place.is_first:
        write_curves(ground.folder / "metrics.jsonl", ground.folder / "curves.svg")


class Masked(Samples):
    """Sample k: the raster of what is left of a sweep, and what the whole of it says."""

    def __getitem__(self, sample: int) -> dict[str, Any]:
        """raster (16, n, n); slices (6, n/2, n/2) and top (1, n/2, n/2) to be answered; weight (n/2, n/2)."""
        rng = np.random.default_rng([self._config.seed, 3, sample])
        # What thins out a sweep is done below, to what is shown only.
        changes = replace(
            self._config.augment, drop_beams=0.0, drop_points=0.0, blocked=0.0, paste=0, mounds=0
        )
        frame = augment(self._store[self.frame_of(sample)], changes, rng)
        whole = torch.from_numpy(rasterize(frame.points, self._raster))
        shown, hidden = hide(frame, self._raster, rng)
        raster = torch.from_numpy(rasterize(shown.points, self._raster)).to(torch.bfloat16)
        cells = F.max_pool2d(whole, 2)
        weight = torch.from_numpy(hidden.astype(np.float32)) * (1.0 - _SHOWN_WEIGHT) + _SHOWN_WEIGHT
        return {
            "raster": raster, "slices": (cells[_ROWS] > 0).float(), "top": cells[_TOP : _TOP + 1], "weight": weight,
        }  # fmt: skip


def hide(frame: StoredFrame, raster: RasterConfig, rng: Rng) -> tuple[StoredFrame, B]:
    """The frame without the points in some patches, half of the time with fewer beams too; and which cells of two by
    two of the raster, (n/2, n/2), are not shown as they were.
    """
    n = raster.cells // 2
    of = np.arange(n) // max(1, round(_PATCH_M / (2 * raster.cell_m)))
    taken = rng.random((of[-1] + 1, of[-1] + 1)) < rng.uniform(*_HIDDEN)
    hidden: B = taken[of[:, None], of[None]]
    place = np.floor((frame.points.xyh_m[:, :2] + raster.reach_m) / (2 * raster.cell_m)).astype(np.int64)
    inside = ((place >= 0) & (place < n)).all(axis=1)
    there = np.clip(place, 0, n - 1)
    shown = keep_points(frame, ~(inside & hidden[there[:, 0], there[:, 1]]))
    if rng.random() < _FEWER_BEAMS:
        return drop_beams(shown, rng), np.ones_like(hidden)
    return shown, hidden


def completion_loss(
    outputs: tuple[Tensor, Tensor], batch: dict[str, Tensor], _: LossConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross entropy of the slices, cells with returns weighing as much as those without, and L1 of the tops there."""
    logits, top = (o.float() for o in outputs)
    wanted, weight = batch["slices"], batch["weight"][:, None]
    each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * weight
    full, empty = wanted * weight, (1.0 - wanted) * weight
    filled = (each * wanted).sum() / full.sum().clamp(min=1.0)
    free = (each * (1.0 - wanted)).sum() / empty.sum().clamp(min=1.0)
    count = weight * wanted[:, :1]
    height = ((top - batch["top"]).abs() * count).sum() / count.sum().clamp(min=1.0)
    loss = 0.5 * (filled + free) + _TOP_WEIGHT * height
    return loss, {"filled": filled.detach(), "free": free.detach(), "top": height.detach()}


def held_out_loss(model: BevDetector, samples: Masked, place: Place) -> dict[str, float]:
    """Means over held-out frames, masked the same way each time."""
    rows = []
    with torch.inference_mode():
        for k in range(len(samples)):
            batch = {name: value[None].to(place.device) for name, value in samples[k].items()}
            loss, parts = completion_loss(model(batch["raster"].float()), batch, LossConfig())
            rows.append({"loss": float(loss), **{name: float(value) for name, value in parts.items()}})
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
