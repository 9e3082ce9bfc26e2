"""`perception train lidar`, in order: simulate, train, calibrate, export, check, quantise, compare, write down."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console

from perception_nodes.datatypes import ConfigurationError, Rig
from perception_nodes.detection.learned import KIND
from perception_nodes.detection.raster import CHANNELS, RASTER_VERSION, RasterConfig
from perception_nodes.detection.runtime import int8_path
from perception_nodes.networks.bev import BevDetector, network_config
from perception_nodes.simulation.iterator import Drives

from .compare import compare, plain
from .config import TrainConfig, digest, file_digest
from .copies import are_related, family
from .curves import write_curves
from .detector import of_network
from .domain import statistics
from .export import check_parity, export_onnx, quantise
from .journal import Journal, journal, progress
from .loader import Samples, batches
from .logs import check_logs
from .loop import CHECKPOINT, Evaluate, Job, Place, State, find_place, judge, train, train_step
from .pretrain import FOLDER, Ground, Pretraining, pretrain
from .report import card, commit, tell_scores
from .run_file import RUN, check_output, check_same, read_run
from .score import ClassScore, score_store
from .second_look import fit_scores
from .simulate import HELD_OUT_SEED, TRAIN_SEED, halves, held_out_shards, make_all, shards
from .store import JoinedStore
from .weights import mean_of, measuring, network_for

# Of a budget: for simulating, and for what comes after the training.
_DATA_SHARE, _END_SHARE = 0.25, 0.08
_SPEED_STEPS: Final = 12
# Frames that the normalisations of a model that is fine-tuned are measured on.
_THAW_FRAMES: Final = 48
# Of the streets that are trained on, not of those that are scored: with many of what is rare; lined by woods.
_RARE_SHARE: Final = 0.4
_WOODED_SHARE: Final = 0.3
_NEVER = 10**6
_ENOUGH_OBJECTS: Final = 20


@dataclass(frozen=True)
class LidarOptions:
    """What `perception train lidar` is asked for.

    budget_s: time for all of it, 0: `config.steps` decide; weights: `weights.pt` of an earlier run, to begin with;
    models: float32 ONNX files of earlier runs, of which the mean is fine-tuned; street_seed: other streets to train on
    for each; pretraining: what comes before, without labels.
    """

    rigs: tuple[Rig, ...]
    output: Path
    config: TrainConfig
    drives: Drives
    streets: int = 150
    held_out: int = 12
    budget_s: float = 0.0
    resume: bool = False
    logs: tuple[str, ...] = ()
    data: Path | None = None
    name: str = ""
    weights: Path | None = None
    models: tuple[Path, ...] = ()
    street_seed: int = 0
    pretraining: Pretraining = field(default_factory=Pretraining)

    @property
    def data_folder(self) -> Path:
        """Where the frames lie: of this run, or shared by several."""
        return self.data or self.output / "data"


@dataclass(frozen=True, eq=False)
class Run:
    """A run that has its data: what it is of, and the frames."""

    options: LidarOptions
    config: TrainConfig
    raster: RasterConfig
    train: JoinedStore
    held_out: JoinedStore
    console: Console


def train_lidar(options: LidarOptions, console: Console) -> Path:
    """Everything; returns the ONNX file. Raises InputError if the folder holds a run and is not to be resumed."""
    began = time.monotonic()
    # Before minutes of simulation.
    network_config(options.config.size)
    check_logs(options.logs)
    _check_beginning(options, console)
    place = find_place()
    if options.config.batch % place.world:
        raise ConfigurationError(
            f"batch {options.config.batch}: wanted a multiple of {place.world} processes"
        )
    if place.is_first:
        check_output(options.output, options.resume)
        if options.resume:
            check_same(options.output, _asked(options), options.config)
        options.output.mkdir(parents=True, exist_ok=True)
        run = _data(options, console, began)
        run = replace(run, config=_plan(run, place, began))
    if place.world > 1:
        torch.distributed.barrier()
    if not place.is_first:
        # The first has simulated and planned: the others find both, as a run that goes on does.
        run = _data(replace(options, resume=True), Console(quiet=True), began)
        run = replace(run, config=_plan(run, place, began))
    model = _fit(run, place)
    if not place.is_first:
        return options.output
    return finish(run, model)


def finish(run: Run, model: BevDetector) -> Path:
    """Calibrate, export, check, quantise, score side by side, write the card."""
    options, console, raster = run.options, run.console, run.raster
    name = options.name or f"lidar_{model.config.name}"
    fitted, scored = halves(run.held_out)
    second, table = _fit_scores(run, model, fitted)
    about = {
        "kind": KIND, "name": name, "raster": RASTER_VERSION, "channels": list(CHANNELS), "cells": raster.cells,
        "cell_m": raster.cell_m, "sweeps": 1, "size": model.config.name, "rigs": [r.name for r in options.rigs],
        "data": run.train.digest, "config": digest(run.config), "commit": commit(), "calibration": table,
        "second_look": second, "statistics": statistics(run.train), **_beginning(options),
    }  # fmt: skip
    path = options.output / f"{name}.onnx"
    export_onnx(model, raster, path, about)
    parity = check_parity(model, path, run.held_out, raster)
    console.print(
        f"parity over {parity.frames} frames, {parity.boxes} boxes: {1e3 * parity.box:.4f} mm,"
        f" score {parity.score:.1e}, unmatched {parity.unmatched}: {'holds' if parity.holds else 'DOES NOT HOLD'}"
    )
    quantise(path, int8_path(path), run.train, raster)
    figures = compare(path, run.held_out, options.rigs, scored)
    tell_scores(figures, console)
    text = card(name, about, run.config, figures, parity, _described(run))
    (options.output / f"{name}.md").write_text(text)
    if (options.output / "metrics.jsonl").is_file():
        write_curves(options.output / "metrics.jsonl", options.output / "curves.svg")
    (options.output / "figures.json").write_text(json.dumps(plain(figures), indent=1))
    return path


def _asked(options: LidarOptions) -> dict[str, Any]:
    """What `run.json` keeps of the options, the configuration apart."""
    return {
        "rigs": {r.name: digest(r.to_dict()) for r in options.rigs}, "drives": dataclasses.asdict(options.drives),
        "streets": options.streets, "held_out": options.held_out, "street_seed": options.street_seed,
        "rare_share": _RARE_SHARE, "wooded_share": _WOODED_SHARE, **_beginning(options),
    }  # fmt: skip


def _data(options: LidarOptions, console: Console, began: float) -> Run:
    """Frames to train on and frames of other streets to be scored on; simulated where they are not there."""
    drives, root = options.drives, options.data_folder
    limit = options.budget_s * _DATA_SHARE
    planned = read_run(options.output).get("shards", _NEVER) if options.resume else _NEVER
    held = held_out_shards(options.rigs, options.held_out, drives, HELD_OUT_SEED)
    streets = max(1, options.streets // len(options.rigs))
    trained = replace(drives, rare_share=_RARE_SHARE, wooded_share=_WOODED_SHARE)
    wanted = shards(options.rigs, streets, TRAIN_SEED, trained, options.street_seed)

    def enough(made: int) -> bool:
        late = planned == _NEVER and limit > 0 and time.monotonic() - began > limit
        # Every rig must have its turn.
        return made >= planned or (late and made % len(options.rigs) == 0)

    workers = options.config.workers
    with progress(console) as bar:
        task = bar.add_task("simulate, held out", total=sum(s.streets for s in held) * drives.frames)
        kept = make_all(held, root, workers, lambda n: bar.advance(task, n), lambda _: False)
        task = bar.add_task("simulate", total=sum(s.streets for s in wanted[:planned]) * drives.frames)
        train_frames = make_all(wanted, root, workers, lambda n: bar.advance(task, n), enough)
    console.print(f"{len(train_frames)} frames to train on, {len(kept)} of other streets held out")
    return Run(options, options.config, RasterConfig(), train_frames, kept, console)


def _plan(run: Run, place: Place, began: float) -> TrainConfig:
    """The configuration with its number of steps: of the run that goes on, as given, or what fits into the budget."""
    options, config = run.options, run.options.config
    if options.resume:
        known = read_run(options.output)["config"]
        return replace(config, steps=int(known["steps"]), evaluate_every=int(known["evaluate_every"]))
    if options.budget_s > 0:
        left = options.budget_s * (1.0 - _END_SHARE) - (time.monotonic() - began)
        # A step of pre-training costs what another one does.
        steps = max(20, int(left / _seconds_per_step(run, place)) - options.pretraining.steps)
        config = replace(config, steps=steps, evaluate_every=max(steps // 5, 1))
    if place.is_first:
        about = {
            "config": dataclasses.asdict(config), "digest": digest(config), "shards": len(run.train.stores),
            "budget_s": options.budget_s, "frames": len(run.train), "held_out_frames": len(run.held_out),
            "data": run.train.digest, "held_out_data": run.held_out.digest, "commit": commit(),
            "weights": file_digest(options.weights),
            "versions": {n: importlib.metadata.version(n) for n in ("torch", "numpy", "onnxruntime")},
            **_asked(options),
        }  # fmt: skip
        (options.output / RUN).write_text(json.dumps(about, indent=1))
    return config


def _seconds_per_step(run: Run, place: Place) -> float:
    """Measured on a network that is thrown away."""
    config = replace(run.config, steps=_SPEED_STEPS)
    samples = Samples(run.train, config, run.raster, config.steps * config.batch)
    state = State.fresh(config, place)
    stream = batches(samples, config, 0)
    train_step(state, state.model, next(stream), config, place)
    began = time.monotonic()
    for _ in range(_SPEED_STEPS - 1):
        train_step(state, state.model, next(stream), config, place)
    return (time.monotonic() - began) / (_SPEED_STEPS - 1)


def _fit(run: Run, place: Place) -> BevDetector:
    """The training itself; returns the network with the best weights."""
    options, config = run.options, run.config
    samples = Samples(run.train, config, run.raster, config.steps * config.batch)
    state = _begin(run, place, samples)
    logs = options.logs if place.is_first else None
    with journal(f"train {config.size}", config, state.step, options.output, logs, run.console) as kept:
        evaluate = _evaluator(run, kept)
        if state.step == 0 and (options.models or options.weights):
            # What the run begins with is to be chosen too.
            judge(state, evaluate, place)
        train(state, Job(samples, config, place, options.output, run.train.digest, kept.report, evaluate))
    best = BevDetector(network_config(config.size))
    best.load_state_dict(state.best_weights or {k: v.cpu() for k, v in state.average.state_dict().items()})
    if place.is_first:
        torch.save(best.state_dict(), options.output / "weights.pt")
    best.eval()
    return best


def _begin(run: Run, place: Place, samples: Samples) -> State:
    """Where the run was, or its beginning: at random weights, or at those of earlier runs."""
    options, config = run.options, run.config
    state, checkpoint = State.fresh(config, place), options.output / CHECKPOINT
    if options.resume and checkpoint.is_file():
        state.load(checkpoint, config, run.train.digest)
    elif options.pretraining.steps:
        folder = options.output / FOLDER
        ground = Ground(run.train, run.held_out, config, run.raster, folder, options.logs, run.console)
        state.begin_with(pretrain(options.pretraining, ground, place))
    elif options.weights is not None:
        state.begin_with(options.weights)
    elif options.models:
        shown = (samples[k]["raster"][None].float() for k in range(_THAW_FRAMES))
        mean = mean_of([network_for(model, config.size, run.raster)[0] for model in options.models])
        state = State.of(measuring(mean, shown), config, place)
    return state


def _check_beginning(options: LidarOptions, console: Console) -> None:
    """Before minutes of simulation. Raises InputError for models of another network, ConfigurationError for no step."""
    for model in options.models:
        network_for(model, options.config.size, RasterConfig())
    if options.models and not are_related(options.models):
        console.print(
            f"[yellow]{', '.join(map(str, options.models))}: no file is known that all of them go on from: the mean of"
            " weights of runs that have nothing in common finds nothing[/yellow]"
        )
    if options.config.steps == 0 and not (options.models or options.weights):
        raise ConfigurationError("steps 0: wanted 1 or more, or the weights of earlier runs to begin with")


def _beginning(options: LidarOptions) -> dict[str, Any]:
    """from: the files that the run goes on from, the first first; mean_of: digests of those that it begins with the
    mean of, where they are several; pretraining.
    """
    several = options.models if len(options.models) > 1 else ()
    return {
        "from": family(options.models), "mean_of": [file_digest(model) for model in several],
        "pretraining": options.pretraining.asked(),
    }  # fmt: skip


def _evaluator(run: Run, kept: Journal) -> Evaluate:
    # The half that second look and table are fitted on: the other is what is reported.
    half, _ = halves(run.held_out)

    def evaluate(model: BevDetector, step: int) -> float:
        scores = score_store(run.held_out, of_network(model.eval(), run.raster), half)
        numbers = {f"ap/{name}": s.ap for name, s in scores.items()}
        mean = mean_ap(scores)
        kept.log(step, {**numbers, "ap": mean})
        shown = ", ".join(f"{name} {s.ap:.3f}" for name, s in scores.items())
        run.console.print(f"step {step}: mean AP {mean:.3f} ({shown})", highlight=False)
        return mean

    return evaluate


def mean_ap(scores: Mapping[str, ClassScore]) -> float:
    """Mean over the classes with enough objects to tell weights apart; over all where none has."""
    many = [s for s in scores.values() if s.objects >= _ENOUGH_OBJECTS] or list(scores.values())
    return sum(s.ap for s in many) / max(len(many), 1)


def _fit_scores(run: Run, model: BevDetector, frames: Sequence[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Second look and table on some of the held-out frames."""
    detect = of_network(model, run.raster)
    stored = [run.held_out[k] for k in frames]
    return fit_scores([(f, detect(f)) for f in stored])


def _described(run: Run) -> dict[str, Any]:
    o = run.options
    return {
        "frames": len(run.train), "held_out": len(run.held_out), "streets": len(run.train.stores),
        "rigs": [r.name for r in o.rigs], "drives": dataclasses.asdict(o.drives),
    }  # fmt: skip
