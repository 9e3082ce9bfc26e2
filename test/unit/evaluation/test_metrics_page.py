"""docs/metrics.md names functions and fields that exist, and says everything of each figure."""

from __future__ import annotations

import dataclasses
import importlib
import re
import typing
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
PACKAGE = "perception_nodes.evaluation"
LINES = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
ROWS = [line for line in LINES if not line.startswith("| figure |")]


def function_of(path: str) -> Any:
    *modules, name = path.split(".")
    return getattr(importlib.import_module(".".join([PACKAGE, *modules])), name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_each_figure_has_its_function_and_field(row: str) -> None:
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == 5 and all(cells)
    path, field = re.fullmatch(r"`([\w.]+)`(?: -> `(\w+)`)?", cells[1]).groups()
    function = function_of(path)
    if field:
        result = typing.get_type_hints(function)["return"]
        assert dataclasses.is_dataclass(result)
        assert field in {f.name for f in dataclasses.fields(result)} or hasattr(result, field)


def test_the_page_was_read() -> None:
    assert len(ROWS) > 40
