"""One run from the input to the report."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from perception_nodes.datasets import BagReader

from .collect import Outputs, collect_outputs
from .log import RunLog, interruptible
from .options import RunOptions
from .picture import EgoPoses, report_data
from .prepare import PreparedInput, prepare_input
from .progress import RunProgress
from .truth import (
    map_metrics,
    metrics_block,
    read_map_truth,
    read_truth,
    score,
    write_map_truth,
    write_truth,
)


def run_and_report(options: RunOptions, console: Console) -> dict[str, Any]:
    """Run, collect, score, write everything into `options.output`; returns the summary."""
    began = time.monotonic()
    if not options.offline:
        _check_graph(options)
    with RunProgress(console) as progress:
        prepared = prepare_input(options, progress)
        log = _run(options, prepared, progress)
        with interruptible():  # Ctrl-C has ended the run; what it left is still written
            progress.stage("writing the report")
            outputs = collect_outputs(
                options.output / "outputs.mcap", options.output, 1.0 if options.offline else options.rate
            )
            summary = _finish(options, prepared, log, outputs, time.monotonic() - began)
    _tell(summary, options.output, console)
    return summary


def _check_graph(options: RunOptions) -> None:
    """A misspelt argument is told before the input is converted, which may take minutes."""
    from perception_nodes.ros.graph import load_graph, node_specs

    node_specs(load_graph(options.graph), options.arguments)


def _run(options: RunOptions, prepared: PreparedInput, progress: RunProgress) -> RunLog:
    """With the graph, or without; each imports what the other does not need."""
    if options.offline:
        from .offline import run_pipeline

        return run_pipeline(options, prepared, progress)
    from .online import run_graph

    return run_graph(options, prepared, progress)


def _finish(
    options: RunOptions, prepared: PreparedInput, log: RunLog, outputs: Outputs, wall_s: float
) -> dict[str, Any]:
    from perception_nodes.reporting import write_report

    folder = options.output
    poses = EgoPoses(prepared)
    topics = {s.topic: s.name for s in prepared.rig.sensors}
    summary = outputs.summary.build(prepared.rig.reference, topics)
    start_ns, end_ns = _played(options, prepared)
    truth = read_truth(prepared.bag, start_ns, end_ns) if prepared.has_truth else {}
    metrics = None
    if truth:
        write_truth(truth, folder / "truth.jsonl")
        metrics = metrics_block(score(outputs.tracks, truth, poses.at))
    map_truth = read_map_truth(prepared.bag)
    if map_truth is not None:
        write_map_truth(map_truth, folder / "truth_map_elements.geojson")
        metrics = {**(metrics or {}), "map": map_metrics(outputs.elements, map_truth)}
    summary["input"] = {
        "path": options.input.name,
        "kind": prepared.kind,
        "duration_s": round((end_ns - start_ns) * 1e-9, 3),
        "rig": prepared.rig.name,
        "has_ego_motion": prepared.has_ego_motion,
        "has_truth": prepared.has_truth,
        "truth_empty_stamps_ns": [stamp for stamp, boxes in truth.items() if not boxes],
        "notes": list(prepared.notes),
    }
    summary["run"] = _run_block(options, log, summary, wall_s)
    summary["metrics"] = metrics
    damage = [n for n in dict.fromkeys((*log.notes, *poses.notes)) if n not in prepared.notes]
    summary["problems"] = _problems(summary, log) + damage
    (folder / "summary.json").write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n")
    write_report(report_data(options, prepared, outputs, truth, summary, poses), folder / "report.html")
    return summary


def _played(options: RunOptions, prepared: PreparedInput) -> tuple[int, int]:
    with BagReader(prepared.bag) as reader:
        info = reader.info
    start = info.start_ns + round(options.start_s * 1e9)
    end = (
        info.end_ns
        if options.duration_s is None
        else min(info.end_ns, start + round(options.duration_s * 1e9))
    )
    return start, end


def _run_block(options: RunOptions, log: RunLog, summary: dict[str, Any], wall_s: float) -> dict[str, Any]:
    cpu = [n["cpu_percent_mean"] for n in summary["nodes"].values() if n["cpu_percent_mean"] is not None]
    memory = [n["rss_mb_max"] for n in summary["nodes"].values() if n["rss_mb_max"] is not None]
    return {
        "mode": "offline" if options.offline else "online",
        "rate": options.rate,
        "interrupted": log.interrupted,
        "ready_s": round(log.ready_s, 2) if log.ready_s == log.ready_s else None,
        "wall_s": round(wall_s, 2),
        "cpu_percent_total": round(sum(cpu), 1) if cpu else None,
        "rss_mb_total": round(sum(memory), 1) if memory else None,
        "died": log.died,
        "finished_at": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        "version": importlib.metadata.version("perception_nodes"),
    }


def _problems(summary: dict[str, Any], log: RunLog) -> list[str]:
    """Sentences about what a person should look at."""
    out = [f"node {name} died with status {code}" for name, code in log.died.items()]
    for row in summary["inputs"]:
        if not row["balanced"]:
            counts = f"{row['received']} received, {row['used']} used, {row['dropped']} dropped"
            if row.get("lost"):
                counts += f", {row['lost']} of those played never received"
            out.append(f"{row['node']}: input {row['input']}: {counts}")
    for sensor, count in summary["frames"]["published"].items():
        stamps = summary["frames"]["object_stamps"]
        if stamps < count:
            out.append(f"{count} sweeps of {sensor} went in, but {stamps} stamps have an object message")
    out += [
        f"topic {t}: type {k} is not installed, so it was not recorded" for t, k in log.unknown_types.items()
    ]
    if not summary["input"]["has_ego_motion"]:
        out.append("the input has no ego motion: tracks are relative to the vehicle")
    return out


def _latency_text(e2e: dict[str, Any]) -> str:
    if not e2e["count"]:
        return "not known: no object message has the stamp of a sweep"
    return f"p50 {e2e['p50']} ms, p95 {e2e['p95']} ms, p99 {e2e['p99']} ms"


def _tell(summary: dict[str, Any], folder: Path, console: Console) -> None:
    """The few figures that matter, and where the rest is."""
    e2e = summary["latency_ms"]["end_to_end"]
    table = Table(box=None, show_header=False, pad_edge=False)
    frames = summary["frames"]
    played = ", ".join(f"{n} sweeps of {s}" for s, n in frames["published"].items()) or "no sweep"
    table.add_row("frames", f"{played} -> {frames['object_messages']} object messages")
    table.add_row("latency", _latency_text(e2e))
    run = summary["run"]
    if run["cpu_percent_total"] is not None:
        table.add_row(
            "load", f"{run['cpu_percent_total']:.0f} % CPU, {run['rss_mb_total']:.0f} MB in all nodes"
        )
    table.add_row(
        "objects", f"{summary['objects']['tracks']} tracks, {summary['objects']['mean_per_frame']} a frame"
    )
    table.add_row("map", f"{summary['map_elements']['count']} elements {summary['map_elements']['by_type']}")
    reasons = ", ".join(f"{k} {v}" for k, v in summary["drops"]["by_reason"].items()) or "none"
    table.add_row("drops", reasons)
    if summary["metrics"]:
        for name, value in summary["metrics"].get("tiles", []):
            table.add_row(
                name, "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
            )
    console.print(table)
    for problem in summary["problems"]:
        console.print(f"[yellow]note:[/yellow] {problem}", highlight=False)
    console.print(f"report: [b]{(folder / 'report.html').resolve()}[/b]", highlight=False, soft_wrap=True)
