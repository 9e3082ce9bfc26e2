"""Weights of the geometric lidar detector from simulated streets: `python -m perception_nodes.training.fit_geometric`.

Every node of the segment tree of every sweep is a sample of a logistic regression for each kind (docs/
lidar_geometric.md). The sign of each weight is fixed by physics: nothing counts for a kind that cannot. No real sweep
takes part. It prints the weights for `detection/classify.py`, and the average precision of the nodes of held-out
streets with these and with the present weights. `score_geometric` tells how the whole detector does on them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from scipy.optimize import minimize

from perception_nodes.datasets import find_rig
from perception_nodes.datatypes import (
    LABEL_INDEX,
    ConfigurationError,
    Detections3D,
    Modality,
    PerceptionError,
    PointCloud,
    Rig,
)
from perception_nodes.detection.classify import KINDS, kind_columns
from perception_nodes.detection.lidar import FittedSweep, GeometricLidarDetector
from perception_nodes.geometry import transform_detections
from perception_nodes.simulation.iterator import Drives, random_drive
from perception_nodes.simulation.scenarios import Scenario, ScriptedActor
from perception_nodes.simulation.simulation import Simulation

from .frames import compensated_rig, points_config

F64 = npt.NDArray[np.float64]
RIGS: Final = ("default", "hdl64", "pandar64", "vlp16")
FIRST_SEED: Final = 7_200_000
STREET: Final = Drives(frames=5, stride=8)
# Which labels are of a kind.
OF_KIND: Final = {
    "car": ("car",), "large": ("truck", "bus", "trailer", "construction_vehicle"), "rider": ("motorcycle", "bicycle"),
    "person": ("pedestrian",),
    "thing": ("traffic_cone", "barrier", "unknown", "motorcycle", "bicycle", "pedestrian"),
}  # fmt: skip
# Decided among things only.
_OF_THINGS: Final = ("rider", "person")
# Put on and beside the carriageway, for streets have few of them.
_PUT: Final = (
    "child", "child", "standing_person", "pedestrian", "pedestrian", "cone", "barrier", "carton", "carton", "bin",
    "trolley", "parked_bicycle", "wayside", "wayside", "wayside",
)  # fmt: skip
# A node is one whole object if it holds nearly all of its points and nearly no others, and none if it misses most of
# them or has many others; in between it is no sample. A vehicle's box must lie on the vehicle too.
_PURE, _WHOLE, _MIXED, _PART = 0.8, 0.7, 0.55, 0.4
_OFF_M: Final = {"car": 1.0, "large": 2.0}
_MIN_POINTS: Final = 4
_PENALTY: Final = 1e-4
# What a missed one costs more than a false one: of people, for whom posts are taken, and of what is rare in streets.
_COUNTS: Final = {"person": 2.0, "rider": 3.0, "large": 2.0}
# Streets hold hardly a car of which a bare rear is all that is seen, and none that is low.
_AT_LEAST: Final = {"car": {"short": -2.0}}
_AT_MOST: Final = {"car": {"flat": -1.7}}
# Columns that speak for a kind.
_FOR: Final = ("dense", "face")


@dataclass(frozen=True, eq=False)
class Samples:
    """The nodes of some sweeps: columns by kind and name; for each kind 1 = it is one, 0 = it is none, -1 = unclear."""

    columns: Mapping[str, Mapping[str, F64]]
    target: Mapping[str, npt.NDArray[np.int8]]


@dataclass(frozen=True, eq=False)
class Sweep:
    """A cloud of N points and its lidar's place (1, 3) in the base frame, and the actors in `truth`.

    owner (N,): id of the actor of each point, 0 = none.
    """

    cloud: PointCloud
    origin_m: F64
    owner: npt.NDArray[Any]
    truth: Detections3D


def is_held_out(seed: int, first_seed: int) -> bool:
    """Every fourth street."""
    return (seed - first_seed) % 4 == 3


def sweeps(rig: Rig, seeds: Sequence[int], drives: Drives) -> Iterator[Sweep]:
    """Those of one street a seed, first lidar of the rig; without streets in which a thing has no room."""
    rig = compensated_rig(rig)
    lidar = rig.of(Modality.LIDAR)[0]
    for seed in seeds:
        try:
            simulation = Simulation(_street(seed, drives), rig, seed, sensors=[lidar.name])
        except ConfigurationError:
            continue  # what is put there stands in somebody else
        mount = simulation.mounts[lidar.name]
        for _ in range(drives.frames):
            for _ in range(drives.stride - 1):
                simulation.skip()
            frame = simulation.tick()
            sweep = frame.lidars[lidar.name]
            cloud = replace(
                sweep.cloud,
                frame_id="base_link",
                xyz_m=np.ascontiguousarray(mount.apply(sweep.cloud.xyz_m), np.float32),
            )
            truth = transform_detections(frame.truth, rig.base_frame, frame.odom_from_base.inverse())
            owner = np.append(frame.states.id, [0, 0])[sweep.owner]
            yield Sweep(cloud, mount.translation_m[None], owner, truth)


def samples(rig: Rig, seeds: Sequence[int], drives: Drives) -> Iterator[Samples]:
    """Of each of the `sweeps`."""
    detector = GeometricLidarDetector(points_config(compensated_rig(rig)))
    for sweep in sweeps(rig, seeds, drives):
        yield labelled(detector.fit(sweep.cloud, sweep.origin_m), sweep.owner, sweep.truth)


def labelled(fitted: FittedSweep, owner: npt.NDArray[Any], truth: Detections3D) -> Samples:
    """The nodes of a sweep with what they are; owner (N,): id of the actor of each point of the cloud, 0 = none."""
    row, pure, whole = _shares(fitted, owner, truth)
    boxes = fitted.boxes
    label = np.append(truth.label, 255)[row]
    center = np.append(truth.center_m[:, :2], [[np.inf, np.inf]], axis=0)[row]
    off = np.hypot(center[:, 0] - boxes["x"], center[:, 1] - boxes["y"])
    # What stands alone and small is a thing, whether it has an id or not; a post as tall as a man is no person.
    possible = KINDS["thing"].possible(boxes)
    alone = (row < 0) & possible & (boxes["small_length"] < 1.5) & (boxes["small_attached"] == 0)
    low = alone & (boxes["top"] < 1.5)
    target = {}
    for kind, names in OF_KIND.items():
        same = np.isin(label, [LABEL_INDEX[n] for n in names])
        good = same & (pure > _PURE) & (whole > _WHOLE) & (off < _OFF_M.get(kind, np.inf))
        bad = ~same | (pure < _MIXED) | (whole < _PART)
        unclear = (~good & ~bad) | (boxes["points"] < _MIN_POINTS) | (low if kind == "thing" else False)
        target[kind] = np.where(unclear, -1, good).astype(np.int8)
    for kind in _OF_THINGS:
        target[kind] = np.where((target["thing"] == 1) | alone, target[kind], -1).astype(np.int8)
    return Samples({kind: kind_columns(kind, boxes) for kind in KINDS}, target)


def _shares(fitted: FittedSweep, owner: npt.NDArray[Any], truth: Detections3D) -> tuple[Any, F64, F64]:
    """Of each node: true box that most of its points are of (row, -1: none), their share of it and of the box's."""
    tree = fitted.tree
    number = {int(k): row for row, k in enumerate(truth.detection_id)}
    row_of = np.array([number.get(int(k), -1) for k in owner[fitted.kept][tree.order]], np.int64)
    raised = np.bincount(row_of + 1, minlength=len(truth) + 1)[1:]
    row, pure, whole = np.full(len(tree), -1), np.zeros(len(tree)), np.zeros(len(tree))
    for k, (first, last) in enumerate(tree.cell_start[tree.node]):
        counts = np.bincount(row_of[first:last] + 1, minlength=2)
        best = int(counts[1:].argmax())
        if counts[1 + best]:
            row[k], pure[k] = best, counts[1 + best] / (last - first)
            whole[k] = counts[1 + best] / raised[best]
    return row, pure, whole


