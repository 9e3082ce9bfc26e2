"""docs/diagnosis.md: its example gives what it says, its table names every cause, its queries run."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from perception_nodes.evaluation.diagnosis import Cause, DiagnosisConfig, diagnose
from perception_nodes.evaluation.slices import MIN_BOXES, MIN_OBJECTS, query, slice_rows, write_parquet

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "diagnosis.md").read_text()


def test_the_example_prints_what_the_page_says() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "docs/diagnosis.md", "exec"), {})
    (said,) = re.findall(r"^prints `(.*?)`", TEXT, re.MULTILINE)
    assert printed.getvalue().strip() == said


def test_every_cause_is_in_the_table() -> None:
    first = re.findall(r"^\| ([a-z, ]+?) \|", TEXT, re.MULTILINE)
    named = {word.strip() for cell in first for word in cell.split(",")}
    assert named - {"cause"} == {c.value for c in Cause}


def test_the_queries_run(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("duckdb")
    write_parquet(slice_rows([], [], diagnose([], [])), tmp_path)
    queries = [shlex.split(line)[-1] for line in TEXT.splitlines() if "--sql" in line]
    assert len(queries) == 3
    for sql in queries:
        query(tmp_path, sql)


def test_the_numbers_on_the_page_are_the_defaults() -> None:
    config = DiagnosisConfig()
    assert (config.match_distance_m, config.near_distance_m, config.precise_distance_m) == (2.0, 4.0, 0.5)
    assert (config.recall_drop, config.recovery_s, config.hidden_share, config.min_points) == (
        0.1,
        1.0,
        0.6,
        5,
    )
    assert (config.reach_m, config.scored_range_m, config.scored_points, config.size_iou) == (
        50.0,
        50.0,
        1,
        0.5,
    )
    assert (config.min_gain, config.min_imprecise, config.shrink, config.silent_frames) == (0.02, 0.1, 0.3, 3)
    assert (MIN_OBJECTS, MIN_BOXES) == (5, 30)
