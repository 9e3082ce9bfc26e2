"""`open_input`: what is this path, and how is it read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from perception_nodes.datatypes import ConfigurationError, InputError, Rig

from .inputs import Input, SequenceInput
from .kitti import KittiInput
from .kitti_files import find_kitti
from .nuscenes import NuScenesInput
from .pandaset import PandaSetInput
from .rosbag import RosbagInput

_WANTED: Final = (
    "a rosbag2 (folder with metadata.yaml, .mcap, .db3), a PandaSet sequence (lidar/, camera/), a KITTI sequence "
    "(velodyne/ or velodyne_points/), or nuScenes-format frames (*.info.json)"
)


_LOOK_AT: Final = 50


def open_input(path: Path, rig: Rig | None = None) -> Input:
    """The drive at a path; `rig` replaces the one that belongs to the dataset or is guessed.

    Raises InputError saying what the path is and what is wanted, ConfigurationError if the rig does not fit.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder: wanted {_WANTED}")
    path = path.resolve()
    if path.is_file() or _is_bag(path):
        return RosbagInput(path, rig)
    kinds = _kinds(path)
    if len(kinds) > 1:
        raise InputError(f"{path}: a folder with several things: {', '.join(kinds)}: give one of them")
    if not kinds:
        below = _inputs_below(path)
        if len(below) == 1:
            return open_input(path / next(iter(below)), rig)
        if below:
            found = ", ".join(f"{name} ({kind})" for name, kind in below.items())
            raise InputError(f"{path}: a folder with several recordings: give one of them: {found}")
        raise InputError(f"{path}: {_contents(path)}: wanted {_WANTED}")
    source = next(iter(kinds.values()))()
    if rig is not None:
        _check_rig(rig, source)
        source.rig = rig
    return source


def _is_bag(path: Path) -> bool:
    return (path / "metadata.yaml").is_file() or any(
        p.suffix in (".mcap", ".db3") or p.name.endswith((".mcap.zstd", ".db3.zstd")) for p in path.iterdir()
    )


def _kinds(path: Path) -> dict[str, Callable[[], SequenceInput]]:
    """What the folder may be read as."""
    out: dict[str, Callable[[], SequenceInput]] = {}
    if (path / "lidar" / "poses.json").is_file():
        out["a PandaSet sequence (lidar/)"] = lambda: PandaSetInput(path)
    files = find_kitti(path)
    if files is not None:
        out["KITTI sweeps"] = lambda: KittiInput(path, files)
    if any(path.glob("*.info.json")):
        out["nuScenes-format frames (*.info.json)"] = lambda: NuScenesInput(path)
    return out


def _inputs_below(path: Path) -> dict[str, str]:
    """Folders directly below that can be read, with what they are."""
    out = {}
    for child in sorted(p for p in path.iterdir() if p.is_dir())[:_LOOK_AT]:
        try:
            kinds = ["rosbag2"] if _is_bag(child) else list(_kinds(child))
        except (InputError, OSError):
            continue  # Something in it is a recording, but not one thing; giving the child says what.
        if kinds:
            out[child.name] = ", ".join(kinds)
    return out


def _check_rig(rig: Rig, source: SequenceInput) -> None:
    own = source.dataset_rig
    if (rig.base_frame, rig.odom_frame) != (own.base_frame, own.odom_frame):
        wanted = f"base_frame {own.base_frame!r}, odom_frame {own.odom_frame!r}"
        raise ConfigurationError(f"rig {rig.name!r}: {source.kind} wants {wanted}")
    missing = [s.topic for s in rig.sensors if s.required and s.topic not in source.topics()]
    if missing:
        have = sorted(source.topics())
        raise ConfigurationError(f"rig {rig.name!r} wants {missing}, this {source.kind} input has {have}")


def _contents(path: Path) -> str:
    names = sorted(p.name + ("/" if p.is_dir() else "") for p in path.iterdir())
    shown = ", ".join(names[:8]) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")
    return f"a folder with {shown}" if names else "an empty folder"
