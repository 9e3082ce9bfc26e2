"""`perception tune existence`: what the tracker's belief in an object is worth as a probability, on simulated streets.

The stack is the shipped one: rendered sweeps, the lidar detector, fusion and tracker as `pipeline.py` calls them. The
maps are fitted on some drives and judged on others; docs/tracking.md says what counts as there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import yaml
from rich.console import Console
from rich.progress import track
from rich.table import Table

from perception_nodes.datasets import find_rig
from perception_nodes.datatypes import UNKNOWN, ConfigurationError
from perception_nodes.datatypes.existence import (
    EXISTENCE_GROUPS,
    ExistenceCalibration,
    ExistenceTable,
    existence_groups,
)
from perception_nodes.detection.learned_choice import GEOMETRIC
from perception_nodes.evaluation import binary_calibration, reliability
from perception_nodes.simulation.scenarios import scenario_names
from perception_nodes.tracking import Source, TrackerConfig
from perception_nodes.tracking.calibration import KnownCalibration, as_entry, deciding

from .existence_drives import NOTHING, Published, Street
from .existence_fit import fit_tables
from .simulated import STEP_S

F64 = npt.NDArray[np.float64]
_RESAMPLES: Final = 200
# The demo is a random street.
_DRIVEN: Final = tuple(name for name in scenario_names() if name != "demo")


@dataclass(frozen=True)
class ExistenceOptions:
    """Drives that are judged, and those (`fit_seeds`) on which the maps are fitted; none: what is shipped is judged.

    lidar_models: as of `open_detector`; output: file that gets the maps, beside those of other detectors in it.
    """

    lidar_models: tuple[str, ...] = (GEOMETRIC,)
    rig: str = "default"
    scenarios: tuple[str, ...] = _DRIVEN
    seeds: tuple[int, ...] = (11, 12)
    fit_seeds: tuple[int, ...] = ()
    seconds: float = 15.0
    output: Path | None = None

    def __post_init__(self) -> None:
        if not (self.scenarios and self.seeds and self.lidar_models):
            raise ConfigurationError(
                "perception tune existence: wanted scenarios, seeds and models, got none"
            )
        if not 2 * STEP_S <= self.seconds < np.inf:
            raise ConfigurationError(
                f"--seconds: wanted at least {2 * STEP_S:g}, finite, got {self.seconds:g}"
            )
        if shared := sorted(set(self.seeds) & set(self.fit_seeds)):
            raise ConfigurationError(f"--fit-seeds: {shared[0]} is judged too: wanted other seeds")
        if self.output is not None and not self.fit_seeds:
            raise ConfigurationError("--output: wanted --fit-seeds, on which what is written is fitted")


@dataclass(frozen=True)
class Row:
    """Of some rows: how many boxes and tracks, the share that is there; before and after the map ECE, Brier, NLL."""

    boxes: int
    tracks: int
    there: float
    before: tuple[float, float, float]
    after: tuple[float, float, float]


def existence(options: ExistenceOptions, console: Console) -> list[Row]:
    """Drive, fit, judge, print; for each model the row of all confirmed and coasting tracks."""
    fit_on = [some for _, some in drives(options, options.fit_seeds, console)]
    judged = drives(options, options.seeds, console)
    numbers = range(len(judged))
    return [
        _judge(options, k, judged[k][0], (fit_on[k] if fit_on else NOTHING, judged[k][1]), console)
        for k in numbers
    ]


def _judge(
    options: ExistenceOptions,
    number: int,
    source: Source,
    drawn: tuple[Published, Published],
    console: Console,
) -> Row:
    fit_on, judged = drawn
    after, tables = judged.existence, None
    if options.fit_seeds:
        tables = fit_tables(fit_on.label, fit_on.tentative, fit_on.belief, fit_on.there)
        calibration = ExistenceCalibration("existence-new", float("nan"), tables)
        after = calibration.probability(judged.label, judged.tentative, judged.belief)
    shown = ~judged.tentative
    row = row_of(judged.pick(shown), after[shown])
    low, high = interval(judged.pick(shown), after[shown])
    console.print(f"\nexistence of tracks on detections of {source}", highlight=False)
    console.print(_table(judged, after))
    console.print(_diagram(judged.pick(shown), after[shown]))
    console.print(f"ECE with map {row.after[0]:.3f}, 95 % by drive {low:.3f} to {high:.3f}", highlight=False)
    if tables is not None and options.output is not None:
        _write(options.output, _command(options, number), source, tables, row)
        console.print(f"{options.output}: written", highlight=False)
    return row


def row_of(some: Published, after: F64) -> Row:
    """Figures of some rows with the existence (N,) that the map gives."""
    figures = []
    for existence_of in (some.belief, after):
        c = binary_calibration(existence_of, some.there)
        figures.append((c.ece, c.brier, c.nll))
    tracks = len(np.unique(some.drive * 10**9 + some.id))
    return Row(len(some), tracks, float(some.there.mean()), figures[0], figures[1])


def interval(some: Published, after: F64) -> tuple[float, float]:
    """2.5 and 97.5 % of the ECE if other drives of the same kind had been drawn (bootstrap over drives)."""
    rng = np.random.default_rng(0)
    drives = np.unique(some.drive)
    rows = {int(d): np.flatnonzero(some.drive == d) for d in drives}
    values = []
    for _ in range(_RESAMPLES):
        drawn = np.concatenate([rows[int(d)] for d in rng.choice(drives, len(drives))])
        values.append(reliability(after[drawn], some.there[drawn].astype(np.float64)).ece)
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def drives(
    options: ExistenceOptions, seeds: Sequence[int], console: Console
) -> list[tuple[Source, Published]]:
    """Of each model: what its detections are called, and what is published on the streets of these seeds."""
    rig = find_rig(options.rig)
    jobs = [(name, seed) for seed in seeds for name in options.scenarios]
    sources: list[Source] = []
    parts: list[list[Published]] = []
    for number, (name, seed) in enumerate(track(jobs, "driving", console=console, transient=True)):
        street = Street(name, rig, seed, options.lidar_models)
        sources = [stack.perception.source for stack in street.stacks]
        parts.append(street.published(number, options.seconds))
    return [
        (source, Published.joined(of_one))
        for source, of_one in zip(sources, zip(*parts, strict=True), strict=True)
    ]


def _table(judged: Published, after: F64) -> Table:
    table = Table(box=None)
    for name in ("", "boxes", "tracks", "there", "ECE", "Brier", "NLL", "map: ECE", "Brier", "NLL"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    group = existence_groups(judged.label, judged.tentative)
    shown = ~judged.tentative
    rows = {name: group == number for number, name in enumerate(EXISTENCE_GROUPS)}
    rows |= {"with a class": shown & (judged.label != UNKNOWN), "confirmed": shown}
    for name, mask in rows.items():
        if not mask.any():
            continue
        r = row_of(judged.pick(mask), after[mask])
        numbers = [f"{v:.3f}" for v in (r.there, *r.before, *r.after)]
        table.add_row(name, str(r.boxes), str(r.tracks), *numbers)
    return table


def _diagram(shown: Published, after: F64) -> Table:
    table = Table(box=None, title="confirmed and coasting tracks, with map", title_justify="left")
    for name in ("existence", "boxes", "mean", "there"):
        table.add_column(name, justify="right")
    d = reliability(after, shown.there.astype(np.float64))
    for k in np.flatnonzero(d.count).tolist():
        ends = f"{d.edges[k]:.2f}-{d.edges[k + 1]:.2f}"
        table.add_row(ends, str(d.count[k]), f"{d.confidence[k]:.3f}", f"{d.accuracy[k]:.3f}")
    return table


def _write(path: Path, made_by: str, source: Source, tables: Mapping[str, ExistenceTable], row: Row) -> None:
    """Into the file, in the place of what it has of the same detections."""
    held: dict[str, Any] = yaml.safe_load(path.read_text()) if path.is_file() else {}
    text = json.dumps({name: asdict(t) for name, t in tables.items()}, sort_keys=True)
    number = hashlib.sha256(text.encode()).hexdigest()[:12]
    calibration = ExistenceCalibration(f"existence-{number}", round(row.after[0], 4), tables)
    known = KnownCalibration(source, deciding(TrackerConfig()), calibration)
    names = ("ece", "brier", "nll")
    notes = {
        "made_by": made_by,
        "judged": {"boxes": row.boxes, "tracks": row.tracks, "there": round(row.there, 4),
                   "before": dict(zip(names, np.round(row.before, 4).tolist(), strict=True)),
                   "after": dict(zip(names, np.round(row.after, 4).tolist(), strict=True))},
    }  # fmt: skip
    others = [
        entry
        for entry in held.get("calibrations", [])
        if (entry["model_id"], entry["model_hash"]) != (source.model_id, source.model_hash)
    ]
    body = {"calibrations": [*others, as_entry(known, notes)]}
    path.write_text(yaml.safe_dump(body, sort_keys=False, width=120, default_flow_style=None))


def _command(options: ExistenceOptions, number: int) -> str:
    seeds, fit = (",".join(map(str, s)) for s in (options.seeds, options.fit_seeds))
    return (
        f"perception tune existence --lidar-model {options.lidar_models[number]} --rig {options.rig} --seeds {seeds} "
        f"--fit-seeds {fit} --seconds {options.seconds:g}"
    )
