"""Whole runs: prepare the input, run the graph or the pipeline, collect what came out, report."""

from .options import RunOptions
from .run import run_and_report

__all__ = ["RunOptions", "run_and_report"]
