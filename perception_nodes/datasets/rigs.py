"""Rig files that come with the package, and mounts given in them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from perception_nodes.datatypes import ConfigurationError, Rig, SensorSpec, load_rig
from perception_nodes.geometry import Transform
from perception_nodes.resources import resource_path


def rig_names() -> tuple[str, ...]:
    """Names of the rigs in `config/rigs`, sorted."""
    return tuple(sorted(p.stem for p in resource_path("config/rigs").glob("*.yaml")))


def rig_path(name: str) -> Path:
    """File of a rig of the package; raises ConfigurationError naming those that exist."""
    path = resource_path("config/rigs") / f"{name}.yaml"
    if not path.is_file():
        raise ConfigurationError(
            f"rig {name!r}: wanted one of {list(rig_names())}, or the path of a rig file"
        )
    return path


def known_rig(name: str) -> Rig:
    """A rig of the package by name."""
    return load_rig(rig_path(name))


def find_rig(name_or_path: str) -> Rig:
    """A rig by name (`pandaset`) or by the path of a YAML file."""
    path = Path(name_or_path)
    return load_rig(path) if path.suffix in (".yaml", ".yml") or path.is_file() else known_rig(name_or_path)


def mount(spec: SensorSpec) -> Transform:
    """base_from_sensor as the rig file gives it; raises ConfigurationError if it does not."""
    if spec.mount_xyz_m is None or spec.mount_rpy_rad is None:
        raise ConfigurationError(f"rig: sensor {spec.name!r} has no mount_xyz_m, mount_rpy_rad")
    return Transform.from_xyz_rpy(spec.mount_xyz_m, spec.mount_rpy_rad)


def rig_mounts(rig: Rig) -> dict[str, Transform]:
    """base_from_sensor of every sensor of a rig that has a frame and a mount."""
    return {s.frame: mount(s) for s in rig.sensors if s.frame and s.mount_xyz_m is not None}


def rig_with(rig: Rig, topics: Collection[str]) -> Rig:
    """The rig without the sensors whose topic is not among `topics`."""
    return replace(rig, sensors=tuple(s for s in rig.sensors if s.topic in topics))
