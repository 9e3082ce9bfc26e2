"""The node graph as data: `config/graph.yaml` to the nodes that a launcher starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.resources import resource_path

from .names import nearest


@dataclass(frozen=True)
class Argument:
    """One argument of a graph."""

    default: str
    description: str


@dataclass(frozen=True)
class Graph:
    """Arguments by name and the raw node entries; `path` for messages."""

    path: Path
    arguments: dict[str, Argument]
    nodes: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class NodeSpec:
    """One node to start: its executable, its name, its parameters with the arguments filled in."""

    executable: str
    name: str
    parameters: dict[str, Any]
    parameter_files: tuple[str, ...] = ()


def load_graph(path: Path | None = None) -> Graph:
    """Read a graph file; raises ConfigurationError naming file and key if it is not one."""
    file = path or resource_path("config/graph.yaml")
    try:
        data = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"graph file {file}: {error}") from error
    if not isinstance(data, Mapping) or set(data) != {"arguments", "nodes"}:
        raise ConfigurationError(f"graph file {file}: wanted the keys arguments and nodes, got {data!r:.80}")
    arguments = {n: Argument(str(a["default"]), str(a["description"])) for n, a in data["arguments"].items()}
    for node in data["nodes"]:
        unknown = set(node) - {"executable", "name", "parameters", "if"}
        if unknown or "executable" not in node:
            raise ConfigurationError(
                f"graph file {file}: node {node}: unknown or missing key {sorted(unknown)}"
            )
    return Graph(file, arguments, tuple(data["nodes"]))


def node_specs(graph: Graph, values: Mapping[str, str]) -> list[NodeSpec]:
    """The nodes that `values` select; raises ConfigurationError for an argument that the graph does not have."""
    unknown = sorted(set(values) - set(graph.arguments))
    if unknown:
        close = nearest(unknown[0], graph.arguments)
        hint = f"did you mean {close}? " if close else ""
        raise ConfigurationError(
            f"{graph.path.name}: no argument {unknown[0]!r}: {hint}wanted one of {sorted(graph.arguments)}"
        )
    texts = {name: values.get(name, argument.default) for name, argument in graph.arguments.items()}
    filled = {name: _typed(name, text, graph.arguments[name].default) for name, text in texts.items()}
    files = (texts["params_file"],) if texts.get("params_file") else ()
    specs = []
    try:
        for node in graph.nodes:
            if "if" in node and not filled[node["if"]]:
                continue
            parameters = {k: _fill(v, filled) for k, v in (node.get("parameters") or {}).items()}
            specs.append(
                NodeSpec(node["executable"], node.get("name", node["executable"]), parameters, files)
            )
    except KeyError as error:
        raise ConfigurationError(
            f"graph file {graph.path}: {error} is not one of its arguments {sorted(filled)}"
        ) from error
    return specs


def _fill(template: Any, filled: Mapping[str, Any]) -> Any:
    """A lone {name} has the type of its argument; with text around it, it becomes text."""
    if not isinstance(template, str):
        return template
    alone = re.fullmatch(r"\{(\w+)\}", template)
    return filled[alone[1]] if alone else template.format(**filled)


def _typed(name: str, text: str, default: str) -> Any:
    """A value of the type of the argument's default: a path stays a text even if it reads like a number."""
    example = yaml.safe_load(default) if default else ""
    if isinstance(example, bool):
        known = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
        if text.lower() not in known:
            raise ConfigurationError(f"argument {name}: wanted true or false, got {text!r}")
        return known[text.lower()]
    if isinstance(example, int | float):
        try:
            return type(example)(text)
        except ValueError:
            word = "a number" if isinstance(example, float) else "a whole number"
            raise ConfigurationError(f"argument {name}: wanted {word}, got {text!r}") from None
    return text
