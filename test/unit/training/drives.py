"""Drives made by hand: boxes of both detectors in odom, of objects whose paths are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_nodes.datatypes import CAR, Detections3D
from perception_nodes.geometry import Transform
from perception_nodes.training.adapt_sweeps import Found

START_NS, STEP_NS = 1_000_000_000_000, 100_000_000


@dataclass
class Thing:
    """A car at `start` (x, y) with a velocity; seen in the frames `seen`, by the network with `existence`."""

    start: tuple[float, float]
    velocity: tuple[float, float] = (0.0, 0.0)
    existence: float = 0.95
    seen: tuple[int, ...] = tuple(range(20))
    learned: bool = True
    label: int = CAR

    def at(self, frame: int) -> np.ndarray:
        return np.array([*(np.array(self.start) + 0.1 * frame * np.array(self.velocity)), 0.8])


def found(things: list[Thing], frame: int, rng: np.random.Generator, noise_m: float = 0.1) -> Found:
    """What both detectors say of one frame; the learned boxes first."""
    here = [t for t in things if frame in t.seen and t.learned] + [
        t for t in things if frame in t.seen and not t.learned
    ]
    n = len(here)
    center = np.array([t.at(frame) for t in here]).reshape(-1, 3)
    center[:, :2] += rng.normal(0, noise_m, (n, 2))
    probabilities = np.zeros((n, 11))
    probabilities[np.arange(n), [t.label for t in here]] = 1.0
    learned = np.array([t.learned for t in here], bool)
    existence = np.array([t.existence if t.learned else 0.0 for t in here])
    boxes = Detections3D.of(
        START_NS + frame * STEP_NS, "odom", "lidar", center, np.tile([4.4, 1.8, 1.5], (n, 1)),
        np.array([np.arctan2(t.velocity[1], t.velocity[0]) for t in here]),
        score=np.array([max(t.existence, 0.4) for t in here]), label=np.array([t.label for t in here], np.uint8),
        class_probabilities=probabilities, num_points=np.full(n, 60, np.int32),
        existence_probability=np.where(learned, existence, np.nan), source_mask=np.ones(n, np.uint8),
    )  # fmt: skip
    return Found(boxes, learned, ~learned, existence, Transform.identity())


def drive(things: list[Thing], rng: np.random.Generator, frames: int = 20) -> list[Found]:
    return [found(things, k, rng) for k in range(frames)]
