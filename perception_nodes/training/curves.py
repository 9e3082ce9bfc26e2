"""The curves of a run as a picture (SVG): loss and held-out AP over the steps, from `metrics.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from perception_nodes.datatypes import InputError

_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 240, 48, 28
_COLOURS: Final = ("#1b6ca8", "#c0392b", "#27823b", "#8e44ad", "#b9770e", "#444444")
_WINDOW: Final = 10
Curve = Sequence[tuple[float, float]]


def write_curves(metrics: Path, target: Path) -> None:
    """Draw `metrics.jsonl` to `target`. Raises InputError if it holds no number of a step."""
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    loss = _smooth([(r["step"], r["loss"]) for r in rows if r.get("loss") is not None])
    names = sorted({k for r in rows for k in r if k.startswith("ap/")})
    scores = {k[3:]: [(r["step"], r[k]) for r in rows if r.get(k) is not None] for k in names}
    if not loss and not scores:
        raise InputError(f"{metrics}: wanted losses or scores of steps, got none")
    panels = [
        (t, c) for t, c in (("loss", {"loss": loss}), ("AP on held-out streets", scores)) if any(c.values())
    ]
    parts = [_panel(title, curves, k * (_HEIGHT + 24)) for k, (title, curves) in enumerate(panels)]
    size = f'width="{_WIDTH}" height="{len(parts) * (_HEIGHT + 24) - 24}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">'
    target.write_text(
        "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>\n"])
    )


def _smooth(curve: Curve) -> Curve:
    """Means of the last ten values."""
    out = []
    for k in range(len(curve)):
        part = curve[max(0, k - _WINDOW + 1) : k + 1]
        out.append((curve[k][0], sum(v for _, v in part) / len(part)))
    return out


def _panel(title: str, curves: Mapping[str, Curve], top: float) -> str:
    """One diagram with its axes, from zero to the largest value."""
    points = [p for c in curves.values() for p in c]
    most_x, most_y = (max((p[k] for p in points), default=1.0) or 1.0 for k in (0, 1))
    wide, high = _WIDTH - _LEFT - 110, _HEIGHT - _TOP - 26

    def place(x: float, y: float) -> str:
        return f"{_LEFT + wide * x / most_x:.1f},{top + _TOP + high * (1 - y / most_y):.1f}"

    out = [f'<text x="{_LEFT}" y="{top + 16}" font-weight="bold">{title}</text>']
    for share in (0.0, 0.5, 1.0):
        y = place(0, share * most_y).split(",")[1]
        out.append(f'<line x1="{_LEFT}" x2="{_LEFT + wide}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        out.append(f'<text x="{_LEFT - 6}" y="{y}" text-anchor="end">{share * most_y:.2f}</text>')
    out.append(f'<text x="{_LEFT + wide}" y="{top + _HEIGHT - 8}" text-anchor="end">step {most_x:.0f}</text>')
    for k, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[k % len(_COLOURS)]
        path = " ".join(place(x, y) for x, y in curve)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        out.append(
            f'<text x="{_LEFT + wide + 8}" y="{top + _TOP + 14 * k + 10}" fill="{colour}">{name}</text>'
        )
    return "\n".join(out)
