"""Finding the files of one KITTI drive in the layouts that are around (docs/inputs.md lists them)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from perception_nodes.datatypes import InputError

_SWEEPS: Final = ("*.bin", "*.bin.xz")
_IMAGES: Final = ("image_02", "image_2")
_CLOUDS: Final = ("velodyne", "velodyne_full", "velodyne_reduced")


@dataclass(frozen=True)
class KittiFiles:
    """Paths of one drive. calibration: a file, a folder (raw), or one file a sweep; None where there is none.

    frames: the number in each sweep's name; consecutive: False for single frames of the object benchmark.
    """

    layout: str
    sweeps: tuple[Path, ...]
    images: dict[int, Path]
    calibrations: tuple[Path | None, ...]
    labels: tuple[Path, ...] = ()
    oxts: tuple[Path, ...] = ()
    stamps_ns: tuple[int, ...] = ()
    image_stamps_ns: tuple[int, ...] = ()
    oxts_stamps_ns: tuple[int, ...] = ()
    consecutive: bool = True

    @property
    def frames(self) -> tuple[int, ...]:
        """The number in each sweep's name."""
        return tuple(_number(p) for p in self.sweeps)


def find_kitti(path: Path) -> KittiFiles | None:
    """The drive at `path`, None if it is not KITTI; raises InputError naming the choices if there are several."""
    if (path / "velodyne_points" / "data").is_dir():
        return _raw(path)
    if path.parent.name == "velodyne" and _sweeps(path):
        return _tracking(path.parent.parent, path.name)
    sequences = [p.name for p in sorted(path.glob("velodyne/*")) if p.is_dir() and _sweeps(p)]
    if len(sequences) == 1:
        return _tracking(path, sequences[0])
    if sequences:
        raise InputError(
            f"{path}: KITTI tracking with several sequences: give one, as {path}/velodyne/{sequences[0]}"
        )
    drives = [p for p in sorted(path.glob("*")) if (p / "velodyne_points" / "data").is_dir()]
    if drives:
        names = ", ".join(p.name for p in drives)
        raise InputError(f"{path}: a folder with several things: KITTI drives {names}: give one of them")
    folders = [path / name for name in _CLOUDS if _sweeps(path / name)]
    if not folders:
        return None
    return _plain(path, folders)


def _plain(path: Path, folders: list[Path]) -> KittiFiles:
    """`velodyne/`, `image_02/` or `image_2/`, and `calib.txt` or `calib/<frame>.txt`."""
    sweeps = tuple(sorted((s for f in folders for s in _sweeps(f)), key=_number))
    images = _images(next((path / n for n in _IMAGES if (path / n).is_dir()), None), sweeps)
    single = [path / "calib" / f"{_stem(s)}.txt" for s in sweeps]
    if any(p.is_file() for p in single):
        calibrations = tuple(p if p.is_file() else None for p in single)
        labels = tuple(path / "label_2" / p.name for p in single)
        return KittiFiles("object", sweeps, images, calibrations, labels=labels, consecutive=False)
    one = path / "calib.txt"
    calibrations = (one if one.is_file() else None,) * len(sweeps)
    oxts = tuple(sorted((path / "oxts" / "data").glob("*.txt")))
    return KittiFiles("sequence", sweeps, images, calibrations, oxts=oxts)


def _raw(path: Path) -> KittiFiles:
    sweeps = _sweeps(path / "velodyne_points" / "data")
    folder = next((p for p in (path, path.parent) if (p / "calib_velo_to_cam.txt").is_file()), None)
    oxts = tuple(sorted((path / "oxts" / "data").glob("*.txt")))
    points = path / "velodyne_points"
    ends = _stamps(points / "timestamps_end.txt") or tuple(
        t + 50_000_000 for t in _stamps(points / "timestamps.txt")
    )
    return KittiFiles(
        "raw",
        sweeps,
        _images(path / "image_02" / "data", sweeps),
        (folder,) * len(sweeps),
        oxts=oxts,
        stamps_ns=ends,
        image_stamps_ns=_stamps(path / "image_02" / "timestamps.txt"),
        oxts_stamps_ns=_stamps(path / "oxts" / "timestamps.txt"),
    )


def _tracking(root: Path, sequence: str) -> KittiFiles:
    sweeps = _sweeps(root / "velodyne" / sequence)
    images = _images(
        next((root / n / sequence for n in _IMAGES if (root / n / sequence).is_dir()), None), sweeps
    )
    calibration = root / "calib" / f"{sequence}.txt"
    labels, oxts = root / "label_02" / f"{sequence}.txt", root / "oxts" / f"{sequence}.txt"
    return KittiFiles(
        "tracking",
        sweeps,
        images,
        (calibration if calibration.is_file() else None,) * len(sweeps),
        labels=(labels,) if labels.is_file() else (),
        oxts=(oxts,) if oxts.is_file() else (),
    )


def _sweeps(folder: Path) -> tuple[Path, ...]:
    found = [p for pattern in _SWEEPS for p in folder.glob(pattern) if _stem(p).isdigit()]
    return tuple(sorted(found, key=_number))


def _images(folder: Path | None, sweeps: tuple[Path, ...]) -> dict[int, Path]:
    """Image of each sweep (by position) that has one of the same number."""
    if folder is None or not folder.is_dir():
        return {}
    numbers = {_number(p): p for p in folder.iterdir() if p.suffix in (".png", ".jpg") and p.stem.isdigit()}
    return {k: numbers[_number(s)] for k, s in enumerate(sweeps) if _number(s) in numbers}


def _stem(path: Path) -> str:
    return path.name.split(".", 1)[0]


def _number(path: Path) -> int:
    return int(_stem(path))


def _stamps(path: Path) -> tuple[int, ...]:
    """Lines as `2011-09-26 13:02:25.951199337`, taken as UTC; () if the file is missing."""
    if not path.is_file():
        return ()
    out = []
    for line in path.read_text().split("\n"):
        if not line.strip():
            continue
        try:
            seconds, _, fraction = line.strip().partition(".")
            whole = datetime.strptime(seconds, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
            out.append(int(whole.timestamp()) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9]))
        except ValueError as error:
            raise InputError(f"{path}: {line.strip()!r} is not a time stamp: {error}") from error
    return tuple(out)
