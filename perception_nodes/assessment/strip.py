"""The story of one object as a picture: its path from above and a timeline of the stages; a PNG or a page."""

from __future__ import annotations

import base64
import html
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError

from .explain import NO_FRAME, SEEN, UNSEEN, Moment, Story

Image = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

_WIDTH, _MAP, _ROW, _LEFT = 1400, 520, 30, 150
_INK, _PALE, _PAPER = (40, 40, 40), (205, 205, 205), (255, 255, 255)
# BGR, told apart by people who do not see red and green alike (Okabe and Ito, 2008).
_GOOD, _WRONG, _POOR, _COAST, _LOST = (115, 158, 0), (0, 94, 213), (0, 159, 230), (233, 180, 86), (60, 60, 60)
_TRACKS: tuple[Colour, ...] = ((115, 158, 0), (178, 114, 0), (167, 121, 204), (0, 159, 230), (0, 94, 213))


def write_strip(story: Story, path: Path) -> None:
    """Write a picture (.png) or a page (.html). Raises InputError for another ending or a folder that is not there."""
    if path.suffix not in (".png", ".html"):
        raise InputError(f"--output {path}: wanted a name that ends in .png or .html")
    if not path.parent.is_dir():
        raise InputError(f"--output {path}: there is no folder {path.parent}")
    _, data = cv2.imencode(".png", draw_strip(story))
    path.write_bytes(data.tobytes() if path.suffix == ".png" else _page(story, data.tobytes()).encode())


def draw_strip(story: Story) -> Image:
    """(H, W, 3) uint8 BGR."""
    rows = [*story.sources, "track", "points"]
    image = np.full((_MAP + 70 + _ROW * len(rows) + 60, _WIDTH, 3), 255, np.uint8)
    _text(
        image,
        f"object {story.truth_id}, {story.label}: published in {story.followed.published:.0%} of"
        f" {story.followed.frames} frames, tracks {list(story.followed.ids)}",
        (20, 30),
        0.65,
    )
    _draw_map(image[45:_MAP], story)
    _draw_timeline(image, story, rows, _MAP + 30)
    return image


def _draw_map(image: Image, story: Story) -> None:
    """True path, tracks, and lines between them where they belong together; the same scale both ways."""
    truth = np.array([m.xy_m for m in story.moments])
    tracked = [m for m in story.moments if m.track_xy_m is not None]
    points = np.concatenate([truth, np.array([m.track_xy_m for m in tracked]).reshape(-1, 2)])
    # The picture is wide: a path along y is turned by a quarter to the right; the arrow tells.
    upright = bool(np.ptp(points[:, 1]) > np.ptp(points[:, 0]))
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]]) if upright else np.eye(2)
    points = points @ turn.T
    low, high = points.min(axis=0) - 2, points.max(axis=0) + 2
    height, width = image.shape[:2]
    scale = float(min((width - 40) / (high[0] - low[0]), (height - 40) / (high[1] - low[1]), 60))
    middle = (low + high) / 2

    def at(xy: Sequence[float]) -> tuple[int, int]:
        x, y = (turn @ np.asarray(xy) - middle) * scale
        return round(width / 2 + x), round(height / 2 - y)

    for a, b in itertools.pairwise(truth):
        cv2.line(image, at(a), at(b), _PALE, 6, cv2.LINE_AA)
    ids = list(dict.fromkeys(m.track_id for m in tracked))
    for m in tracked:
        assert m.track_xy_m is not None
        colour = _TRACKS[ids.index(m.track_id) % len(_TRACKS)]
        cv2.line(image, at(m.xy_m), at(m.track_xy_m), colour, 1, cv2.LINE_AA)
        cv2.circle(image, at(m.track_xy_m), 4, colour, -1 if m.published else 1, cv2.LINE_AA)
    for m in (m for m in story.moments if not m.published):
        cv2.drawMarker(image, at(m.xy_m), _INK, cv2.MARKER_TILTED_CROSS, 7, 1, cv2.LINE_AA)
    _text(image, "start", at(truth[0]), 0.45)
    _legend(image, ids, scale)
    corner = (width - 60, height - 40)
    cv2.arrowedLine(
        image, corner, (corner[0], corner[1] + 30) if upright else (corner[0] + 30, corner[1]), _INK, 1
    )
    _text(image, "x", (corner[0] - 14, corner[1] + 5), 0.45)


def _legend(image: Image, ids: Sequence[int | None], scale: float) -> None:
    height = image.shape[0]
    entries = [
        ("true path", _PALE),
        *((f"track {i}", _TRACKS[k % len(_TRACKS)]) for k, i in enumerate(ids[:8])),
    ]
    for k, (name, colour) in enumerate(entries):
        cv2.circle(image, (28, 20 + 22 * k), 6, colour, -1, cv2.LINE_AA)
        _text(image, name, (42, 25 + 22 * k), 0.45)
    _text(image, "x: not published", (22, 25 + 22 * len(entries)), 0.45)
    metres = next((m for m in (50, 20, 10, 5, 2, 1) if m * scale < 300), 1)
    end = 20 + round(metres * scale)
    cv2.line(image, (20, height - 12), (end, height - 12), _INK, 2)
    _text(image, f"{metres} m", (end + 8, height - 8), 0.45)


