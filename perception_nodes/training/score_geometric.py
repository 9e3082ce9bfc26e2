"""The geometric detector on streets that are held out: `python -m perception_nodes.training.score_geometric`.

They are those of `fit_geometric`. Asked for are objects of at least 5 points within 40 m. Recall: a box of the kind
with a score of 0.3 within 1 m (cars 2 m, large vehicles 3 m) of its middle; reported: such a box of any class; false:
boxes of the kind with nothing of it there.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table

from perception_nodes.datasets import find_rig
from perception_nodes.datatypes import LABEL_INDEX, Detections3D, PerceptionError
from perception_nodes.detection.lidar import GeometricLidarDetector

from .fit_geometric import FIRST_SEED, OF_KIND, RIGS, STREET, is_held_out, sweeps
from .frames import compensated_rig, points_config

_MIN_POINTS: Final = 5
_RANGE_M: Final = 40.0
_SCORE: Final = 0.3
_NEAR_M: Final = {"car": 2.0, "large": 3.0}
_CHILD_M: Final = 1.4
_ROWS: Final = {**{k: OF_KIND[k] for k in ("car", "large", "person", "rider")},
                "other": ("traffic_cone", "barrier", "unknown")}  # fmt: skip


def tally(truth: Detections3D, found: Detections3D) -> Counter[tuple[str, str]]:
    """Of one sweep: how many of each kind (and `child`) there are, are found, are reported, and how many are false."""
    out: Counter[tuple[str, str]] = Counter()
    near = np.hypot(*truth.center_m[:, :2].T) < _RANGE_M
    sure = (found.score >= _SCORE) & (np.hypot(*found.center_m[:, :2].T) < _RANGE_M)
    apart = np.hypot(*(truth.center_m[:, None, :2] - found.center_m[None, :, :2]).transpose(2, 0, 1))
    for kind, names in _ROWS.items():
        limit = _NEAR_M.get(kind, 1.0)
        true, ours = _of(truth, names), sure & _of(found, names)
        asked = true & near & (truth.num_points >= _MIN_POINTS)
        hit = (apart[:, ours] < limit).any(axis=1)
        told = (apart[:, sure] < limit).any(axis=1)
        parts = {kind: asked}
        if kind == "person":
            parts["child"] = asked & (truth.lwh_m[:, 2] < _CHILD_M)
        for name, rows in parts.items():
            out[name, "asked"] += int(rows.sum())
            out[name, "found"] += int((rows & hit).sum())
            out[name, "reported"] += int((rows & told).sum())
        out[kind, "false"] += int((~(apart[true] < limit).any(axis=0) & ours).sum())
    return out


def table_of(counts: Counter[tuple[str, str]], count: int) -> Table:
    """Of the sums over `count` sweeps."""
    table = Table("kind", "there", "recall", "reported", "false a sweep", title=f"{count} sweeps")
    for kind in (*_ROWS, "child"):
        there = max(counts[kind, "asked"], 1)
        shares = [f"{counts[kind, what] / there:.3f}" for what in ("found", "reported")]
        false = f"{counts[kind, 'false'] / max(count, 1):.2f}" if kind in _ROWS else ""
        table.add_row(kind, str(counts[kind, "asked"]), *shares, false)
    return table


def _of(boxes: Detections3D, names: Sequence[str]) -> npt.NDArray[Any]:
    return np.isin(boxes.label, [LABEL_INDEX[n] for n in names])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--streets", type=int, default=40, help="of each rig, as of fit_geometric; a fourth is used"
    )
    parser.add_argument("--rigs", nargs="+", default=list(RIGS))
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    given = parser.parse_args(arguments)
    console = Console()
    seeds = range(given.first_seed, given.first_seed + given.streets)
    counts: Counter[tuple[str, str]] = Counter()
    count = 0
    try:
        for name in given.rigs:
            rig = find_rig(name)
            detector = GeometricLidarDetector(points_config(compensated_rig(rig)))
            held_out = [seed for seed in seeds if is_held_out(seed, given.first_seed)]
            for seed in track(held_out, name, console=console):
                for sweep in sweeps(rig, [seed], STREET):
                    counts += tally(sweep.truth, detector.detect(sweep.cloud, sweep.origin_m).detections)
                    count += 1
    except PerceptionError as error:
        console.print(f"{type(error).__name__}: {error}", style="red", highlight=False)
        return 2
    if not count:
        console.print(
            f"--streets {given.streets}: no held-out street in it (every fourth): wanted more", style="red"
        )
        return 2
    console.print(table_of(counts, count))
    return 0


if __name__ == "__main__":
    sys.exit(main())
