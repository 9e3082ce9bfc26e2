"""`perception tune tracker`: parameters of one class by random search, judged by leaving out one sequence at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from rich.console import Console

from perception_nodes.evaluation import KittiTracking, KittiTrackingConfig, kitti_tracking
from perception_nodes.evaluation.tracking.kitti import score_table
from perception_nodes.evaluation.tracking.kitti_table import Table, build_table, joined

from .config import TrackConfig, class_config
from .kitti import as_written, results
from .tune_inputs import Truth, TuneOptions, passed, read_inputs

# What is searched, and over which values. Those of the tracker cost a pass over all frames, the others hardly anything.
TRACKER: Final[Mapping[str, tuple[float, ...]]] = {
    "low_score": (0.15, 0.2, 0.3, 0.4, 0.5),
    "coast_visible_s": (0.7, 1.0, 1.5),
    "detection_probability": (0.6, 0.7, 0.8, 0.9),
    "coast_per_seen": (1.0, 2.0),
    "tentative_misses": (2, 3, 4),
    "gate_distance_m": (2.0, 3.0, 4.0),
    "birth_overlap": (0.1, 0.3, 1.0),
    "shrink_caution": (0.0, 1.0, 3.0),
}
RANKING: Final[Mapping[str, tuple[float, ...]]] = {
    "prior_score": (-3.5, -2.1, -1.4, -0.7),
    "prior_weight": (2.0, 4.0, 6.0, 10.0),
    "coast_s": (0.2, 0.3, 0.5, 0.8),
    "coast_existence": (0.0, 0.2, 0.3, 0.4),
    "coast_cost_per_s": (0.0, 2.0, 3.5, 7.0),
    "visible_share": (0.1, 0.3, 0.5, 0.7),
}
SUPPORT: Final[Mapping[str, tuple[float, ...]]] = {"support_score": (0.35, 0.7, 1.4, 2.8)}


@dataclass(frozen=True)
class Trial:
    """One setting: its results and its worth over all sequences, and over all but each one of them."""

    config: TrackConfig
    changes: dict[str, float]
    results: Truth
    worth: float
    worth_without: dict[str, float]


@dataclass(frozen=True)
class Tuned:
    """present: the committed parameters; best: over all sequences (optimistic); honest: each sequence tracked with what
    is best on the others.
    """

    present: KittiTracking
    best: KittiTracking
    honest: KittiTracking
    changes: dict[str, float]
    chosen: dict[str, dict[str, float]]


def worth(tables: Sequence[Table], label: str) -> float:
    """What is maximised: the mean of sAMOTA and MOTA of the clean definition."""
    score = score_table(joined(tables), label, "clean")
    return 0.0 if np.isnan(score.samota) else 0.5 * (score.samota + max(score.best.mota, -1.0))


def tune(options: TuneOptions, console: Console) -> Tuned:
    """Try settings; trial 0 is the present one, and every other changes a few of its numbers, drawn from the seed."""
    from perception_nodes.runs.progress import RunProgress

    truth, inputs = read_inputs(options)
    rng = np.random.default_rng(options.seed)
    trials: list[Trial] = []
    with RunProgress(console) as progress:
        progress.stage(f"tuning {options.label}")
        for k in range(options.trials):
            config = class_config(options.label)
            changes: dict[str, float] = {}
            if k:
                config, changes = changed(config, TRACKER, 2, rng)
            trials += _rankings(options, config, changes, (truth, inputs), rng)
            best = max(t.worth for t in trials)
            progress.update(k + 1, options.trials, f"{len(trials)} settings, best {100 * best:.2f}")
    return _tuned(trials, truth, options.label)


def changed(
    config: TrackConfig, space: Mapping[str, tuple[float, ...]], count: int, rng: np.random.Generator
) -> tuple[TrackConfig, dict[str, float]]:
    """The configuration with `count` numbers of the space drawn anew, and which."""
    names = rng.choice(list(space), size=min(count, len(space)), replace=False).tolist()
    changes = {name: space[name][int(rng.integers(len(space[name])))] for name in names}
    return applied(config, changes), changes


def applied(config: TrackConfig, changes: Mapping[str, float]) -> TrackConfig:
    """The configuration with these numbers, of the tracker or around it."""
    inner: dict[str, Any] = {k: v for k, v in changes.items() if k in TRACKER}
    outer: dict[str, Any] = {k: v for k, v in changes.items() if k not in TRACKER}
    return replace(config, tracker=replace(config.tracker, **inner), **outer)


def _rankings(
    options: TuneOptions,
    config: TrackConfig,
    changes: dict[str, float],
    data: tuple[Truth, dict[str, dict[str, Any]]],
    rng: np.random.Generator,
) -> Iterator[Trial]:
    truth, inputs = data
    seen = {name: passed(options.label, config, one) for name, one in inputs.items()}
    space = {**RANKING, **(SUPPORT if options.track.detections_2d is not None else {})}
    for k in range(options.rankings):
        ranked, more = (config, {}) if k == 0 else changed(config, space, 2, rng)
        found = {name: results(s, options.label, ranked) for name, s in seen.items()}
        config_clean = KittiTrackingConfig()
        parts = {n: build_table({n: truth[n]}, {n: found[n]}, options.label, config_clean) for n in truth}
        without = {n: worth([p for m, p in parts.items() if m != n], options.label) for n in truth}
        total = worth(list(parts.values()), options.label)
        yield Trial(ranked, {**changes, **more}, found, total, without)


def _tuned(trials: Sequence[Trial], truth: Truth, label: str) -> Tuned:
    best = max(trials, key=lambda t: t.worth)
    chosen = {n: trials[int(np.argmax([t.worth_without[n] for t in trials]))] for n in truth}
    honest = {name: trial.results[name] for name, trial in chosen.items()}
    return Tuned(
        kitti_tracking(truth, trials[0].results, label),
        kitti_tracking(truth, best.results, label),
        kitti_tracking(truth, honest, label),
        best.changes,
        {name: trial.changes for name, trial in chosen.items()},
    )


def tune_and_tell(options: TuneOptions, console: Console) -> Tuned:
    """Tune, and print present, best and honest figures with what was changed."""
    from rich.table import Table

    tuned = tune(options, console)
    table = Table(box=None, title=f"{options.label}, clean, seed {options.seed}", title_justify="left")
    for name in ("parameters", "sAMOTA", "AMOTA", "MOTA", "MOTP", "switches", "fragments"):
        table.add_column(name, justify="left" if name == "parameters" else "right")
    rows = {"present": tuned.present, "best on all": tuned.best, "left-out sequences": tuned.honest}
    for name, score in rows.items():
        table.add_row(name, *figures(score))
    console.print(table)
    console.print("best on all: " + (", ".join(f"{k} {v:g}" for k, v in tuned.changes.items()) or "present"))
    return tuned


def figures(score: KittiTracking) -> list[str]:
    """sAMOTA, AMOTA, MOTA, MOTP in percent, id switches, fragments."""
    shares = (score.samota, score.amota, score.best.mota, score.best.motp)
    return [*(f"{100 * v:.2f}" for v in shares), str(score.best.id_switches), str(score.best.fragments)]


def published(truth: Truth, found: Truth, label: str) -> KittiTracking:
    """With the side effects of the evaluator behind the published tables, which reads scores from files.

    It loses tracks by the rounding of their scores: more digits than are written would give another figure.
    """
    written = {n: [replace(f, score=as_written(f.score)) for f in frames] for n, frames in found.items()}
    return kitti_tracking(truth, written, label, KittiTrackingConfig(mode="published"))
