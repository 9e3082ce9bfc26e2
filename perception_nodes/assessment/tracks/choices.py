"""`perception tune choices`: what was chosen by hand for a class, chosen again for each sequence by the others alone.

For each sequence that is left out the others say what the scores mean (`scores.py`), whether that or the meaning that
is set is taken, and which setting of a small grid is best; the sequence is then tracked so. Nothing of it has been seen
before but by the meaning that is set, which is chosen or not by the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final, NamedTuple

from rich.console import Console

from perception_nodes.evaluation import KittiTracking, kitti_tracking
from perception_nodes.evaluation.kitti_objects import KittiObjects
from perception_nodes.evaluation.tracking.kitti_table import KittiTrackingConfig, Table, build_table

from .config import TrackConfig, class_config
from .kitti import Seen, results
from .scores import fit_scores, judged
from .tune import applied, figures, worth
from .tune_inputs import Truth, TuneOptions, passed, read_inputs

# What cars have other than pedestrians, and what those have. Each combination is a pass over all frames; of what is
# seen then, each way of writing what coasts is tried.
PASSES: Final[Mapping[str, tuple[float, ...]]] = {
    "low_score": (0.15, 0.4),
    "ego_motion": (False, True),
}
COASTING: Final[tuple[dict[str, float], ...]] = (
    {"coast_s": 0.5, "coast_existence": 0.0, "coast_cost_per_s": 3.5},
    {"coast_s": 1.5, "coast_existence": 0.2, "coast_cost_per_s": 0.0},
)

_FITTED: Final = "fitted_scores"


class Choices(NamedTuple):
    """Figures over all sequences, each tracked with what the others choose; what that is, by sequence."""

    left_out: KittiTracking
    chosen: dict[str, dict[str, float]]


def choose(options: TuneOptions, console: Console) -> Choices:
    """Choose for each sequence; printed as a table with how often each value was chosen."""
    from perception_nodes.runs.progress import RunProgress

    truth, inputs = read_inputs(options)
    samples = {n: judged(truth[n], inputs[n]["frames"], options.label) for n in truth}
    as_set = class_config(options.label)
    of_set = _settings(options.label, as_set, {_FITTED: False}, (truth, inputs))
    found: Truth = {}
    chosen: dict[str, dict[str, float]] = {}
    with RunProgress(console) as progress:
        progress.stage(f"choices {options.label}")
        for k, name in enumerate(truth):
            others = {n: truth[n] for n in truth if n != name}
            fitted = fit_scores([samples[n] for n in others]).applied(as_set)
            of_fit = _settings(options.label, fitted, {_FITTED: True}, (others, inputs))
            settings = [s._replace(tables={n: s.tables[n] for n in others}) for s in of_set] + of_fit
            best = max(settings, key=lambda s: worth(list(s.tables.values()), options.label))
            chosen[name] = best.changes
            found[name] = results(
                passed(options.label, best.config, inputs[name]), options.label, best.config
            )
            progress.update(k + 1, len(truth), f"sequence {name}")
    out = Choices(kitti_tracking(truth, found, options.label), chosen)
    _tell(options.label, out, console)
    return out


class _Setting(NamedTuple):
    """One setting of the grid, and each sequence tracked with it against its labels."""

    config: TrackConfig
    changes: dict[str, float]
    tables: dict[str, Table]


def _settings(
    label: str,
    config: TrackConfig,
    meaning: dict[str, float],
    data: tuple[Truth, Mapping[str, Mapping[str, Any]]],
) -> list[_Setting]:
    """The grid with one meaning of the scores (`config`, named by `meaning`) on labels and inputs."""
    truth, inputs = data
    out = []
    for values in product(*PASSES.values()):
        changes = dict(zip(PASSES, values, strict=True))
        moved = applied(config, changes)
        seen = {n: passed(label, moved, inputs[n]) for n in truth}
        for coasting in COASTING:
            written = applied(moved, coasting)
            tables = {n: _table(label, written, truth[n], s) for n, s in seen.items()}
            out.append(_Setting(written, changes | coasting | meaning, tables))
    return out


def _table(label: str, config: TrackConfig, truth: list[KittiObjects], seen: Sequence[Seen]) -> Table:
    return build_table({"": truth}, {"": results(seen, label, config)}, label, KittiTrackingConfig())


def _tell(label: str, out: Choices, console: Console) -> None:
    console.print(f"{label}, each sequence with what the others choose: " + " ".join(figures(out.left_out)))
    for name in (*PASSES, *COASTING[0], _FITTED):
        counts = Counter(setting[name] for setting in out.chosen.values())
        times = ", ".join(f"{value:g} ({count} times)" for value, count in counts.most_common())
        console.print(f"  {name}: {times}", highlight=False)
