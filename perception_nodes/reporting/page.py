"""Writes the report: one self-contained HTML page, no network, no library."""

from __future__ import annotations

import dataclasses
import html
import json
from importlib import resources
from pathlib import Path

from .data import ReportData


def write_report(data: ReportData, path: Path) -> None:
    """Fill the template with `data` and write it to `path`."""
    template = resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    # "</" inside a script element would end it, whatever the quotes.
    blob = json.dumps(dataclasses.asdict(data), allow_nan=False, separators=(",", ":")).replace("</", "<\\/")
    page = template.replace("{{title}}", html.escape(data.title)).replace("{{data}}", blob)
    path.write_text(page, encoding="utf-8")
