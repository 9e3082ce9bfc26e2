"""`perception evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

EXAMPLES = """
**Examples**

`perception evaluate out`  a run against the truth that its input had; writes out/evaluation.html and .json

`perception evaluate out --baseline before/evaluation.json --gate gates.yaml`  exit status 1 if a gate is broken

`perception evaluate boxes.csv --truth truth.jsonl --output scores`  boxes of any program

`perception evaluate results.json --truth truth.json --protocol nuscenes`

`perception evaluate results/ --truth label_2/ --protocol kitti`

`perception evaluate out --source fusion --truth drive.mcap`  the fused detections, truth from a bag's topics
"""


def evaluate(
    outputs: Annotated[
        Path,
        typer.Argument(
            help="folder of perception run, JSON lines, CSV, nuScenes JSON, KITTI text, AV2 feather"
        ),
    ],
    truth: Annotated[
        Path | None, typer.Option(help="as OUTPUTS, or a bag or dataset folder; default: the run's own")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="own, nuscenes, kitti or av2; default: by the format")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="tracker, fusion or a sensor, where there are several")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="evaluation.json or summary.json of an earlier run, or its folder")
    ] = None,
    gate: Annotated[Path | None, typer.Option(help="YAML of limits, see docs/evaluation.md")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="folder for evaluation.json and evaluation.html")
    ] = None,
    tolerance: Annotated[float, typer.Option(help="largest difference of stamps of a pair, s")] = 0.03,
    seed: Annotated[int, typer.Option(help="of the resamples that give the intervals")] = 0,
) -> None:
    """Score outputs against truth: every figure with its count and interval, causes, page, gates."""
    from perception_nodes.assessment.command import CommandOptions, evaluate_and_report
    from perception_nodes.assessment.evaluate import EvaluateOptions
    from perception_nodes.evaluation import EvaluationConfig

    config = EvaluationConfig(stamp_tolerance_s=tolerance)
    options = EvaluateOptions(outputs, truth, protocol, source, config, seed)
    folder = output or (outputs if outputs.is_dir() else Path("evaluation"))
    command = CommandOptions(options, folder, baseline, gate)
    broken = evaluate_and_report(command, Console())
    raise typer.Exit(1 if broken else 0)
