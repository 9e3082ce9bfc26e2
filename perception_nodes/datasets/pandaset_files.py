"""The two layouts of a PandaSet sequence: packed (.bin.xz, cuboids.jsonl.gz) and official (.pkl.gz, needs pandas)."""

from __future__ import annotations

import gzip
import importlib
import io
import json
import lzma
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError
from perception_nodes.geometry import Transform

_SCALE_M: Final = 0.008
_TICK_S: Final = 1e-4

Sweep = tuple[
    npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.float32]
]
Row = dict[str, Any]


def is_official(root: Path) -> bool:
    """Whether the sequence is in the pickled layout in which PandaSet is distributed."""
    return any((root / "lidar").glob("*.pkl.gz"))


def sweep_path(root: Path, index: int) -> Path:
    """File of a sweep."""
    suffix = "pkl.gz" if is_official(root) else "bin.xz"
    return root / "lidar" / f"{index:02d}.{suffix}"


def read_sweep(path: Path, world_from_ego: Transform, stamp_ns: int) -> Sweep:
    """xyz (N, 3) in the ego frame (x right, y forward), intensity 0..255, lidar 0/1, time s to the stamp.

    Raises InputError naming the file if it cannot be read.
    """
    if path.suffix == ".gz":
        return _official_sweep(path, world_from_ego, stamp_ns)
    try:
        stream = io.BytesIO(lzma.decompress(path.read_bytes()))
        xyz_m = np.cumsum(np.load(stream), axis=1, dtype=np.int16).T.astype(np.float32) * np.float32(_SCALE_M)
        intensity, sensor, ticks = (np.load(stream) for _ in range(3))
    except (OSError, lzma.LZMAError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a packed PandaSet sweep: {error}") from error
    return xyz_m, intensity.astype(np.float32), sensor, ticks.astype(np.float32) * np.float32(_TICK_S)


def has_cuboids(root: Path) -> bool:
    """Whether the sequence has boxes."""
    return (root / "cuboids.jsonl.gz").is_file() or any((root / "annotations" / "cuboids").glob("*.pkl.gz"))


def read_cuboids(root: Path, count: int) -> list[Row]:
    """Boxes of the first `count` frames as rows with PandaSet's column names and `frame`."""
    if not is_official(root):
        try:
            with gzip.open(root / "cuboids.jsonl.gz", "rt") as stream:
                rows = [json.loads(line) for line in stream]
        except (OSError, EOFError, ValueError) as error:
            raise InputError(f"{root / 'cuboids.jsonl.gz'}: {error}") from error
        return [row for row in rows if row["frame"] < count]
    out: list[Row] = []
    for frame in range(count):
        path = root / "annotations" / "cuboids" / f"{frame:02d}.pkl.gz"
        if path.is_file():
            out += [{**row, "frame": frame} for row in _pickle(path).to_dict("records")]
    return out


def _official_sweep(path: Path, world_from_ego: Transform, stamp_ns: int) -> Sweep:
    """Official sweeps are in the world frame with absolute times: columns x, y, z, i, t, d."""
    table = _pickle(path)
    world_m = np.stack([np.asarray(table[k], np.float64) for k in "xyz"], axis=1)
    xyz_m = world_from_ego.inverse().apply(world_m).astype(np.float32)
    # Relative to the stamp in float64: float32 cannot hold seconds since 1970.
    time_s = (np.asarray(table["t"], np.float64) - stamp_ns * 1e-9).astype(np.float32)
    sensor = np.asarray(table["d"], np.uint8)
    return xyz_m, np.asarray(table["i"], np.float32), sensor, time_s


def _pickle(path: Path) -> Any:
    """A pandas table. Pickles run code when they are read: only open data sets that you trust."""
    try:
        pandas = importlib.import_module("pandas")
    except ModuleNotFoundError as error:
        raise InputError(
            f"{path}: PandaSet's pickled layout (.pkl.gz) needs pandas: pip install pandas"
        ) from error
    try:
        return pandas.read_pickle(path)
    except Exception as error:  # A pickle raises whatever its content raises.
        raise InputError(f"{path}: not a readable pickle: {error!r}") from error


def read_classes(root: Path, index: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Semantic class and lidar (N,) of each point of a sweep, in the order of `read_sweep`.

    Raises InputError naming the file if it has none.
    """
    path = sweep_path(root, index)
    if path.suffix == ".gz":
        classes = _pickle(root / "annotations" / "semseg" / f"{index:02d}.pkl.gz")["class"]
        return np.asarray(classes, np.uint8), np.asarray(_pickle(path)["d"], np.uint8)
    try:
        stream = io.BytesIO(lzma.decompress(path.read_bytes()))
        columns = [np.load(stream) for _ in range(5)]
    except (OSError, lzma.LZMAError, ValueError, EOFError) as error:
        raise InputError(f"{path}: no semantic classes: {error}") from error
    return np.asarray(columns[4], np.uint8), np.asarray(columns[2], np.uint8)
