"""The whole of `perception evaluate`: score, compare, judge, write, tell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from .compare import Difference, differences, read_baseline
from .evaluate import EvaluateOptions, Evaluation, evaluate
from .gates import Verdict, judge, read_gates
from .terminal import tell_differences, tell_figures, tell_gates, tell_inputs


@dataclass(frozen=True)
class CommandOptions:
    """output: folder for evaluation.json and evaluation.html, made if it is missing."""

    evaluate: EvaluateOptions
    output: Path
    baseline: Path | None = None
    gate: Path | None = None


def evaluate_and_report(options: CommandOptions, console: Console) -> bool:
    """Score and write everything; returns whether a gate is broken.

    Gates and baseline are read first, so that a mistake in them shows at once. Raises InputError or
    ConfigurationError for what is wrong with a file.
    """
    gates = read_gates(options.gate) if options.gate is not None else None
    baseline = read_baseline(options.baseline) if options.baseline is not None else None
    with console.status("evaluating") as status:
        evaluation = evaluate(options.evaluate, lambda text: status.update(f"{text} ..."))
        compared = differences(evaluation, baseline) if baseline is not None else None
        verdicts = judge(gates, evaluation.figures, compared) if gates is not None else None
        status.update("writing evaluation.json and evaluation.html ...")
        _write(options, evaluation, compared, verdicts)
    tell_inputs(evaluation, console)
    tell_figures(evaluation, console)
    if compared is not None:
        tell_differences(compared, console)
    if verdicts is not None:
        tell_gates(verdicts, console)
    page = (options.output / "evaluation.html").resolve()
    console.print(f"page: [b]{page}[/b]", highlight=False, soft_wrap=True)
    return any(not v.passed for v in verdicts or ())


def result_dict(
    evaluation: Evaluation,
    baseline: Path | None,
    compared: Sequence[Difference] | None,
    verdicts: Sequence[Verdict] | None,
) -> dict[str, Any]:
    """evaluation.json."""
    out = evaluation.to_dict()
    out["baseline"] = None
    if compared is not None and baseline is not None:
        out["baseline"] = {"path": baseline.name, "differences": {d.name: d.to_dict() for d in compared}}
    out["gates"] = None if verdicts is None else [v.to_dict() for v in verdicts]
    return out


def _write(
    options: CommandOptions,
    evaluation: Evaluation,
    compared: Sequence[Difference] | None,
    verdicts: Sequence[Verdict] | None,
) -> None:
    from perception_nodes.reporting import write_evaluation

    from .worst import worst_points

    options.output.mkdir(parents=True, exist_ok=True)
    result = result_dict(evaluation, options.baseline, compared, verdicts)
    (options.output / "evaluation.json").write_text(json.dumps(result, allow_nan=False) + "\n")
    points = worst_points(evaluation.worst, evaluation.predictions.recording)
    title = f"{evaluation.predictions.path.name}: perception evaluate"
    write_evaluation(title, result, points, options.output / "evaluation.html")
