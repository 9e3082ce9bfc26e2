"""`run.json` of `perception train lidar`: what a run was begun with, and must be given again to go on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from perception_nodes.datatypes import ConfigurationError, InputError

from .config import flat

RUN: Final = "run.json"
# What a budget decides while the run goes on.
_PLANNED: Final = ("steps", "evaluate_every")


def read_run(folder: Path) -> dict[str, Any]:
    """What the run in a folder was begun with. Raises InputError if it cannot be read."""
    path = folder / RUN
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: wanted the description of a run: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: wanted an object, got {type(value).__name__}")
    return value


def check_output(folder: Path, resume: bool) -> None:
    """Raises InputError for a folder that holds a run that is not gone on with, or none that could be."""
    is_there = (folder / RUN).is_file()
    if is_there and not resume:
        raise InputError(f"{folder}: holds a run: give --resume to go on with it, or another --output")
    if resume and not is_there:
        raise InputError(f"{folder}: --resume: wanted a run that was begun there, found no {RUN}")


def check_same(folder: Path, asked: Mapping[str, Any], config: Any) -> None:
    """Raises ConfigurationError, naming the first that differs, if the run in the folder was begun with other values.

    asked: entries of the file (one that an older file lacks is not compared); config: `TrainConfig`, whose number of
    steps counts where the run was begun without a budget.
    """
    known = read_run(folder)
    plain = json.loads(json.dumps({**asked, "config": dataclasses.asdict(config)}))
    planned = () if known.get("budget_s") == 0 else _PLANNED
    begun: dict[str, Any] = {k: known[k] for k in plain if k in known}
    pairs = {k: (begun[k], plain[k]) for k in begun if k != "config"}
    was = flat(begun["config"])
    pairs |= {k: (was.get(k), v) for k, v in flat(plain["config"]).items() if k not in planned}
    for name, (old, new) in pairs.items():
        if old != new:
            raise ConfigurationError(
                f"{folder}: --resume with other settings than the run was begun with: {name}: {old}, got {new}"
            )
