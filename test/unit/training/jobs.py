"""A small training run; `python jobs.py FRAMES FOLDER` is one in a process of its own, also under torchrun."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from perception_nodes.detection.raster import RasterConfig
from perception_nodes.training import loop
from perception_nodes.training.config import TrainConfig
from perception_nodes.training.loader import Samples
from perception_nodes.training.store import FrameStore

RASTER = RasterConfig(cell_m=0.8, cells=64)
CONFIG = TrainConfig(
    size="tiny", steps=6, batch=2, workers=0, checkpoint_every=2, evaluate_every=3, learning_rate=5e-3
)
LONGER = TrainConfig(
    size="tiny", steps=8, batch=2, workers=0, checkpoint_every=1, evaluate_every=8, learning_rate=5e-3
)


def run(
    frames: FrameStore,
    folder: Path,
    config: TrainConfig = CONFIG,
    stop: int = 0,
    place: loop.Place | None = None,
) -> loop.State:
    """Train into `folder` from what is there; `stop`: break off, as a kill would, in that step."""
    folder.mkdir(exist_ok=True)
    place = place or loop.Place(torch.device("cpu"))
    state = loop.State.fresh(config, place)
    if (folder / loop.CHECKPOINT).is_file():
        state.load(folder / loop.CHECKPOINT, config, frames.digest)

    def evaluate(model: object, step: int) -> float:
        if stop and step >= stop:
            raise KeyboardInterrupt
        # Of several processes the first one is to be believed by all.
        return float(step) if place.is_first else -1.0

    samples = Samples(frames, config, RASTER, config.steps * config.batch)
    loop.train(state, loop.Job(samples, config, place, folder, frames.digest, lambda *_: None, evaluate))
    return state


def main() -> None:
    torch.set_num_threads(1)
    frames, folder = FrameStore(Path(sys.argv[1])), Path(sys.argv[2])
    place = loop.find_place()
    state = run(frames, folder, CONFIG if place.world > 1 else LONGER, place=place)
    total = sum(float(v.double().abs().sum()) for v in state.model.parameters())
    (folder / f"rank{place.rank}.json").write_text(json.dumps([place.world, total, state.best]))
    if place.world > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
