"""Many drives in the loop, several at a time, and the table of them. `python -m perception_nodes.runs.loop_table`."""

from __future__ import annotations

import argparse
import html
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from perception_nodes.datasets import find_rig
from perception_nodes.datatypes import PerceptionError, Rig
from perception_nodes.detection.learned_choice import GEOMETRIC, check_choice
from perception_nodes.simulation.scenarios import find_scenario, scenario_names

from .loop import LoopResult

_HEAD = (
    "scenario", "passed", "collisions", "least TTC, s", "hard brakes", "false brakes", "way, m", "halts", "failed seeds"
)  # fmt: skip


def run_table(
    scenarios: Sequence[str],
    rig: Rig,
    seeds: Sequence[int],
    out: Path,
    *,
    console: Console,
    workers: int = 1,
    lidar_model: str = GEOMETRIC,
) -> tuple[LoopResult, ...]:
    """Every scenario with every seed, without ROS; writes summary.json, table.html and the drives into `out`.

    The results, their order too, do not depend on `workers`; lidar_model: as of `open_detector`. Raises
    ConfigurationError for an unknown scenario before anything is driven, ModelError for a model that cannot be opened.
    """
    for name in scenarios:
        find_scenario(name)
    out.mkdir(parents=True, exist_ok=True)
    jobs = [
        (name, rig, seed, str(out / name / f"seed_{seed}"), lidar_model)
        for name in scenarios
        for seed in seeds
    ]
    results = []
    for result in _driven(jobs, workers):
        results.append(result)
        fails = "; ".join(f for f in result.findings if f.startswith("FAIL"))
        console.print(
            f"{len(results):4d}/{len(jobs)} {result.scenario} seed {result.seed}: "
            f"{'passed' if result.passed else 'FAILED'} {fails}", highlight=False, soft_wrap=True,
        )  # fmt: skip
    write_table(results, out)
    console.print(_terminal_table(results))
    return tuple(results)


def _driven(jobs: Sequence[tuple[Any, ...]], workers: int) -> Iterator[LoopResult]:
    if workers <= 1:
        yield from map(_job, jobs)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_job, jobs)


def _job(job: tuple[Any, ...]) -> LoopResult:
    from .loop_drive import drive_pipeline

    name, rig, seed, folder, lidar_model = job
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    record = drive_pipeline(find_scenario(name), rig, seed, out, lidar_model)
    return LoopResult.of(record, "pipeline", time.monotonic() - began, lidar_model)


def rows(results: Sequence[LoopResult]) -> list[tuple[str, ...]]:
    """One row a scenario, as in `_HEAD`, and one for all."""
    names = list(dict.fromkeys(r.scenario for r in results))
    out = [_row(name, [r for r in results if r.scenario == name]) for name in names]
    return [*out, _row("all", list(results))]


def _row(name: str, some: Sequence[LoopResult]) -> tuple[str, ...]:
    least = [r.min_ttc_s for r in some if r.min_ttc_s is not None]
    failed = ", ".join(str(r.seed) for r in some if not r.passed) if name != "all" else ""
    return (
        name, f"{sum(r.passed for r in some)}/{len(some)}", str(sum(r.collisions for r in some)),
        f"{min(least):.2f}" if least else "-", str(sum(r.hard_brakes for r in some)),
        str(sum(r.false_brakes for r in some)), f"{np.mean([r.travelled_m for r in some]):.0f}",
        str(sum(r.stopped for r in some)), failed,
    )  # fmt: skip


def write_table(results: Sequence[LoopResult], out: Path) -> None:
    """summary.json and table.html."""
    body = {"results": [r.to_dict() for r in results]}
    (out / "summary.json").write_text(json.dumps(body, indent=1, allow_nan=False) + "\n")
    head = "".join(f"<th>{html.escape(h)}</th>" for h in _HEAD)
    lines = ["<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows(results)]
    fails = [f"<li>{html.escape(f'{r.scenario}, seed {r.seed}: ' + '; '.join(r.findings))}</li>"
             for r in results if not r.passed]  # fmt: skip
    page = (
        "<!doctype html><meta charset=utf-8><title>Closed loop</title><style>body{font:14px system-ui;margin:2em}"
        "td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ccc}td:first-child{text-align:left}</style>"
        f"<h1>Closed loop</h1><table><tr>{head}</tr>{''.join(lines)}</table><ul>{''.join(fails)}</ul>\n"
    )
    (out / "table.html").write_text(page, encoding="utf-8")


def _terminal_table(results: Sequence[LoopResult]) -> Table:
    table = Table(*_HEAD)
    for row in rows(results):
        table.add_row(*row)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Drive and print the table; 1 if a drive failed, 2 if it could not be driven."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", help="names; none = all")
    parser.add_argument("--rig", default="default")
    parser.add_argument("--seeds", type=int, default=10, help="seeds from 1 to this")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--lidar-model", default=GEOMETRIC, help="geometric, auto, small, base or the path of a model"
    )
    parser.add_argument("--output", type=Path, default=Path("loop_table"))
    given = parser.parse_args(arguments)
    console = Console()
    try:
        check_choice(given.lidar_model, "--lidar-model")
        results = run_table(
            given.scenarios or scenario_names(), find_rig(given.rig),
            range(given.first_seed, given.first_seed + given.seeds), given.output, console=console,
            workers=given.workers, lidar_model=given.lidar_model,
        )  # fmt: skip
    except PerceptionError as error:
        console.print(f"{type(error).__name__}: {error}", style="red", highlight=False)
        return 2
    return 0 if all(r.passed for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
