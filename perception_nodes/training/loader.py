"""Batches: sample number k of a run is the same whoever prepares it, so that a run can go on from any step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from perception_nodes.datatypes import LABEL_INDEX
from perception_nodes.detection.raster import RasterConfig, rasterize

from .augment import PastedObject, augment
from .config import TrainConfig
from .kernels import count_points, owners
from .store import Frames
from .targets import make_targets

# How often a class is pasted, against its own share: what is rare in streets must not be rare in training.
_PASTED: Final = {
    "car": 0.18, "pedestrian": 0.16, "bicycle": 0.2, "motorcycle": 0.2, "truck": 0.09, "bus": 0.09, "trailer": 0.02,
    "construction_vehicle": 0.02, "traffic_cone": 0.02, "barrier": 0.02,
}  # fmt: skip
_LEAST_PASTED = 8
Rng = np.random.Generator


class Samples(Dataset[dict[str, Any]]):
    """Sample k: a frame of the epoch's order, augmented by a generator of its own."""

    def __init__(self, store: Frames, config: TrainConfig, raster: RasterConfig, length: int) -> None:
        self._store, self._config, self._raster, self._length = store, config, raster, length
        self._objects = _objects(store)
        self._order: tuple[int, npt.NDArray[np.int64]] = (-1, np.zeros(0, np.int64))

    def __len__(self) -> int:
        return self._length

    def frame_of(self, sample: int) -> int:
        """Which frame sample number `sample` is: every epoch has an order of its own."""
        epoch, place = divmod(sample, len(self._store))
        if self._order[0] != epoch:
            order = np.random.default_rng([self._config.seed, 1, epoch]).permutation(len(self._store))
            self._order = (epoch, order)
        return int(self._order[1][place])

    def __getitem__(self, sample: int) -> dict[str, Any]:
        rng = np.random.default_rng([self._config.seed, 2, sample])
        frame = augment(self._store[self.frame_of(sample)], self._config.augment, rng, self._donate)
        counts = count_points(frame.points.xyh_m, frame.boxes)
        grid = (self._raster.cells // 2, 2 * self._raster.cell_m)
        targets = make_targets(frame.boxes, counts, grid, self._config.min_points)
        raster = torch.from_numpy(rasterize(frame.points, self._raster)).to(torch.bfloat16)
        return {
            "raster": raster, "heat": torch.from_numpy(targets.heat), "cell": torch.from_numpy(targets.cell),
            "values": torch.from_numpy(targets.values), "weight": torch.from_numpy(targets.weight),
        }  # fmt: skip

    def _donate(self, rig: int, rng: Rng) -> PastedObject | None:
        """An object of another frame of the same rig, the class drawn first."""
        names = [n for n in _PASTED if len(self._objects.get((rig, LABEL_INDEX[n]), ()))]
        if not names:
            return None
        share = np.array([_PASTED[n] for n in names])
        pool = self._objects[rig, LABEL_INDEX[str(rng.choice(names, p=share / share.sum()))]]
        index, row = pool[rng.integers(len(pool))]
        frame = self._store[int(index)]
        box = frame.boxes[row : row + 1]
        inside = owners(frame.points.xyh_m, box["center_m"], box["lwh_m"], box["yaw_rad"], 0.1) >= 0
        points = frame.points
        return PastedObject(
            points.xyh_m[inside], points.rank[inside], frame.ring[inside], box, frame.origin_m
        )


def batches(
    samples: Samples, config: TrainConfig, first_step: int, rank: int = 0, world: int = 1
) -> Iterator[Any]:
    """Batches from step `first_step` on; of several processes each takes its share of every batch."""
    share = config.batch // world
    numbers = [
        range(step * config.batch + rank * share, step * config.batch + (rank + 1) * share)
        for step in range(first_step, config.steps)
    ]
    loader: Any = DataLoader(
        samples, batch_sampler=[list(n) for n in numbers], num_workers=config.workers,
        prefetch_factor=4 if config.workers else None,
        worker_init_fn=_single_thread if config.workers else None,
    )  # fmt: skip
    return iter(loader)


def _single_thread(_: int) -> None:
    torch.set_num_threads(1)


def _objects(store: Frames) -> dict[tuple[int, int], npt.NDArray[np.int64]]:
    """(rig, label) -> (K, 2) frame and row of each object with enough points to be pasted."""
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for index in range(len(store)):
        boxes = store.boxes(index)
        for row in np.flatnonzero(boxes["num_points"] >= _LEAST_PASTED).tolist():
            found.setdefault((store.rig(index), int(boxes["label"][row])), []).append((index, row))
    return {key: np.array(rows, np.int64) for key, rows in found.items()}
