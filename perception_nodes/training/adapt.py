"""`perception adapt`, in order: detect, track both ways, label, mix with simulation, fine-tune, guard, export."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from perception_nodes.datatypes import LABELS, UNKNOWN, Detections3D, InputError, Rig
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.learned import LearnedLidarDetector
from perception_nodes.detection.learned_config import LearnedConfig, RuntimeConfig
from perception_nodes.detection.raster import RasterConfig
from perception_nodes.detection.runtime import int8_path
from perception_nodes.networks.bev import BevDetector
from perception_nodes.simulation.iterator import Drives

from .adapt_labels import label_drive, labelled_frame
from .adapt_sweeps import Sweep, TwoDetectors, find_all
from .calibrate import calibration
from .config import TrainConfig, digest, file_digest
from .detector import of_network
from .domain import statistics
from .export import check_parity, export_onnx, quantise
from .frames import RANGE_M
from .loader import Samples
from .logs import open_sinks
from .loop import CHECKPOINT, Job, Place, State, train
from .real import RealFrame, geometric, score_real
from .report import commit, tell_real
from .score import ClassScore, found_frame, score_store, truth_frame
from .score_real import boxes_of
from .simulate import HELD_OUT_SEED, TRAIN_SEED, make_all, shards
from .store import FrameStore, JoinedStore, write_store
from .weights import network_of

RUN: Final = "adapt.json"
# How much worse the new model may be on held-out simulation, mean AP of the classes with this many objects.
ALLOWED_LOSS, _ENOUGH = 0.01, 10
# Frames of the drive among those of a batch.
_REAL_SHARE: Final = 0.5


@dataclass(frozen=True)
class AdaptOptions:
    """What `perception adapt` is asked for.

    rigs: simulated, so that nothing is forgotten; share: part of the drive, from its beginning, that is learned from,
    the rest is held out; data: folder for simulated frames.
    """

    model: Path
    output: Path
    config: TrainConfig
    rigs: tuple[Rig, ...]
    drives: Drives
    streets: int = 24
    held_out: int = 12
    share: float = 0.5
    resume: bool = False
    data: Path | None = None
    logs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Drive:
    """A drive with its lidars' sweeps in order; truth: true boxes of each in the base frame, where they are known."""

    name: str
    sweeps: Sequence[Sweep]
    points: GeometricConfig
    truth: Sequence[Detections3D] | None = None


@dataclass(frozen=True, eq=False)
class _Frames:
    """Simulated frames to go on with and to be judged on, and labelled ones of the drive."""

    simulated: JoinedStore
    held_out: JoinedStore
    real: FrameStore

    @property
    def mixed(self) -> JoinedStore:
        """Both, each as often as makes the share of the drive right."""
        ratio = len(self.simulated) * _REAL_SHARE / (1.0 - _REAL_SHARE) / len(self.real)
        often = max(1, round(ratio)), max(1, round(1.0 / ratio))
        return JoinedStore([*[self.real] * often[0], *self.simulated.stores * often[1]])


def adapt(options: AdaptOptions, drive: Drive, console: Console) -> Path | None:
    """The adapted model, or None where it is worse on held-out simulation and the old one is to be kept.

    Raises InputError for a drive too short, without any believable object, or an output that holds another run.
    """
    network, about = network_of(options.model)
    raster = RasterConfig(float(about["cell_m"]), int(about["cells"]))
    _check_output(options)
    half = max(1, round(options.share * len(drive.sweeps)))
    if half < _ENOUGH:
        raise InputError(f"{drive.name}: {half} sweeps to learn from: wanted at least {_ENOUGH}")
    simulated, held_out = _simulate(options, console)
    frames = _Frames(simulated, held_out, _labelled(options, drive, half, len(options.rigs), console))
    before = mean_ap(score_store(held_out, of_network(network, raster)))
    state = State.of(network, options.config, Place(torch.device("cpu")))
    _fine_tune(options, state, frames, raster, before, console)
    run: dict[str, Any] = {"before": before, "after": state.best, "accepted": bool(state.best_weights)}
    path = _export(options, state, frames, raster, about, console) if state.best_weights else None
    tested = drive.sweeps[half:]
    if drive.truth is not None and tested:
        run["held_out"] = _compare(options.model, path, drive, half, console)
    (options.output / RUN).write_text(json.dumps({**_asked(options), **run}, indent=1))
    if path is None:
        console.print(f"[yellow]worse on held-out simulation: {options.model} is to be kept[/yellow]")
    return path


