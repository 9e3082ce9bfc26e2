"""Side by side with the official tools: each test records how far apart the figures are, the summary is a table.

def test_x(agreement):
    agreement.check("CLEAR", "trackeval", ours={"MOTA": 0.5}, theirs={"MOTA": 0.5}, tolerance=1e-12)
    agreement.speed("HOTA", "trackeval", ours_s=0.1, theirs_s=0.2)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

HERE = Path(__file__).parent
Key = tuple[str, str]


@dataclass
class Row:
    """What was compared for one metric and tool."""

    cases: int = 0
    values: int = 0
    worst: float = 0.0


@dataclass
class Agreement:
    """All comparisons of a session, by metric and tool (the name of its distribution)."""

    rows: dict[Key, Row] = field(default_factory=dict)
    speeds: dict[Key, tuple[float, float]] = field(default_factory=dict)

    def check(self, metric: str, tool: str, ours: Any, theirs: Any, tolerance: float) -> None:
        """One case: values by name, an array or a number. Equal where both are NaN or the same infinity."""
        pairs = list(_pairs(metric, ours, theirs))
        apart = {name: _difference(a, b) for name, a, b in pairs}
        row = self.rows.setdefault((metric, tool), Row())
        row.cases += 1
        row.values += sum(len(d) for d in apart.values())
        row.worst = max(row.worst, *(float(d.max(initial=0.0)) for d in apart.values()))
        wrong = {n: (a, b) for n, a, b in pairs if (apart[n] > tolerance).any()}
        assert not wrong, f"{metric}, ours and {tool}'s: {wrong}"

    def speed(self, metric: str, tool: str, ours_s: float, theirs_s: float) -> None:
        """Times of both for the same input, taken in this run; how many times faster ours is, is printed."""
        self.speeds[metric, tool] = (ours_s, theirs_s)


def _pairs(name: str, ours: Any, theirs: Any) -> Iterator[tuple[str, npt.NDArray[Any], npt.NDArray[Any]]]:
    if isinstance(ours, Mapping):
        assert set(ours) == set(theirs), f"{name}: the two name different values"
        for key in ours:
            yield from _pairs(str(key), ours[key], theirs[key])
        return
    a, b = (np.atleast_1d(np.asarray(v, float)) for v in (ours, theirs))
    assert a.shape == b.shape, f"{name}: shapes {a.shape} and {b.shape}"
    yield name, a.ravel(), b.ravel()


def _difference(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    out = np.zeros(len(a))
    out[~same] = np.abs(a[~same] - b[~same])
    return np.where(np.isnan(out), np.inf, out)


_ALL = pytest.StashKey[Agreement]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ALL] = Agreement()


@pytest.fixture
def agreement(request: pytest.FixtureRequest) -> Agreement:
    """Where a test records its comparison."""
    return request.config.stash[_ALL]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test here without the marker would never run: -m oracle would leave it out."""
    for item in items:
        if HERE in item.path.parents and not item.get_closest_marker("oracle"):
            raise pytest.UsageError(f"{item.nodeid}: wanted pytestmark = pytest.mark.oracle")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table that docs/evaluation.md shows."""
    found = config.stash[_ALL]
    if not found.rows:
        return
    lines = [("metric", "tool", "cases", "values", "largest difference")]
    for (metric, tool), row in sorted(found.rows.items()):
        lines.append((metric, _named(tool), str(row.cases), str(row.values), f"{row.worst:.1e}"))
    _print(terminalreporter, "agreement with the official tools", lines)
    if not found.speeds:
        return
    lines = [("metric", "tool", "tool, s", "ours, s", "times faster")]
    for (metric, tool), (ours_s, theirs_s) in sorted(found.speeds.items()):
        ratio = f"{theirs_s / ours_s:.1f}"
        lines.append((metric, _named(tool), f"{theirs_s:.4f}", f"{ours_s:.4f}", ratio))
    _print(terminalreporter, "speed beside the official tools", lines)


def _named(tool: str) -> str:
    try:
        return f"{tool} {version(tool)}"
    except PackageNotFoundError:
        return tool


def _print(reporter: pytest.TerminalReporter, title: str, lines: list[tuple[str, ...]]) -> None:
    reporter.section(title)
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    rule = tuple("-" * width for width in widths)
    for line in (lines[0], rule, *lines[1:]):
        reporter.write_line("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |")
