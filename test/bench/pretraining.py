"""Whether pre-training helps: AP on held-out simulated streets after so many steps of either stage; no test.

    python test/bench/pretraining.py --folder DATA --pretrain 300 --steps 500
    python test/bench/pretraining.py --folder DATA --steps 800

The smallest network, batches of 4, 28 streets of the default rig (8 frames each), 16 others held out.
`--labelled 4` takes only four of the streets for the supervised stage.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from rich.console import Console

from perception_nodes.datasets.rigs import known_rig
from perception_nodes.detection.raster import RasterConfig
from perception_nodes.networks.bev import BevDetector
from perception_nodes.simulation.iterator import Drives
from perception_nodes.training.config import TrainConfig
from perception_nodes.training.detector import of_network
from perception_nodes.training.loader import Samples
from perception_nodes.training.loop import Job, Place, State, train
from perception_nodes.training.pretrain import Ground, Pretraining, pretrain
from perception_nodes.training.score import score_store
from perception_nodes.training.simulate import HELD_OUT_SEED, SHARD, TRAIN_SEED, make_all, shards
from perception_nodes.training.store import JoinedStore

STREETS, HELD_OUT = 28, 16
PLACE, RASTER = Place(torch.device("cpu")), RasterConfig()


def stores(folder: Path) -> tuple[JoinedStore, JoinedStore]:
    """Frames to train on and frames that are held out, simulated where they are not there."""
    drives, rig = Drives(frames=8, stride=12), known_rig("default")
    made = [
        make_all(shards((rig,), streets, seed, drives), folder / "data", 0, lambda _: None, lambda _: False)
        for streets, seed in ((STREETS, TRAIN_SEED), (HELD_OUT, HELD_OUT_SEED))
    ]
    return made[0], made[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--pretrain", type=int, default=0)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--labelled", type=int, default=STREETS)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    frames, held_out = stores(asked.folder)
    config = TrainConfig(
        size="tiny", steps=asked.steps, batch=4, seed=asked.seed, workers=0, evaluate_every=max(1, asked.steps // 2)
    )  # fmt: skip
    state, began = State.fresh(config, PLACE), time.process_time()
    if asked.pretrain:
        folder = asked.folder / f"pretrain_{asked.pretrain}_{asked.seed}"
        ground = Ground(frames, held_out, config, RASTER, folder)
        state.begin_with(pretrain(Pretraining(asked.pretrain), ground, PLACE))

    def evaluate(model: BevDetector, step: int) -> float:
        scores = score_store(held_out, of_network(model.eval(), RASTER))
        shown = ", ".join(f"{name} {s.ap:.3f} ({s.objects})" for name, s in scores.items())
        print(f"step {step}, {time.process_time() - began:.0f} s of processor time: {shown}", flush=True)
        return 0.0

    labelled = JoinedStore(frames.stores[: asked.labelled // SHARD])
    samples = Samples(labelled, config, RASTER, config.steps * config.batch)
    run = asked.folder / f"run_{asked.pretrain}_{asked.steps}_{asked.labelled}_{asked.seed}"
    run.mkdir(parents=True, exist_ok=True)
    Console().print(f"{asked.pretrain} + {asked.steps} steps, {len(labelled)} labelled frames")
    train(state, Job(samples, config, PLACE, run, labelled.digest, lambda *_: None, evaluate))


if __name__ == "__main__":
    main()