def fit_weights(kind: str, columns: Mapping[str, F64], target: npt.NDArray[Any]) -> dict[str, float]:
    """Bias and weight of each column: those `_FOR` at least 0, all others at most 0; least penalised logistic loss."""
    names = list(columns)
    x = np.column_stack([np.ones(len(target)), *columns.values()])
    count = np.where(target == 1, _COUNTS.get(kind, 1.0), 1.0)
    count /= count.sum()

    def loss(b: F64) -> tuple[float, F64]:
        z = np.clip(x @ b, -30, 30)
        off = count * (1 / (1 + np.exp(-z)) - target)
        value = count @ (np.logaddexp(0, z) - target * z) + 0.5 * _PENALTY * (b[1:] ** 2).sum()
        return float(value), x.T @ off + _PENALTY * np.append(0.0, b[1:])

    least, most = _AT_LEAST.get(kind, {}), _AT_MOST.get(kind, {})
    bounds = [(0.0, None) if n in _FOR else (least.get(n), most.get(n, 0.0)) for n in names]
    b = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", bounds=[(None, None), *bounds]).x
    return dict(zip(["bias", *names], b.tolist(), strict=True))


def average_precision(weights: Mapping[str, float], columns: Mapping[str, F64], target: Any) -> float:
    """Of nodes in the order of the weighted columns."""
    z = sum((weights.get(n, 0.0) * c for n, c in columns.items()), np.zeros(len(target)))
    good = target[np.argsort(-z, kind="stable")]
    precision = np.cumsum(good) / np.arange(1, len(good) + 1)
    return float((precision * good).sum() / max(good.sum(), 1))


