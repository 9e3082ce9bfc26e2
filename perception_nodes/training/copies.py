"""Copies of a model's files with other scores or existences: metadata and card say what was done, and to which file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from perception_nodes.datatypes import InputError
from perception_nodes.detection.learned_config import RuntimeConfig
from perception_nodes.detection.runtime import OnnxModel, int8_path

from .config import file_digest
from .export import rewrite_metadata
from .report import commit, named

# What a model that another one goes on from is remembered by.
_REMEMBERED = ("name", "data", "rigs", "config", "commit", "done", "mean_of")

_BEFORE: Final = (
    "What follows is the card of the file that this one was made from: ids and figures are that file's."
)


def chain(model: Path) -> list[dict[str, Any]]:
    """The files that something made of `model` goes on from, the first first, `model` itself the last."""
    about = OnnxModel(model, RuntimeConfig(threads=1, precision="fp32", probe_runs=1)).metadata
    known = {k: about.get(k, "") for k in _REMEMBERED}
    known["pretraining"] = about.get("pretraining", {})
    for part in ("calibration", "second_look"):
        known[part] = (about.get(part) or {}).get("id", "")
    return [*about.get("from", []), {**known, "digest": file_digest(model)}]


def family(models: Sequence[Path]) -> list[dict[str, Any]]:
    """The files that something made of all `models` goes on from, each once, in the order of their chains."""
    return list({m["digest"]: m for model in models for m in chain(model)}.values())


def are_related(models: Sequence[Path]) -> bool:
    """Whether some file is one of all of their chains."""
    return bool(set.intersection(*({m["digest"] for m in chain(model)} for model in models)))


def check_output(model: Path, output: Path) -> None:
    """Raises InputError if the copies would be written over the model."""
    if output.resolve() == model.parent.resolve():
        raise InputError(f"{output}: holds the model itself: wanted another --output")


def write_copies(
    model: Path, output: Path, changed: dict[str, Any], done: str, figures: Sequence[str]
) -> None:
    """The float32 file and, where there is one, the int8 file, with other entries of the metadata, and a card.

    done: what was done, a sentence; figures: lines of the card that say what came of it.
    """
    output.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {}
    for file in (int8_path(model), model):
        if file.is_file():
            new = {**changed, "from": chain(file), "done": done, "commit": commit()}
            about = rewrite_metadata(file, output / file.name, new)
    write_card(model, output / model.name, about, figures)


def write_card(model: Path, made: Path, about: dict[str, Any], figures: Sequence[str]) -> None:
    """The card beside `made`, a file with the metadata `about` that was made of `model`; with the card of that."""
    old = model.with_suffix(".md")
    before = old.read_text() if old.is_file() else ""
    made.with_suffix(".md").write_text(_card(about, figures, before))


def _card(about: dict[str, Any], figures: Sequence[str], before: str) -> str:
    """Markdown; before: the other model's card, or empty."""
    table, look = about.get("calibration") or {}, about.get("second_look") or {}
    lines = [
        f"# {about['name']}",
        "",
        f"{about['done']}.",
        "",
        "| what | |",
        "|---|---|",
        *(f"| made from | {named(m)} |" for m in about["from"]),
        f"| calibration | {table['id']}, {table['boxes']} boxes |" if table else "| calibration | none |",
        f"| second look | {look['id']}, {look['frames']} frames |" if look else "| second look | none |",
        f"| commit | {about['commit']} |",
        "",
        *figures,
        "",
    ]
    if before:
        lines += [_BEFORE, "", re.sub(r"^#", "##", before, flags=re.MULTILINE).rstrip(), ""]
    return "\n".join(lines)
