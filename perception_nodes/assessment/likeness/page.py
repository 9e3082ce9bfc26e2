"""The page: every curve real beside simulated, and the table of distances; one file, no script."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from perception_nodes.datatypes import InputError

from .compare import Compared, Comparison
from .plot import REAL, SIMULATED, plot
from .terminal import MEASURE, figures

_STYLE: Final = """
body { margin:0; background:#f6f7f9; color:#1b2330; font:15px/1.45 system-ui,"Segoe UI","DejaVu Sans",sans-serif; }
main { max-width:1240px; margin:0 auto; padding:24px 20px 60px; }
h1 { font-size:24px; margin:0 0 2px; } h2 { font-size:18px; margin:30px 0 10px; }
p { color:#667085; margin:4px 0 12px; max-width:80em; } b.key { padding:0 6px; }
.grid { display:grid; grid-template-columns:repeat(auto-fill,minmax(380px,1fr)); gap:14px; }
figure { background:#fff; border:1px solid #dfe3ea; border-radius:8px; margin:0; padding:10px 10px 4px; }
figcaption { font-weight:600; display:flex; justify-content:space-between; gap:8px; }
figcaption span { color:#667085; font-weight:400; white-space:nowrap; }
svg { display:block; width:100%; } svg text { font:11px system-ui,"DejaVu Sans",sans-serif; fill:#667085; }
table { border-collapse:collapse; width:100%; background:#fff; font-size:14px; font-variant-numeric:tabular-nums; }
th,td { text-align:right; padding:4px 8px; border-bottom:1px solid #dfe3ea; }
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2) { text-align:left; } th { color:#667085; }
"""
_WORDS: Final = (
    "Bands: 95 % of resampled drives. distance: 0 = the same; Jensen-Shannon for histograms (0 to 1), mean absolute"
    " difference for shares, mean relative difference for means and rms. floor: the same between two halves of the"
    " simulated streets, which differ by nothing but their seeds. shift: simulated minus real, in units of the axis"
    " (relative for means and rms)."
)


def check_target(option: str, path: Path, suffix: str = "") -> None:
    """Raises InputError for another ending or a folder that is not there: better before the minutes than after them."""
    if suffix and path.suffix != suffix:
        raise InputError(f"{option} {path}: wanted a name that ends in {suffix}")
    if path.is_dir() or not path.parent.is_dir():
        problem = "is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise InputError(f"{option} {path}: {problem}")


def write_page(comparison: Comparison, path: Path, before: Mapping[str, float] | None = None) -> None:
    """Write the page. Raises InputError for another ending than .html or a folder that is not there."""
    check_target("--output", path, ".html")
    path.write_text(page(comparison, before), encoding="utf-8")


def page(comparison: Comparison, before: Mapping[str, float] | None = None) -> str:
    """The page as text."""
    title = f"Likeness: {comparison.name} beside simulated {comparison.rig}"
    lead = (
        f"{comparison.frames[0]} real sweeps ({comparison.half}), {comparison.frames[1]} simulated ones of"
        f" {comparison.streets} streets; cars in the open: {comparison.cars[0]} and {comparison.cars[1]}, which count"
        " by shares that make both alike in range and view."
    )
    heads = ["curve", "measure", *(["before"] if before else []), "distance", "95 %", "floor", "shift"]
    rows = [_row("td", row) for row in figures(comparison, before)]
    return "".join([
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>',
        f"<style>{_STYLE}</style></head><body><main><h1>{html.escape(title)}</h1><p>{html.escape(lead)}",
        f'<b class="key" style="color:{REAL}">real</b><b class="key" style="color:{SIMULATED}">simulated</b></p>',
        f'<div class="grid">{"".join(_figure(c) for c in comparison.curves)}</div>',
        f"<h2>Distances</h2><p>{_WORDS}</p><table>{_row('th', heads)}{''.join(rows)}</table>",
        "</main></body></html>\n",
    ])  # fmt: skip


def _row(tag: str, cells: list[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"


def _figure(compared: Compared) -> str:
    curve = compared.curve
    words = f"{MEASURE[curve.form]} {compared.distance:.3f}"
    return f"<figure><figcaption>{html.escape(curve.title)}<span>{words}</span></figcaption>{plot(compared)}</figure>"