def _street(seed: int, drives: Drives) -> Scenario:
    rng = np.random.default_rng([seed, 77])
    actors = []
    for k in range(int(rng.integers(4, 14))):
        kind, side = str(rng.choice(_PUT)), float(rng.uniform(1.3, 6.5) * rng.choice([-1, 1]))
        place = (float(rng.uniform(8, 70)), side)
        actors.append(ScriptedActor(f"thing_{k}", kind, (place,), yaw_rad=float(rng.uniform(-3, 3))))
    return replace(random_drive(seed, drives), actors=tuple(actors))


def _joined(parts: Sequence[Samples], kind: str) -> tuple[dict[str, F64], Any]:
    target = np.concatenate([p.target[kind] for p in parts])
    possible = np.concatenate([p.columns[kind]["possible"] for p in parts]) > 0
    used = possible & (target >= 0)
    names = [n for n in parts[0].columns[kind] if n != "possible"]
    return {n: np.concatenate([p.columns[kind][n] for p in parts])[used] for n in names}, target[used]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit every kind and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streets", type=int, default=40, help="of each rig; every fourth is held out")
    parser.add_argument("--rigs", nargs="+", default=list(RIGS))
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    given = parser.parse_args(arguments)
    console, drives = Console(), STREET
    fitted: list[Samples] = []
    held_out: list[Samples] = []
    try:
        for name in given.rigs:
            for seed in track(
                range(given.first_seed, given.first_seed + given.streets), name, console=console
            ):
                to = held_out if is_held_out(seed, given.first_seed) else fitted
                to += samples(find_rig(name), [seed], drives)
    except PerceptionError as error:
        console.print(f"{type(error).__name__}: {error}", style="red", highlight=False)
        return 2
    if not fitted:
        console.print(f"--streets {given.streets}: no sweep to fit on: wanted more", style="red")
        return 2
    asked = given.streets * len(given.rigs) * drives.frames
    used = f"{len(fitted)} sweeps to fit, {len(held_out)} held out"
    console.print(f"{used}, of {asked}: streets in which a thing has no room are left out", highlight=False)
    for kind, now in KINDS.items():
        columns, target = _joined(fitted, kind)
        weights = fit_weights(kind, columns, target)
        rounded = ", ".join(f'"{n}": {w:.2f}' for n, w in weights.items())
        console.print(f"{kind}: {int(target.sum())} of {len(target)} nodes", highlight=False)
        console.print(f"  {rounded}", highlight=False, soft_wrap=True)
        if held_out:
            columns, target = _joined(held_out, kind)
            ap = [average_precision(w, columns, target) for w in (weights, now.weights)]
            console.print(
                f"  held out: AP {ap[0]:.3f}, with the present weights {ap[1]:.3f}", highlight=False
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