def mean_ap(scores: dict[str, ClassScore]) -> float:
    """Over the classes of which there are enough to say something."""
    known = [s.ap for s in scores.values() if s.objects >= _ENOUGH]
    return float(np.mean(known)) if known else 0.0


def _asked(options: AdaptOptions) -> dict[str, Any]:
    return {
        "model": options.model.name, "model_digest": file_digest(options.model), "share": options.share,
        "config": dataclasses.asdict(options.config), "rigs": [r.name for r in options.rigs],
        "drives": dataclasses.asdict(options.drives), "streets": [options.streets, options.held_out],
    }  # fmt: skip


def _check_output(options: AdaptOptions) -> None:
    run = options.output / RUN
    asked = json.loads(json.dumps(_asked(options)))
    if run.is_file():
        if not options.resume:
            raise InputError(
                f"{options.output}: holds a run: give --resume to go on with it, or another --output"
            )
        known = json.loads(run.read_text())
        if any(known.get(key) != value for key, value in asked.items()):
            raise InputError(f"{options.output}: --resume with other settings than the run was begun with")
    options.output.mkdir(parents=True, exist_ok=True)
    run.write_text(json.dumps(asked, indent=1))


def _simulate(options: AdaptOptions, console: Console) -> tuple[JoinedStore, JoinedStore]:
    """Frames of the rigs that the model was trained for: some to go on with, others to be judged on."""
    root, n = options.data or options.output / "data", len(options.rigs)
    wanted = [
        shards(options.rigs, max(1, streets // n), seed, options.drives)
        for streets, seed in ((options.streets, TRAIN_SEED), (options.held_out, HELD_OUT_SEED))
    ]
    total = options.drives.frames * sum(s.streets for part in wanted for s in part)
    with _bar(console, "simulate", total) as tick:
        first, second = (
            make_all(part, root, options.config.workers, tick, lambda _: False) for part in wanted
        )
    return first, second


def _labelled(options: AdaptOptions, drive: Drive, half: int, rig: int, console: Console) -> FrameStore:
    """The sweeps to learn from with their auto-labels; made once."""
    sweeps = drive.sweeps[:half]
    stamps = [(s.cloud.stamp_ns, len(s.cloud)) for s in sweeps]
    about = {"drive": digest(stamps), "model": file_digest(options.model), "rig": rig}
    folder = options.output / "labels"
    if (folder / "about.json").is_file():
        store = FrameStore(folder)
        if all(store.about.get(key) == value for key, value in about.items()):
            return store
    with _bar(console, "detect", len(sweeps)) as tick:
        found = find_all(sweeps, TwoDetectors(options.model, drive.points), lambda: tick(1))
    labels = label_drive(found, sweeps)
    if not labels.objects:
        raise InputError(f"{drive.name}: no object was found that can be believed: nothing to learn from")
    points = replace(drive.points, range_m=RANGE_M)
    with _bar(console, "label", len(sweeps)) as tick:
        frames = (labelled_frame(k, sweeps[k], found[k], labels, points, rig) for k in range(half))
        write_store(folder, _ticked(frames, tick), about)
    store = FrameStore(folder)
    kinds = Counter(int(v) for k in range(half) for v in store.boxes(k)["label"])
    shown = ", ".join(f"{LABELS[k]} {n / half:.1f}" for k, n in sorted(kinds.items()) if k != UNKNOWN)
    console.print(
        f"{len(labels.objects)} objects, {sum(o.still for o in labels.objects)} of them standing; labels a sweep:"
        f" {shown}; left open {kinds[UNKNOWN] / half:.1f}",
        highlight=False,
    )
    return store


def _fine_tune(
    options: AdaptOptions,
    state: State,
    frames: _Frames,
    raster: RasterConfig,
    before: float,
    console: Console,
) -> None:
    """`state.best_weights` are afterwards the last that are no worse on held-out simulation; empty: none was."""
    config, mixed = options.config, frames.mixed
    checkpoint = options.output / CHECKPOINT
    if options.resume and checkpoint.is_file():
        state.load(checkpoint, config, mixed.digest)
    sinks, missing = open_sinks(options.logs, options.output, dataclasses.asdict(config), state.step)
    for sentence in missing:
        console.print(f"[yellow]{sentence}[/yellow]")

    def judged(model: BevDetector, step: int) -> float:
        score = mean_ap(score_store(frames.held_out, of_network(model.eval(), raster)))
        for sink in sinks:
            sink.log(step, {"ap": score})
        good = score >= before - ALLOWED_LOSS
        word = "" if good else ": too much is forgotten"
        console.print(f"step {step}: mean AP {score:.3f}, before {before:.3f}{word}", highlight=False)
        # Of those that have forgotten nothing the one that has learned longest.
        return float(step) if good else -np.inf

    samples = Samples(mixed, config, raster, config.steps * config.batch)
    with _bar(console, "fine-tune", config.steps, state.step) as tick:
        last = state.step

        def report(step: int, numbers: dict[str, float]) -> None:
            nonlocal last
            tick(step - last)
            last = step
            for sink in sinks:
                sink.log(step, numbers)

        try:
            place = Place(torch.device("cpu"))
            train(state, Job(samples, config, place, options.output, mixed.digest, report, judged))
        finally:
            for sink in sinks:
                sink.close()


def _export(
    options: AdaptOptions,
    state: State,
    frames: _Frames,
    raster: RasterConfig,
    about: dict[str, Any],
    console: Console,
) -> Path:
    model = state.average
    model.load_state_dict(state.best_weights)
    model.eval()
    held = [frames.held_out[k] for k in range(len(frames.held_out))]
    detect = of_network(model, raster)
    table = calibration(
        [truth_frame(f, k) for k, f in enumerate(held)],
        [found_frame(detect(f), k) for k, f in enumerate(held)],
    )
    name = f"{about.get('name', options.model.stem)}_adapted"
    path = options.output / f"{name}.onnx"
    adapted = {"from": file_digest(options.model), "drive": frames.real.digest, "steps": int(state.best)}
    mixed = frames.mixed
    more = {
        "name": name,
        "calibration": table,
        "statistics": statistics(mixed),
        "adapted": adapted,
        "commit": commit(),
    }
    export_onnx(model, raster, path, {**about, **more})
    parity = check_parity(model, path, frames.held_out, raster)
    console.print(
        f"parity over {parity.frames} frames, {parity.boxes} boxes: {1e3 * parity.box:.4f} mm, score"
        f" {parity.score:.1e}: {'holds' if parity.holds else 'DOES NOT HOLD'}"
    )
    quantise(path, int8_path(path), mixed, raster)
    return path


def _compare(old: Path, new: Path | None, drive: Drive, half: int, console: Console) -> dict[str, Any]:
    """Both models on the held-out part of the drive against its truth."""
    assert drive.truth is not None
    frames = [
        RealFrame(s.cloud, s.origins_m, t, lambda xyz: np.ones(len(xyz), bool))
        for s, t in zip(drive.sweeps[half:], drive.truth[half:], strict=True)
    ]
    files = {"before": old, **({"after": new, "after int8": int8_path(new)} if new is not None else {})}
    detectors = {"geometric": geometric(drive.points)}
    for name, file in files.items():
        precision = "int8" if name.endswith("int8") else "fp32"
        config = LearnedConfig(drive.points, runtime=RuntimeConfig(precision=precision, probe_runs=1))
        detectors[name] = boxes_of(LearnedLidarDetector(file, config))
    scores = {name: score_real(frames, detector) for name, detector in detectors.items()}
    tell_real(f"{drive.name}, held-out part", scores, console)
    return {name: dataclasses.asdict(score) for name, score in scores.items()}


def _ticked(frames: Iterator[Any], tick: Any) -> Iterator[Any]:
    for frame in frames:
        tick(1)
        yield frame


@contextmanager
def _bar(console: Console, what: str, total: int, done: int = 0) -> Iterator[Any]:
    """A progress bar; what is yielded takes how much more is done."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=total, completed=done)
        yield lambda more: progress.advance(task, more)
