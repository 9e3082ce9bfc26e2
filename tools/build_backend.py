"""The build back end of pyproject.toml: setuptools, which first looks at the machine and then asks for the ROS wheels.

The ROS wheels are asked for here and not in pyproject.toml, because pip would fail on that list, with many lines
about missing distributions, before any code of ours could say what is wrong with the machine; and because the list
depends on the ROS distribution.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Dict, Optional  # runs on old Pythons too, as far as the sentence that they are

from setuptools import build_meta
from setuptools.build_meta import (  # noqa: F401  re-exported: the hooks that stay as they are
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

ROOT = Path(__file__).resolve().parents[1]
Settings = Optional[Dict[str, Any]]


def read_requirements(name: str) -> list[str]:
    """Requirements of requirements/`name`.txt, without comments."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def build_requires(distro: str) -> list[str]:
    """Everything that must be importable while the messages of a `distro` installation are generated."""
    return [*read_requirements("build"), *read_requirements(distro)]


def _check_machine() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    import preflight

    found = preflight.problems()
    if found:
        raise SystemExit("\n".join(f"perception_nodes: {sentence}" for sentence in found))


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """PEP 517 hook."""
    _check_machine()
    return build_requires(os.environ.get("PERCEPTION_ROS_DISTRO", "kilted"))


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """PEP 660 hook."""
    return get_requires_for_build_wheel(config_settings)


__all__ = [name for name in dir(build_meta) if name.startswith(("build_", "get_requires", "prepare_"))]
