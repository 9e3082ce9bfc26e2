"""Errors about rig and scenario files that show only when they are used get the file and the line of what they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from perception_nodes.datasets.rigs import rig_path
from perception_nodes.datatypes import ConfigurationError, PerceptionError
from perception_nodes.resources import resource_path

_OF_SCENARIO: Final = (
    "scenario ", "actor ", "catalogue: ", "fault ", "weather ", "world ", "road graph: ", "lane ", "signal ", "map: ",
)  # fmt: skip


@contextmanager
def rig_lines(name: str) -> Iterator[None]:
    """Raises errors about a rig, given by name or file, as "FILE:LINE: what is wrong"."""
    try:
        yield
    except ConfigurationError as error:
        text, cause = str(error), error.__cause__
        path = _file(name)
        if path is None and text.startswith("rig ") and text.endswith("or the path of a rig file"):
            raise
        path = rig_path(name) if path is None else path
        if isinstance(cause, yaml.MarkedYAMLError) and cause.problem_mark is not None:
            line = cause.problem_mark.line + 1
            raise ConfigurationError(f"{path}:{line}: not YAML: {cause.problem}") from error
        if not text.startswith(("rig ", "rig:", f"{path}: ")) or text.startswith("rig file"):
            raise
        words = text.removeprefix(f"{path}: ")
        raise ConfigurationError(f"{path}:{line_of(path, words)}: {words}") from error


@contextmanager
def scenario_lines(name: str, osm: str = "") -> Iterator[None]:
    """Raises errors about a scenario, given by name or file, as "FILE:LINE: what is wrong"; osm: the map it names."""
    try:
        yield
    except PerceptionError as error:
        text = str(error)
        of_map = bool(osm) and text.startswith(osm)
        path = _file(name) or resource_path("config/scenarios") / f"{name}.yaml"
        of_file = text.startswith(f"{path}: ")
        if not of_map and not of_file and not text.startswith(_OF_SCENARIO):
            raise
        text = text.removeprefix(f"{path}: ") if of_file else text
        line = line_of(path, "world: osm" if of_map else text)
        field = "world.osm: " if of_map else ""
        raise type(error)(f"{path}:{line}: {field}{text}") from error


def _file(name: str) -> Path | None:
    path = Path(name)
    return path if path.suffix in (".yaml", ".yml") or path.is_file() else None


class _Entry(NamedTuple):
    """One value in a YAML file: the keys (or names, in lists) that lead to it, its text and its line."""

    keys: tuple[str, ...]
    value: str | None
    line: int


def line_of(path: Path, text: str) -> int:
    """Line of the value whose keys a text names most fully; of equals, the one that is named first."""
    root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    # What is wanted is not what is there.
    said = re.split(r": wanted |: did you mean", text)[0]
    places = {
        word: match.start() for match in reversed(list(re.finditer(r"\w+", said))) for word in [match[0]]
    }
    best, line = (0.0, 0), 1
    for keys, value, at in _entries(root, ()):
        if keys[-1] not in places:
            continue
        score = sum(key in places for key in keys) + 0.5 * (f"'{value}'" in said)
        if (score, -places[keys[-1]]) > best:
            best, line = (score, -places[keys[-1]]), at
    return line


def _entries(node: Any, keys: tuple[str, ...]) -> Iterator[_Entry]:
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            here = (*keys, str(key.value))
            value = str(child.value) if isinstance(child, yaml.ScalarNode) else None
            yield _Entry(here, value, key.start_mark.line + 1)
            yield from _entries(child, here)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            names = [v.value for k, v in child.value if k.value == "name"] if _is_mapping(child) else []
            here = (*keys, *map(str, names))
            if names:
                yield _Entry(here, None, child.start_mark.line + 1)
            yield from _entries(child, here)


def _is_mapping(node: Any) -> bool:
    return isinstance(node, yaml.MappingNode)
