"""Writes the pages: each one self-contained HTML file, no network, no library."""

from __future__ import annotations

import dataclasses
import html
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from .data import Json, ReportData


def write_report(data: ReportData, path: Path) -> None:
    """The page of a run."""
    _write("report.html", data.title, dataclasses.asdict(data), path)


def write_evaluation(title: str, result: Json, points: Mapping[int, Json], path: Path) -> None:
    """The page of an evaluation: `result` is evaluation.json, points the packed sweeps of the worst frames by stamp."""
    _write("evaluation.html", title, {"title": title, "result": result, "points": dict(points)}, path)


def write_gallery(data: Json, path: Path) -> None:
    """The page of simulated scenarios; `data` has a title, words, colours, lines, scenarios and weather."""
    _write("gallery.html", str(data["title"]), data, path)


def _write(template_name: str, title: str, data: Json, path: Path) -> None:
    """Fill a template with `data` and write it to `path`."""
    template = resources.files(__package__).joinpath(template_name).read_text(encoding="utf-8")
    # "</" inside a script element would end it, whatever the quotes.
    blob = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("</", "<\\/")
    page = template.replace("{{title}}", html.escape(title)).replace("{{data}}", blob)
    path.write_text(page, encoding="utf-8")
