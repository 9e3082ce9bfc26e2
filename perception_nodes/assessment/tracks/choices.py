"""`perception tune choices`: what was chosen by hand for a class, chosen again for each sequence by the others alone.

For each sequence that is left out the others say what the scores mean (`scores.py`), and which setting of a small grid
is best with that; the sequence is then tracked so. Nothing of it has been seen before, which makes the figure clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final, NamedTuple

from rich.console import Console

from perception_nodes.evaluation import KittiTracking, kitti_tracking
from perception_nodes.evaluation.tracking.kitti_table import KittiTrackingConfig, build_table

from .config import TrackConfig, class_config
from .kitti import Seen, results
from .scores import fit_scores, judged
from .tune import applied, figures, worth
from .tune_inputs import Truth, TuneOptions, passed, read_inputs

# What cars have other than pedestrians, and what those have. Each combination is a pass over all frames; of what is
# seen then, each way of writing what coasts is tried.
PASSES: Final[Mapping[str, tuple[float, ...]]] = {
    "low_score": (0.15, 0.4),
    "detection_probability": (0.6, 0.7),
}
COASTING: Final[tuple[dict[str, float], ...]] = (
    {"coast_s": 0.5, "coast_existence": 0.0, "coast_cost_per_s": 3.5},
    {"coast_s": 1.5, "coast_existence": 0.2, "coast_cost_per_s": 0.0},
)


class Choices(NamedTuple):
    """Figures over all sequences, each tracked with what the others choose; what that is, by sequence."""

    left_out: KittiTracking
    chosen: dict[str, dict[str, float]]


def choose(options: TuneOptions, console: Console) -> Choices:
    """Choose for each sequence; printed as a table with how often each value was chosen."""
    from perception_nodes.runs.progress import RunProgress

    truth, inputs = read_inputs(options)
    samples = {n: judged(truth[n], inputs[n]["frames"], options.label) for n in truth}
    found: Truth = {}
    chosen: dict[str, dict[str, float]] = {}
    with RunProgress(console) as progress:
        progress.stage(f"choices {options.label}")
        for k, name in enumerate(truth):
            others = [n for n in truth if n != name]
            config = fit_scores([samples[n] for n in others]).applied(class_config(options.label))
            chosen[name] = _best(options.label, config, {n: truth[n] for n in others}, inputs)
            last = applied(config, chosen[name])
            found[name] = results(passed(options.label, last, inputs[name]), options.label, last)
            progress.update(k + 1, len(truth), f"sequence {name}")
    out = Choices(kitti_tracking(truth, found, options.label), chosen)
    _tell(options.label, out, console)
    return out


def _best(
    label: str, config: TrackConfig, truth: Truth, inputs: Mapping[str, Mapping[str, Any]]
) -> dict[str, float]:
    """The setting of the grid that is worth most on these sequences; of equal ones the first."""
    trials: list[tuple[float, dict[str, float]]] = []
    for values in product(*PASSES.values()):
        changes = dict(zip(PASSES, values, strict=True))
        moved = applied(config, changes)
        seen = {n: passed(label, moved, inputs[n]) for n in truth}
        for coasting in COASTING:
            written = applied(moved, coasting)
            trials.append((_worth(label, written, truth, seen), changes | coasting))
    return max(trials, key=lambda t: t[0])[1]


def _worth(label: str, config: TrackConfig, truth: Truth, seen: Mapping[str, Sequence[Seen]]) -> float:
    found = {n: results(s, label, config) for n, s in seen.items()}
    return worth([build_table(truth, found, label, KittiTrackingConfig())], label)


def _tell(label: str, out: Choices, console: Console) -> None:
    console.print(f"{label}, each sequence with what the others choose: " + " ".join(figures(out.left_out)))
    for name in (*PASSES, *COASTING[0]):
        counts = Counter(setting[name] for setting in out.chosen.values())
        times = ", ".join(f"{value:g} ({count} times)" for value, count in counts.most_common())
        console.print(f"  {name}: {times}", highlight=False)
