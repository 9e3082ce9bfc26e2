"""Rows, ready slices, Parquet and SQL on drives that are worked out by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_nodes.datatypes import InputError
from perception_nodes.evaluation import BoxFrame
from perception_nodes.evaluation.diagnosis import diagnose
from perception_nodes.evaluation.slices import (
    COLUMNS,
    Conditions,
    Rows,
    query,
    read_parquet,
    ready_slices,
    slice_rows,
    write_parquet,
)

STEP_NS = 100_000_000


def drive(lost: int = 2) -> tuple[list[BoxFrame], list[BoxFrame]]:
    """12 cars at 5, 10 ... 60 m for 10 frames; the last `lost` are missed, the first is seen 0.6 m to its left."""
    n = 12
    truth = [
        BoxFrame(
            k * STEP_NS,
            np.arange(n),
            np.zeros(n, np.int64),
            np.full(n, np.nan),
            np.column_stack([5.0 * np.arange(1, n + 1), 6.0 * (np.arange(n) % 3 == 1), np.zeros(n)]),
            np.tile([4.0, 2.0, 1.5], (n, 1)),
            np.zeros(n),
            np.tile([3.0, 4.0], (n, 1)),
            np.where(np.arange(n) == 3, -1, 50),
            np.zeros(2),
        )
        for k in range(10)
    ]
    seen = [dataclasses.replace(f, score=np.full(n, 0.8)).select(np.arange(n) < n - lost) for f in truth]
    off = np.zeros((n - lost, 3))
    off[0, 1] = 0.6
    return truth, [dataclasses.replace(f, center_m=f.center_m + off, id=f.id + 100) for f in seen]


def rows(lost: int = 2, conditions: dict[int, Conditions] | None = None) -> Rows:
    truth, ours = drive(lost)
    return slice_rows(truth, ours, diagnose(truth, ours), conditions)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("pyarrow")
    pytest.importorskip("duckdb")
    write_parquet(rows(), tmp_path)
    return tmp_path


def test_a_row_says_what_became_of_an_object() -> None:
    table = rows().objects
    first, last = ({name: column[k] for name, column in table.items()} for k in (0, 11))
    assert (first["truth_id"], first["track_id"], first["label"]) == (0, 100, "car")
    assert first["matched"] and first["cause"] == "localisation"
    assert (first["distance_m"], first["along_m"], first["across_m"]) == pytest.approx((0.6, 0.0, 0.6))
    assert (first["range_m"], first["speed_mps"]) == pytest.approx((5.0, 5.0))
    assert last["track_id"] is None and np.isnan(last["distance_m"]) and not last["matched"]
    assert last["cause"] == "out of range" and not last["scored"]
    assert table["num_points"][3] is None


def test_all_tables_have_the_columns_that_are_described() -> None:
    for name, table in rows().tables.items():
        assert list(table) == list(COLUMNS[name])
        assert len({len(column) for column in table.values()}) == 1


def test_ready_slices_are_the_shares_of_their_boxes() -> None:
    scores = {(s.slice, s.value): s for s in ready_slices(rows(lost=4))}
    recall = scores["all", "all"].figure("recall")
    assert recall is not None and (recall.value, recall.count) == pytest.approx((0.8, 100))
    assert recall.low < 0.8 < recall.high <= 1.0
    precision = scores["all", "all"].figure("precision")
    assert precision is not None and precision.value == 1.0
    assert scores["speed", "3 ... 8 m/s"].boxes == 100
    assert {s for s, _ in scores} >= {
        "all",
        "class",
        "range",
        "occlusion",
        "points",
        "speed",
        "size",
        "crowd",
    }


def test_a_slice_too_small_to_judge_says_so() -> None:
    near = next(s for s in ready_slices(rows()) if (s.slice, s.value) == ("range", "0 ... 10 m"))
    assert not near.judged and near.figures == ()
    assert near.note == "too small to judge: 10 boxes of 1 objects (from 30 and 5 on)"


def test_conditions_make_slices() -> None:
    known = {k * STEP_NS: Conditions("rain" if k < 5 else None, "night", "lidar") for k in range(10)}
    scores = {(s.slice, s.value): s for s in ready_slices(rows(conditions=known))}
    assert scores["weather", "rain"].boxes == scores["weather", "unknown"].boxes == 50
    assert scores["light", "night"].boxes == scores["sensor set", "lidar"].boxes == 100
    assert ("light", "unknown") not in scores
    assert not any(s == "weather" for s, _ in {(s.slice, s.value) for s in ready_slices(rows())})


def test_parquet_gives_back_what_was_written(folder: Path) -> None:
    back, written = read_parquet(folder), rows()
    for name, table in written.tables.items():
        for column, values in table.items():
            np.testing.assert_array_equal(back.tables[name][column], values, err_msg=column)
    assert ready_slices(back) == ready_slices(written)


def test_sql_over_the_three_tables(folder: Path) -> None:
    names, found = query(folder, "SELECT cause, count(*) AS n FROM objects WHERE NOT matched GROUP BY cause")
    assert names == ("cause", "n") and found == [("out of range", 20)]
    assert query(folder, "SELECT count(*) FROM objects JOIN frames USING (stamp_ns)")[1] == [(120,)]
    assert query(folder, "SELECT count(*) FROM false_alarms")[1] == [(0,)]
    assert query(folder, "SELECT avg(distance_m) FROM objects WHERE truth_id = 11")[1] == [(None,)]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nothing FROM objects", "nothing"),
        ("SELEC 1", "SELEC"),
        ("SELECT * FROM cars", "cars"),
        ("COPY objects TO 'out.csv'", "Permission"),
        ("SELECT * FROM read_csv('/etc/hostname')", "Permission"),
        ("SET enable_external_access = true", "Cannot change"),
    ],
)
def test_bad_sql_is_one_sentence(folder: Path, sql: str, said: str) -> None:
    with pytest.raises(InputError, match=r"^SQL: ") as error:
        query(folder, sql)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_sql_cannot_change_the_files(folder: Path) -> None:
    before = (folder / "objects.parquet").read_bytes()
    query(folder, "DELETE FROM objects")
    assert (folder / "objects.parquet").read_bytes() == before


def test_missing_and_broken_files_are_named(folder: Path) -> None:
    (folder / "frames.parquet").write_text("no")
    with pytest.raises(InputError, match=r"frames\.parquet: not a Parquet file"):
        read_parquet(folder)
    with pytest.raises(InputError, match=r"frames\.parquet: not a Parquet file"):
        query(folder, "SELECT 1")
    (folder / "frames.parquet").unlink()
    with pytest.raises(InputError, match=r"frames\.parquet: no such file"):
        query(folder, "SELECT 1")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(name: str, *rest: Any) -> Any:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", refuse)
    calls: list[Callable[[], Any]] = [
        lambda: write_parquet(rows(), tmp_path),
        lambda: query(tmp_path, "SELECT 1"),
    ]
    for call, package in zip(calls, ("pyarrow", "duckdb"), strict=True):
        with pytest.raises(
            InputError, match=rf"{package} is missing: pip install 'perception_nodes\[data\]'"
        ):
            call()


def test_rows_of_another_diagnosis_are_refused() -> None:
    truth, ours = drive()
    with pytest.raises(InputError, match="the diagnosis is of 120 true and 100 predicted boxes"):
        slice_rows(truth[:5], ours[:5], diagnose(truth, ours))


def test_nothing_gives_empty_tables() -> None:
    empty = slice_rows([], [], diagnose([], []))
    assert all(len(column) == 0 for table in empty.tables.values() for column in table.values())
    assert ready_slices(empty) == ()
