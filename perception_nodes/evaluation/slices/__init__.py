"""Results by object and frame as tables, the slices that are always asked for, and SQL for the others."""

from .ready import MIN_BOXES, MIN_OBJECTS, Figure, SliceScore, ready_slices
from .rows import COLUMNS, Conditions, Rows, slice_rows
from .tables import parquet_paths, query, read_parquet, write_parquet

__all__ = [
    "COLUMNS",
    "MIN_BOXES",
    "MIN_OBJECTS",
    "Conditions",
    "Figure",
    "Rows",
    "SliceScore",
    "parquet_paths",
    "query",
    "read_parquet",
    "ready_slices",
    "slice_rows",
    "write_parquet",
]
