"""`open_input`: what is this path, and how is it read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from perception_nodes.datatypes import InputError, Rig

from .inputs import Input
from .pandaset import PandaSetInput
from .rosbag import RosbagInput

_WANTED: Final = (
    "a rosbag2 (folder with metadata.yaml, .mcap, .db3), a PandaSet sequence (lidar/, camera/), a KITTI sequence "
    "(velodyne/ or velodyne_points/), or nuScenes-format frames (*.info.json)"
)


def open_input(path: Path, rig: Rig | None = None) -> Input:
    """The drive at a path; `rig` replaces the one that belongs to the dataset or is guessed.

    Raises InputError saying what the path is and what is wanted.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder: wanted {_WANTED}")
    if path.is_file() or _is_bag(path):
        return RosbagInput(path, rig)
    found = _openers(path)
    if not found:
        raise InputError(f"{path}: {_contents(path)}: wanted {_WANTED}")
    return found[0]


def _is_bag(path: Path) -> bool:
    return (path / "metadata.yaml").is_file() or any(
        p.suffix in (".mcap", ".db3", ".zstd") for p in path.iterdir()
    )


def _openers(path: Path) -> list[Input]:
    out: list[Input] = []
    if (path / "lidar" / "poses.json").is_file():
        out.append(PandaSetInput(path))
    return out


def _contents(path: Path) -> str:
    names = sorted(p.name + ("/" if p.is_dir() else "") for p in path.iterdir())
    shown = ", ".join(names[:8]) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")
    return f"a folder with {shown}" if names else "an empty folder"
