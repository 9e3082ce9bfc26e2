"""Every parameter of the tracker is documented by what more of it does."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from perception_nodes.cli.tune import tune
from perception_nodes.datatypes import effects_table
from perception_nodes.tracking import TrackerConfig

PAGE = Path(__file__).parents[3] / "docs" / "tracking.md"


@pytest.mark.parametrize("field", fields(TrackerConfig), ids=lambda f: f.name)
def test_every_parameter_has_its_row_in_the_page(field):
    row = next(r for r in effects_table(TrackerConfig()) if r.startswith(f"| `{field.name}` |"))
    assert field.metadata["raising"]
    assert row in PAGE.read_text().splitlines()


def test_the_page_has_the_table_that_is_printed_and_no_row_more(capsys):
    tune("parameters")
    printed = capsys.readouterr().out.strip()
    assert printed + "\n\n" in PAGE.read_text()
    assert len(printed.splitlines()) == 2 + len(fields(TrackerConfig))
