"""`perception adapt`, in order: detect, track both ways, label, mix with simulation, fine-tune, guard, export."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console

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
from .copies import chain, write_card
from .detector import looked_again, of_network
from .domain import statistics
from .export import check_parity, export_onnx, quantise
from .frames import RANGE_M
from .journal import journal, ticking
from .loader import Samples
from .logs import check_logs
from .loop import CHECKPOINT, Evaluate, Job, Place, State, train
from .real import RealFrame, geometric, score_real
from .report import commit, tell_real
from .score import ClassScore, detect_all, score_store
from .score_real import boxes_of
from .simulate import HELD_OUT_SEED, TABLE_SEED, TRAIN_SEED, make_all, shards
from .store import FrameStore, JoinedStore, write_store
from .weights import network_of

RUN: Final = "adapt.json"
# How much worse the new model may be on held-out simulation, mean AP of the classes with this many objects.
ALLOWED_LOSS, _ENOUGH = 0.01, 10
# Where even the last weights have forgotten too much: parts of the way from the old ones to them.
_PARTS: Final = (0.5, 0.25)
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
    """Simulated frames to go on with, to be judged on and for the table, and labelled ones of the drive."""

    simulated: JoinedStore
    held_out: JoinedStore
    table: JoinedStore
    real: FrameStore
    drive: str

    @property
    def mixed(self) -> JoinedStore:
        """Both, each as often as makes the share of the drive right."""
        ratio = len(self.simulated) * _REAL_SHARE / (1.0 - _REAL_SHARE) / len(self.real)
        often = max(1, round(ratio)), max(1, round(1.0 / ratio))
        return JoinedStore([*[self.real] * often[0], *self.simulated.stores * often[1]])


@dataclass(frozen=True, eq=False)
class _Kept:
    """A network that has forgotten nothing: after which step, which part of the way, AP then and before."""

    network: BevDetector
    step: int
    part: float
    ap: float
    before: float


def adapt(options: AdaptOptions, drive: Drive, console: Console) -> Path | None:
    """The adapted model, or None where it is worse on held-out simulation and the old one is to be kept.

    Raises InputError for a drive too short, without any believable object, or an output that holds another run.
    """
    check_logs(options.logs)
    network, about = network_of(options.model)
    raster = RasterConfig(float(about["cell_m"]), int(about["cells"]))
    _check_output(options)
    half = max(1, round(options.share * len(drive.sweeps)))
    if half < _ENOUGH:
        raise InputError(f"{drive.name}: {half} sweeps to learn from: wanted at least {_ENOUGH}")
    real = _labelled(options, drive, half, len(options.rigs), console)
    frames = _Frames(*_simulate(options, console), real, drive.name)
    before = mean_ap(score_store(frames.held_out, of_network(network, raster)))
    kept = _fine_tune(options, network, frames, raster, before, console)
    run: dict[str, Any] = {"before": before, "accepted": kept is not None}
    path = None
    if kept is not None:
        run |= {"after": kept.ap, "steps": kept.step, "part": kept.part}
        path = _export(options, kept, frames, raster, about, console)
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


def _simulate(options: AdaptOptions, console: Console) -> tuple[JoinedStore, JoinedStore, JoinedStore]:
    """Frames of the rigs that the model was trained for: to go on with, to be judged on, to calibrate.

    The second look of the model was fitted on what its own run held out: a table of these streets would be too sure.
    """
    root, n = options.data or options.output / "data", len(options.rigs)
    wanted = [
        shards(options.rigs, max(1, streets // n), seed, options.drives)
        for streets, seed in (
            (options.streets, TRAIN_SEED),
            (options.held_out, HELD_OUT_SEED),
            (options.held_out, TABLE_SEED),
        )
    ]
    total = options.drives.frames * sum(s.streets for part in wanted for s in part)
    with ticking(console, "simulate", total) as tick:
        train_frames, held_out, table = (
            make_all(part, root, options.config.workers, tick, lambda _: False) for part in wanted
        )
    return train_frames, held_out, table


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
    with ticking(console, "detect", len(sweeps)) as tick:
        found = find_all(sweeps, TwoDetectors(options.model, drive.points), lambda: tick(1))
    labels = label_drive(found, sweeps)
    if not labels.objects:
        raise InputError(f"{drive.name}: no object was found that can be believed: nothing to learn from")
    points = replace(drive.points, range_m=RANGE_M)
    with ticking(console, "label", len(sweeps)) as tick:
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
    network: BevDetector,
    frames: _Frames,
    raster: RasterConfig,
    before: float,
    console: Console,
) -> _Kept | None:
    """The last weights that are no worse on held-out simulation; a part of the way there if none are; None: no part."""
    config, mixed = options.config, frames.mixed
    old = {k: v.clone() for k, v in network.state_dict().items()}
    state = State.of(network, config, Place(torch.device("cpu")))
    if options.resume and (options.output / CHECKPOINT).is_file():
        state.load(options.output / CHECKPOINT, config, mixed.digest)

    def judged(model: BevDetector, what: str) -> float:
        ap = mean_ap(score_store(frames.held_out, of_network(model.eval(), raster)))
        word = "" if ap >= before - ALLOWED_LOSS else ": too much is forgotten"
        console.print(f"{what}: mean AP {ap:.3f}, before {before:.3f}{word}", highlight=False)
        return ap

    def evaluate(model: BevDetector, step: int) -> float:
        # Of those that have forgotten nothing the one that has learned longest.
        return float(step) if judged(model, f"step {step}") >= before - ALLOWED_LOSS else -np.inf

    _steps(options, state, mixed, raster, evaluate, console)
    last = {k: v.clone() for k, v in state.average.state_dict().items()}
    tries = [(state.best_weights, 1.0)] if state.best_weights else [(last, part) for part in _PARTS]
    for weights, part in tries:
        model = state.average
        model.load_state_dict(
            {k: torch.lerp(old[k], v, part) if v.is_floating_point() else v for k, v in weights.items()}
        )
        ap = judged(model, f"{part:.0%} of the way")
        if ap >= before - ALLOWED_LOSS:
            step = int(state.best) if state.best_weights else state.step
            return _Kept(model.eval(), step, part, ap, before)
    return None


def _steps(
    options: AdaptOptions,
    state: State,
    mixed: JoinedStore,
    raster: RasterConfig,
    evaluate: Evaluate,
    console: Console,
) -> None:
    """The training itself."""
    config = options.config
    samples, place = Samples(mixed, config, raster, config.steps * config.batch), Place(torch.device("cpu"))
    with journal("fine-tune", config, state.step, options.output, options.logs, console) as kept:
        train(state, Job(samples, config, place, options.output, mixed.digest, kept.report, evaluate))


def _export(
    options: AdaptOptions,
    kept: _Kept,
    frames: _Frames,
    raster: RasterConfig,
    about: dict[str, Any],
    console: Console,
) -> Path:
    model = kept.network
    table = calibration(*detect_all(frames.table, looked_again(of_network(model, raster), about)))
    name = f"{about.get('name', options.model.stem)}_adapted"
    path = options.output / f"{name}.onnx"
    adapted = {
        "from": file_digest(options.model),
        "drive": frames.real.digest,
        "steps": kept.step,
        "part": kept.part,
    }
    mixed = frames.mixed
    new = about | {
        "name": name, "calibration": table, "statistics": statistics(mixed), "adapted": adapted, "commit": commit(),
        "from": chain(options.model),
        "done": f"Adapted without labels to {frames.drive} in {kept.step} steps, {kept.part:.0%} of the way kept",
    }  # fmt: skip
    export_onnx(model, raster, path, new)
    figure = f"Mean AP on held-out simulated streets: {kept.before:.3f} before, {kept.ap:.3f} after."
    write_card(options.model, path, new, [figure])
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
