"""What is trained and how; a run folder keeps it, and a resumed run must be given the same."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from perception_nodes.datatypes import ConfigurationError, check_ranges, param

# Settings with an option of their own on the command line.
_OPTIONS: Final = ("size", "steps", "batch", "seed", "workers", "patience")
# How often is looked, not what is learned.
_LOOKS: Final = ("checkpoint_every", "evaluate_every")


@dataclass(frozen=True)
class AugmentConfig:
    """How a frame is changed before it is shown; shares are of the frames."""

    flip: float = param(0.5, "share mirrored left to right; as many front to back", low=0.0, high=1.0)
    turn_rad: float = param(0.8, "largest turn about the vehicle", low=0.0, high=3.2)
    scale: float = param(0.05, "largest relative change of all lengths", low=0.0, high=0.3)
    shift_m: float = param(1.0, "largest shift of the base frame", low=0.0, high=5.0)
    object_scale: float = param(0.1, "largest relative change of one object's sides", low=0.0, high=0.3)
    object_share: float = param(0.5, "share of the objects that are changed", low=0.0, high=1.0)
    paste: int = param(6, "most objects of other frames put into one", low=0, high=50)
    clutter: int = param(20, "most groups of bushes, trees, fences, posts put into a frame", low=0, high=100)
    mounds: int = param(4, "most mounds and banks put into a frame", low=0, high=100)
    drop_beams: float = param(
        0.4, "share with fewer beams: every second or third, or some at random", low=0.0
    )
    blocked: float = param(0.1, "share that sees nothing in a sector", low=0.0, high=1.0)
    drop_points: float = param(0.3, "share that loses up to half of its points", low=0.0, high=1.0)
    range_std_m: float = param(0.03, "greatest extra range noise", low=0.0, high=0.5)
    tilt_rad: float = param(0.004, "spread of the error of the ground's slope", low=0.0, high=0.1)
    height_m: float = param(0.03, "spread of the error of the ground's height", low=0.0, high=0.5)
    no_intensity: float = param(0.35, "share without intensity", low=0.0, high=1.0)
    scramble: float = param(0.5, "share with intensities bent and noisy", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the parts of the loss."""

    heat: float = param(1.0, "of the classes' heatmaps", low=0.0)
    offset: float = param(1.0, "of the centre, m", low=0.0)
    z: float = param(1.0, "of the height of the centre, m", low=0.0)
    size: float = param(1.5, "of the log sizes", low=0.0)
    heading: float = param(1.0, "of twice the yaw, as cosine and sine", low=0.0)
    direction: float = param(1.0, "of the front", low=0.0)
    velocity: float = param(0.01, "of the velocity, m/s", low=0.0)
    quality: float = param(0.5, "of the overlap", low=0.0)
    spread: float = param(0.1, "of the spreads (Gaussian likelihood)", low=0.0)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class TrainConfig:
    """One training run. Steps and not minutes decide: the same values give the same weights on the same machine."""

    size: str = param("small", "network: tiny, small or base")
    steps: int = param(5000, "optimiser steps", low=0)
    batch: int = param(8, "frames of a step, over all processes", low=1, high=1024)
    learning_rate: float = param(3e-3, "highest learning rate", low=0.0, high=1.0)
    weight_decay: float = param(0.01, "of AdamW", low=0.0, high=1.0)
    warm_up: float = param(0.08, "share of the steps until the highest learning rate", low=0.0, high=1.0)
    clip_norm: float = param(10.0, "gradients are shortened to this norm", low=0.0)
    average: float = param(
        0.998, "decay of the running mean of the weights, which is what is kept", low=0.0, high=1.0
    )
    seed: int = param(0, "of weights, order and augmentation", low=0)
    workers: int = param(1, "processes that prepare frames (0: this one)", low=0, high=256)
    checkpoint_every: int = param(100, "steps between checkpoints", low=1)
    evaluate_every: int = param(1000, "steps between scores on held-out streets", low=1)
    patience: int = param(0, "stop after so many scores without a better one; 0: never", low=0)
    min_points: int = param(3, "objects with fewer points are neither asked for nor forbidden", low=1)
    augment: AugmentConfig = dataclasses.field(default=AugmentConfig(), metadata={"help": "augmentation"})
    loss: LossConfig = dataclasses.field(default=LossConfig(), metadata={"help": "loss"})

    def __post_init__(self) -> None:
        check_ranges(self)


def fine_tuning(config: TrainConfig) -> TrainConfig:
    """The same run for weights that know much already: a third of the learning rate, and there sooner."""
    return dataclasses.replace(config, learning_rate=1e-3, warm_up=0.03)


def flat(value: Mapping[str, Any]) -> dict[str, Any]:
    """`{loss: {heat: 1}}` as `{loss.heat: 1}`."""
    out: dict[str, Any] = {}
    for name, inner in value.items():
        out |= (
            {f"{name}.{k}": v for k, v in flat(inner).items()}
            if isinstance(inner, Mapping)
            else {name: inner}
        )
    return out


def with_settings(config: TrainConfig, given: Sequence[str]) -> TrainConfig:
    """The configuration with settings such as `loss.direction:=0.6`.

    Raises ConfigurationError for one that is not known, has an option of its own, or a value of another kind or range.
    """
    known = {k: v for k, v in flat(dataclasses.asdict(config)).items() if k not in _OPTIONS}
    for setting in given:
        name, _, text = setting.partition(":=")
        if name not in known:
            raise ConfigurationError(
                f"--set {setting}: wanted name:=value, the name one of {', '.join(known)}"
            )
        kind = type(known[name])
        try:
            value = kind(text)
            finite = math.isfinite(value)
        except (ValueError, OverflowError):
            finite = False
        if not finite:
            raise ConfigurationError(f"--set {setting}: wanted a {'whole ' if kind is int else ''}number")
        part, _, key = name.rpartition(".")
        inner = {part: dataclasses.replace(getattr(config, part), **{key: value})} if part else {key: value}
        config = dataclasses.replace(config, **inner)
    return config


def unusual(config: TrainConfig) -> str:
    """The settings without an option of their own that are learned with and are not the defaults, for the eye."""
    usual, now = (flat(dataclasses.asdict(c)) for c in (TrainConfig(), config))
    told = (*_OPTIONS, *_LOOKS)
    return ", ".join(f"{k} {v:g}" for k, v in now.items() if v != usual[k] and k not in told)


def file_digest(path: Path | None) -> str:
    """First 16 hex digits of the SHA-256 of a file, empty for none."""
    return "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def digest(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of a plain value or a dataclass."""
    plain = (
        dataclasses.asdict(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type)
        else value
    )
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
