"""Helpers for the frozen parameter dataclasses: one per stage, defaults and checks there and nowhere else."""

from __future__ import annotations

import dataclasses
from typing import Any

from .errors import ConfigurationError


def param(
    default: Any, text: str, *, low: float | None = None, high: float | None = None, raising: str = ""
) -> Any:
    """A dataclass field with a description and, for numbers, an inclusive range; raising: what more of it does.

    `ros/parameters.py` declares the ROS parameter (type, default, range, description) from it, and
    `check_ranges` enforces the range when the dataclass is built.
    """
    metadata = {"help": text, "low": low, "high": high, "raising": raising}
    return dataclasses.field(default=default, metadata=metadata)


def effects_table(config: Any) -> list[str]:
    """Rows of a table in Markdown: every field of a configuration with its default, meaning and effect."""
    rows = ["| parameter | default | what it is | raising it |", "|---|---|---|---|"]
    for field in dataclasses.fields(config):
        value, about = getattr(config, field.name), field.metadata
        shown = f"{value:g}" if isinstance(value, float) else str(value).lower()
        rows.append(f"| `{field.name}` | {shown} | {about['help']} | {about['raising']} |")
    return rows


def check_ranges(config: Any) -> None:
    """Raise `ConfigurationError` naming the first field outside its range (call from `__post_init__`)."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        low, high = field.metadata.get("low"), field.metadata.get("high")
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            owner = type(config).__name__
            raise ConfigurationError(f"{owner}.{field.name} = {value}: wanted a value in [{low}, {high}]")
