"""The closed loop: simulator, perception, reference planner, simulator; and what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from perception_nodes.datatypes import Rig
from perception_nodes.detection.learned_choice import GEOMETRIC
from perception_nodes.simulation.scenarios import Scenario


@dataclass(frozen=True)
class LoopResult:
    """Figures of one drive; passed: all that the scenario's `must_hold` asks for.

    perception: graph (the nodes, over DDS) or pipeline (the same stages in this process), with the detector
    `lidar_model`; late_steps: steps to which no answer came in time; travelled_m of the vehicle; min_ttc_s None =
    nothing within 6 s.
    """

    scenario: str
    seed: int
    perception: str
    passed: bool
    collisions: int
    min_ttc_s: float | None
    hard_brakes: int
    false_brakes: int
    travelled_m: float
    stopped: bool
    duration_s: float
    final_speed_mps: float
    findings: tuple[str, ...] = ()
    wall_s: float = 0.0
    late_steps: int = 0
    notes: tuple[str, ...] = ()
    contacts: tuple[Any, ...] = field(default=())
    lidar_model: str = GEOMETRIC

    @classmethod
    def of(
        cls,
        record: Mapping[str, Any],
        perception: str,
        wall_s: float,
        lidar_model: str,
        notes: Collection[str] = (),
    ) -> LoopResult:
        """From the result of a `DriveRecord`."""
        names = (
            "scenario", "seed", "passed", "collisions", "min_ttc_s", "hard_brakes", "false_brakes", "travelled_m",
            "stopped", "duration_s", "final_speed_mps",
        )  # fmt: skip
        values = {name: record[name] for name in names}
        return cls(
            perception=perception, wall_s=round(wall_s, 1), late_steps=int(record.get("late_steps", 0)),
            findings=tuple(record["findings"]), notes=tuple(notes), lidar_model=lidar_model,
            contacts=tuple(map(tuple, record["contacts"])),
            **values,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def run_loop(
    scenario: Scenario,
    rig: Rig,
    seed: int,
    out: Path,
    *,
    console: Console,
    online: bool = True,
    lidar_model: str = GEOMETRIC,
) -> LoopResult:
    """One drive; writes drive.json (every step) and summary.json into `out`, tells the figures.

    rig: with the sensors to be rendered (`lidar_rig`); online: through the nodes over DDS; else through the same
    stages in this process, deterministic and faster; lidar_model: as of `open_detector`. Raises ConfigurationError,
    ModelError for a model that cannot be opened, and GraphFailed if the nodes do not come up.
    """
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    notes: tuple[str, ...] = ()
    if online:
        from .loop_online import drive_graph

        notes = drive_graph(scenario, rig, seed, out, console, lidar_model)
    else:
        from .loop_drive import drive_pipeline

        drive_pipeline(scenario, rig, seed, out, lidar_model)
    record = json.loads((out / "drive.json").read_text())
    kind = "graph" if online else "pipeline"
    result = LoopResult.of(record, kind, time.monotonic() - began, lidar_model, notes)
    (out / "summary.json").write_text(json.dumps(result.to_dict(), indent=2, allow_nan=False) + "\n")
    tell(result, console)
    return result


def tell(result: LoopResult, console: Console) -> None:
    """The figures of a drive on a terminal."""
    table = Table(box=None, show_header=False, pad_edge=False)
    ttc = "none below 6 s" if result.min_ttc_s is None else f"{result.min_ttc_s:.2f} s"
    table.add_row("collisions", str(result.collisions))
    table.add_row("least time to collision", ttc)
    table.add_row("hard brakes, false brakes", f"{result.hard_brakes}, {result.false_brakes}")
    halted = ", halted on the way" if result.stopped else ""
    table.add_row("travelled", f"{result.travelled_m:.0f} m in {result.duration_s:.0f} s{halted}")
    if result.late_steps:
        table.add_row("steps without an answer in time", str(result.late_steps))
    console.print(
        f"{result.scenario}, seed {result.seed}: {'passed' if result.passed else '[red]FAILED[/red]'}"
    )
    console.print(table)
    for line in (*(f for f in result.findings if f.startswith("FAIL")), *result.notes):
        console.print(f"[yellow]{line}[/yellow]", highlight=False)
