"""The scenarios that come with the package, and those in files of the user."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.resources import resource_path

from .decode import decode_file
from .schema import Scenario


def scenario_names() -> tuple[str, ...]:
    """Names of the scenarios in `config/scenarios`, sorted."""
    return tuple(sorted(p.stem for p in resource_path("config/scenarios").glob("*.yaml")))


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file; a map that it names lies beside it.

    Raises ConfigurationError naming file, line and field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"scenario file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"scenario file {path}: not text: {error}") from error
    scenario = decode_file(Scenario, text, str(path))
    if scenario.world.osm:
        beside = path.absolute().parent / scenario.world.osm
        scenario = replace(scenario, world=replace(scenario.world, osm=str(beside)))
    return replace(scenario, name=scenario.name or path.stem, file=str(path))


def find_scenario(name_or_path: str) -> Scenario:
    """A scenario by name (`cut_in`) or by the path of a YAML file."""
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return load_scenario(path)
    names = scenario_names()
    if name_or_path not in names:
        close = difflib.get_close_matches(name_or_path, names, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"wanted one of {list(names)}, or a file"
        raise ConfigurationError(f"scenario {name_or_path!r}: {hint}")
    return load_scenario(resource_path("config/scenarios") / f"{name_or_path}.yaml")
