"""One curve as SVG: lines with bands, steps for histograms, bars for categories."""

from __future__ import annotations

import html
from typing import Final

import numpy as np

from .compare import Compared
from .curves import Curve, Form
from .views import F64

# Told apart by people who do not see red and green alike (Okabe and Ito, 2008).
REAL: Final = "#0072b2"
SIMULATED: Final = "#d55e00"
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 380, 240, 46, 8, 10, 38


class _Axes:
    """From values to pixels."""

    def __init__(self, x: tuple[float, float], top: float) -> None:
        self.x_range, self.top = x, top

    def x(self, value: float) -> float:
        low, high = self.x_range
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - value / self.top * (_HEIGHT - _TOP - _BOTTOM)

    def path(self, x: F64, y: F64) -> str:
        """Points of a line, broken where y is NaN."""
        parts, pen = [], "M"
        for a, b in zip(x, y, strict=True):
            if not np.isfinite(b):
                pen = "M"
                continue
            parts.append(f"{pen}{self.x(a):.1f} {self.y(min(b, self.top)):.1f}")
            pen = "L"
        return "".join(parts)


def plot(compared: Compared) -> str:
    """The picture as text."""
    curve = compared.curve
    sides = [
        (_density(curve, compared.real), _density(curve, compared.real_interval), REAL),
        (_density(curve, compared.simulated), _density(curve, compared.simulated_interval), SIMULATED),
    ]
    whole = (-0.5, curve.bins - 0.5)
    x_range = whole if curve.names else (curve.edges[0], _visible_end(curve, compared))
    values = np.concatenate([np.append(v, band.ravel()) for v, band, _ in sides])
    axes = _Axes(x_range, _nice(float(np.nanmax(values, initial=1e-9))))
    body = "".join(_drawn(curve, axes, side, k) for k, side in enumerate(sides))
    label = f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 4}" text-anchor="middle">{html.escape(curve.x)}</text>'
    clip = f'<svg x="0" y="0" width="{_WIDTH}" height="{_HEIGHT - _BOTTOM + 1}">{body}</svg>'
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{_grid(curve, axes)}{clip}{label}</svg>'


def _density(curve: Curve, values: F64) -> F64:
    """Histograms per unit of the axis, so that wide bins are no taller."""
    if curve.form is not Form.HISTOGRAM or curve.names:
        return values
    return np.asarray(values / np.diff(np.asarray(curve.edges)))


def _visible_end(curve: Curve, compared: Compared) -> float:
    """Histograms of intensity are drawn up to where nearly all of both is."""
    if curve.form is not Form.HISTOGRAM or curve.edges[-1] < 100:
        return curve.edges[-1]
    both = np.maximum(np.cumsum(compared.real) < 0.995, np.cumsum(compared.simulated) < 0.995)
    return curve.edges[min(int(both.sum()) + 1, curve.bins)]


def _nice(top: float) -> float:
    step = 10.0 ** np.floor(np.log10(top))
    return float(next(k * step for k in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if k * step >= top * 0.999))


def _grid(curve: Curve, axes: _Axes) -> str:
    out = []
    for k in range(5):
        value = axes.top * k / 4
        y = axes.y(value)
        out.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#e5e7eb"/>')
        out.append(f'<text x="{_LEFT - 4}" y="{y + 4:.1f}" text-anchor="end">{_text(value)}</text>')
    ticks = list(enumerate(curve.names)) if curve.names else [(v, _text(v)) for v in _ticks(*axes.x_range)]
    for value, text in ticks:
        where = f'x="{axes.x(value):.1f}" y="{_HEIGHT - _BOTTOM + 14}"'
        out.append(f'<text {where} text-anchor="middle">{html.escape(text)}</text>')
    return "".join(out)


def _text(value: float) -> str:
    """Short, without exponents and without a minus before zero."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value + 0.0:.3g}"


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 6
    unit = 10.0 ** np.floor(np.log10(rough))
    step = next(k * unit for k in (1, 2, 2.5, 5, 10) if k * unit >= rough)
    return [float(round(v, 9)) + 0.0 for v in np.arange(np.ceil(low / step) * step, high + 1e-9, step)]


def _drawn(curve: Curve, axes: _Axes, side: tuple[F64, F64, str], k: int) -> str:
    """Values, band and colour of the k-th side."""
    if curve.names:
        return _bars(axes, side[0], side[2], k)
    return _steps(curve, axes, *side) if curve.form is Form.HISTOGRAM else _line(curve, axes, *side)


def _line(curve: Curve, axes: _Axes, values: F64, band: F64, colour: str) -> str:
    x = curve.middles()
    dots = "".join(
        f'<circle cx="{axes.x(a):.1f}" cy="{axes.y(b):.1f}" r="2.5" fill="{colour}"/>'
        for a, b in zip(x, values, strict=True)
        if np.isfinite(b)
    )
    return _area(axes, x, band, colour) + _stroke(axes.path(x, values), colour) + dots


def _steps(curve: Curve, axes: _Axes, values: F64, band: F64, colour: str) -> str:
    x = np.repeat(np.asarray(curve.edges), 2)[1:-1]
    doubled = np.repeat(values, 2)
    return _area(axes, x, np.repeat(band, 2, axis=1), colour) + _stroke(axes.path(x, doubled), colour)


def _bars(axes: _Axes, values: F64, colour: str, k: int) -> str:
    out = []
    for b, value in enumerate(values):
        left, right = axes.x(b - 0.35 + 0.35 * k), axes.x(b + 0.35 * k)
        height = axes.y(0) - axes.y(value)
        out.append(
            f'<rect x="{left:.1f}" y="{axes.y(value):.1f}" width="{right - left:.1f}" height="{height:.1f}"'
            f' fill="{colour}"/>'
        )
    return "".join(out)


def _area(axes: _Axes, x: F64, band: F64, colour: str) -> str:
    known = np.isfinite(band).all(axis=0)
    if known.sum() < 2:
        return ""
    there = axes.path(x[known], band[0, known])
    back = axes.path(x[known][::-1], band[1, known][::-1]).replace("M", "L", 1)
    return f'<path d="{there}{back}Z" fill="{colour}" opacity="0.15"/>'


def _stroke(path: str, colour: str) -> str:
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
