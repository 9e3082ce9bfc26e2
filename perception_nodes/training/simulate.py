"""Frames from the simulator, in shards on disk: a run that was killed simulates only what is missing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from perception_nodes.datatypes import Rig
from perception_nodes.simulation.iterator import Drives, training_frames

from .config import digest
from .frames import compensated_rig, stored_frames
from .store import Frames, FrameStore, JoinedStore, StoredFrame, write_store

# Streets of a shard: small enough that little is lost with it.
SHARD: Final = 4
# First seeds: a street has one use. Training; what a run holds out; `train second-look`; the table of `adapt`; weather.
TRAIN_SEED, HELD_OUT_SEED = 1_000_000, 1_000
LOOK_SEED, TABLE_SEED, WEATHER_SEED = 3_000_000, 5_000_000, 6_000_000
# Held-out streets of a rig: two to fit on in turn, one to be scored on.
LEAST_HELD_OUT: Final = 3


@dataclass(frozen=True)
class Shard:
    """Some streets of one rig."""

    rig: Rig
    number: int
    first_seed: int
    streets: int
    drives: Drives

    @property
    def about(self) -> dict[str, Any]:
        """What it is made from; equal values give equal frames."""
        return {
            "rig": self.rig.name, "rig_digest": digest(self.rig.to_dict()), "number": self.number,
            "seeds": [self.first_seed, self.streets], "drives": dataclasses.asdict(self.drives),
        }  # fmt: skip

    def folder(self, root: Path) -> Path:
        """Where it lies."""
        return root / f"{self.rig.name}_{self.first_seed}_{digest(self.about)}"


def shards(rigs: Sequence[Rig], streets: int, first_seed: int, drives: Drives, seed: int = 0) -> list[Shard]:
    """`streets` streets of each rig, the rigs in turn, so that any beginning of the list holds all of them."""
    out = []
    for begin in range(0, streets, SHARD):
        for number, rig in enumerate(rigs):
            at = first_seed + 100_000 * number + 10_000_000 * seed + begin
            out.append(Shard(compensated_rig(rig), number, at, min(SHARD, streets - begin), drives))
    return out


def held_out_shards(rigs: Sequence[Rig], streets: int, drives: Drives, first_seed: int) -> list[Shard]:
    """About `streets` streets of all rigs together that are not trained on, at least `LEAST_HELD_OUT` of each."""
    return shards(rigs, max(LEAST_HELD_OUT, streets // len(rigs)), first_seed, drives)


def halves(store: Frames) -> tuple[list[int], list[int]]:
    """Frames of the first half of each rig's streets (of an odd number one more), and those of the others."""
    streets: dict[int, dict[int, list[int]]] = {}
    for index in range(len(store)):
        streets.setdefault(store.rig(index), {}).setdefault(store.street(index), []).append(index)
    first: set[int] = set()
    second: set[int] = set()
    for of_rig in streets.values():
        frames = list(of_rig.values())
        middle = (len(frames) + 1) // 2
        first.update(k for street in frames[:middle] for k in street)
        second.update(k for street in frames[middle:] for k in street)
    return sorted(first), sorted(second)


def make_shard(shard: Shard, root: Path, workers: int, tick: Callable[[int], None]) -> FrameStore:
    """The shard's frames, simulated if they are not there; `tick` is called with the frames that became available."""
    folder = shard.folder(root)
    if _is_made(folder, shard):
        store = FrameStore(folder)
        tick(len(store))
        return store
    seeds = range(shard.first_seed, shard.first_seed + shard.streets)
    frames = training_frames(shard.rig, seeds, drives=shard.drives, workers=workers)

    def counted() -> Iterator[StoredFrame]:
        for frame in stored_frames(frames, shard.rig, shard.number):
            tick(1)
            yield frame

    write_store(folder, counted(), shard.about)
    return FrameStore(folder)


def make_all(
    wanted: Sequence[Shard],
    root: Path,
    workers: int,
    tick: Callable[[int], None],
    enough: Callable[[int], bool],
) -> JoinedStore:
    """Shard after shard, until all are made or `enough(made)` says so; at least one."""
    made: list[FrameStore] = []
    for shard in wanted:
        if made and enough(len(made)):
            break
        made.append(make_shard(shard, root, workers, tick))
    return JoinedStore(made)


def _is_made(folder: Path, shard: Shard) -> bool:
    try:
        about = json.loads((folder / "about.json").read_text())
    except (OSError, ValueError):
        return False
    wanted = json.loads(json.dumps(shard.about))
    return all(about.get(key) == value for key, value in wanted.items())