def _draw_timeline(image: Image, story: Story, rows: Sequence[str], top: int) -> None:
    first, last = story.moments[0].time_s, story.moments[-1].time_s
    step = float(np.median(np.diff([m.time_s for m in story.moments]))) if len(story.moments) > 1 else 0.1
    scale = (_WIDTH - _LEFT - 30) / (last - first + step)
    most = max((m.points or 0) for m in story.moments)

    def x(time_s: float) -> int:
        return round(_LEFT + (time_s - first) * scale)

    for k, name in enumerate(rows):
        y = top + k * _ROW
        _text(image, name if name != "points" else f"points (to {most})", (12, y + 19), 0.45)
        for m in story.moments:
            corner, end = (x(m.time_s), y + 3), (max(x(m.time_s + step), x(m.time_s) + 1) - 1, y + _ROW - 5)
            if name == "points":
                share = (m.points or 0) / max(most, 1)
                corner = (corner[0], round(end[1] - share * (_ROW - 8)))
                cv2.rectangle(image, corner, end, _PALE, -1)
            else:
                cv2.rectangle(image, corner, end, _colour(m, name), -1)
    _draw_axis(image, top + len(rows) * _ROW, (first, last), x)
    legend = [
        ("right", _GOOD),
        ("wrong class or merged", _WRONG),
        ("imprecise", _POOR),
        ("coasting", _COAST),
        ("not published", _PALE),
        ("no message", _LOST),
    ]
    for k, (name, colour) in enumerate(legend):
        cv2.rectangle(
            image,
            (_LEFT + 190 * k, image.shape[0] - 26),
            (_LEFT + 190 * k + 14, image.shape[0] - 12),
            colour,
            -1,
        )
        _text(image, name, (_LEFT + 190 * k + 20, image.shape[0] - 14), 0.45)


def _draw_axis(image: Image, y: int, span: tuple[float, float], x: Any) -> None:
    length = span[1] - span[0]
    step = next((s for s in (0.5, 1, 2, 5, 10, 30, 60) if length / s <= 12), 120)
    for tick in np.arange(np.ceil(span[0] / step), span[1] / step + 1e-6) * step:
        cv2.line(image, (x(tick), y), (x(tick), y + 5), _INK, 1)
        _text(image, f"{tick:g} s", (x(tick) - 8, y + 20), 0.42)


def _colour(moment: Moment, row: str) -> Colour:
    words = moment.track if row == "track" else moment.stages[row]
    if words == NO_FRAME:
        return _LOST
    if row != "track":
        return _GOOD if words == SEEN else _PAPER if words == UNSEEN else _WRONG
    if " as " in words or " follows " in words:
        return _WRONG
    if not moment.published:
        return _PAPER if words == UNSEEN else _PALE
    if "coasting" in words:
        return _COAST
    return _POOR if moment.why else _GOOD


def _text(image: Image, text: str, at: tuple[int, int], size: float) -> None:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)


def run_rows(story: Story) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of the table of runs, in words."""
    head = ("time s", "frames", "range m", "points", "hidden", *story.sources, "score", "track", "why")
    rows = []
    for run in story.runs:
        a, b = run.first, run.last
        points = sorted({m.points for m in run.moments if m.points is not None})
        scores = [m.score for m in run.moments if np.isfinite(m.score)]
        hidden = [m.hidden for m in run.moments if np.isfinite(m.hidden)]
        rows.append(
            (
                f"{a.time_s:.1f}" if len(run.moments) == 1 else f"{a.time_s:.1f} - {b.time_s:.1f}",
                str(len(run.moments)),
                _span(min(a.range_m, b.range_m), max(a.range_m, b.range_m)),
                "" if not points else _span(points[0], points[-1]),
                f"{np.mean(hidden):.0%}" if hidden else "",
                *(a.stages[s] for s in story.sources),
                _span(min(scores), max(scores), 2) if scores else "",
                a.track,
                a.why,
            )
        )
    return head, rows


def _span(low: float, high: float, digits: int = 0) -> str:
    if not np.isfinite(low):
        return ""
    a, b = f"{low:.{digits}f}", f"{high:.{digits}f}"
    return a if a == b else f"{a} - {b}"


def _page(story: Story, png: bytes) -> str:
    head, rows = run_rows(story)
    title = f"object {story.truth_id}, {story.label}"
    cells = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    names = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    events = "".join(f"<li>{time:.1f} s: {html.escape(text)}</li>" for time, text in story.events)
    picture = base64.b64encode(png).decode()
    return (
        f"<!doctype html><meta charset=utf-8><title>{title}</title><style>body{{font:14px sans-serif;margin:2em}}"
        "td,th{padding:2px 10px;text-align:left;border-bottom:1px solid #ddd}img{max-width:100%}</style>"
        f"<h1>{title}</h1><img alt='path and timeline' src='data:image/png;base64,{picture}'>"
        f"<table><tr>{names}</tr>{cells}</table><ul>{events}</ul>\n"
    )
