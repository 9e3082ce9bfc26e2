"""The rows as Parquet files and as tables for SQL; needs the extra `data` (pyarrow, duckdb)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from perception_nodes.datatypes import InputError

from .rows import COLUMNS, Rows

_TYPES: Final = {"int": "int64", "float": "float64", "text": "string", "bool": "bool_"}


def parquet_paths(folder: Path) -> dict[str, Path]:
    """Table -> its file: `objects.parquet`, `frames.parquet`, `false_alarms.parquet`."""
    return {name: folder / f"{name}.parquet" for name in COLUMNS}


def write_parquet(rows: Rows, folder: Path) -> tuple[Path, ...]:
    """Write the three files into `folder`. Raises InputError without pyarrow."""
    arrow = _module("pyarrow")
    parquet = _module("pyarrow.parquet")
    paths = parquet_paths(folder)
    for name, table in rows.tables.items():
        columns = {
            column: arrow.array(table[column].tolist(), type=getattr(arrow, _TYPES[kind])(), from_pandas=True)
            for column, (kind, _) in COLUMNS[name].items()
        }
        parquet.write_table(arrow.table(columns), paths[name])
    return tuple(paths.values())


def read_parquet(folder: Path) -> Rows:
    """The rows of three files that `write_parquet` wrote. Raises InputError for a missing or another file."""
    parquet = _module("pyarrow.parquet")
    tables: dict[str, Any] = {}
    for name, path in parquet_paths(folder).items():
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        try:
            table = parquet.read_table(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not a Parquet file: {_line(error)}") from error
        missing = [c for c in COLUMNS[name] if c not in table.column_names]
        if missing:
            raise InputError(f"{path}: column {missing[0]!r} is missing")
        tables[name] = {c: _numpy(table[c], kind) for c, (kind, _) in COLUMNS[name].items()}
    return Rows(tables["objects"], tables["false_alarms"], tables["frames"])


def query(folder: Path, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Column names and rows of an SQL query over the tables objects, frames and false_alarms.

    DuckDB in memory; the query can neither read nor write other files. Raises InputError, one sentence, for what is
    wrong with it.
    """
    duckdb = _module("duckdb")
    with duckdb.connect(":memory:") as connection:
        for name, path in parquet_paths(folder).items():
            if not path.is_file():
                raise InputError(f"{path}: no such file")
            try:
                connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_parquet(?)", [str(path)])
            except duckdb.Error as error:
                raise InputError(f"{path}: not a Parquet file: {_line(error)}") from error
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        try:
            result = connection.execute(sql)
            names = tuple(str(column[0]) for column in result.description or ())
            return names, list(result.fetchall())
        except duckdb.Error as error:
            raise InputError(f"SQL: {_line(error)}") from error


def _numpy(column: Any, kind: str) -> Any:
    import numpy as np

    values = column.to_pylist()
    if kind == "float":
        return np.array([np.nan if v is None else v for v in values], np.float64)
    if kind == "bool":
        return np.array(values, bool)
    if kind == "int" and not any(v is None for v in values):
        return np.array(values, np.int64)
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]


def _module(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.split(".", maxsplit=1)[0]
        raise InputError(f"{package} is missing: pip install 'perception_nodes[data]'") from error
