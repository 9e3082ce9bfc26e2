"""Boxes of the JSON layouts to the tracker's input."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from perception_nodes.datatypes import NUM_LABELS, Detections3D, Tracks, TrackState
from perception_nodes.evaluation import BoxFrame


def to_detections(frame: BoxFrame, frame_id: str) -> Detections3D:
    """Detections with scores 0..1 as their probability of being true; a box without a score says nothing about it."""
    n = len(frame.id)
    probabilities = np.zeros((n, NUM_LABELS))
    probabilities[np.arange(n), frame.label] = 1.0
    known: dict[str, npt.NDArray[Any]] = {
        "label": frame.label.astype(np.uint8),
        "class_probabilities": probabilities,
        "score": frame.score,
        "existence_probability": np.where((frame.score >= 0) & (frame.score <= 1), frame.score, np.nan),
        "velocity_mps": frame.velocity_mps,
        "num_points": np.maximum(frame.num_points, 0).astype(np.int32),
        "detection_id": np.arange(n, dtype=np.uint64),
    }
    return Detections3D.of(
        frame.stamp_ns, frame_id, "detections", frame.center_m, frame.lwh_m, frame.yaw_rad, **known
    )


def tell_rejected(rejected: Counter[str], console: Console) -> None:
    """How many boxes the tracker could not use, by reason; nothing if there are none."""
    if rejected:
        why = ", ".join(f"{reason} {count}" for reason, count in sorted(rejected.items()))
        console.print(
            f"[yellow]warning:[/yellow] {rejected.total()} boxes were not used: {why}", highlight=False
        )


def live(tracks: Tracks) -> Tracks:
    """Those that have not ended in this step."""
    ended = tracks.state == int(TrackState.DELETED)
    return tracks.select(~ended) if ended.any() else tracks


def published(tracks: Tracks) -> Tracks:
    """The tracks to act upon: confirmed and coasting ones."""
    good = (tracks.state == int(TrackState.CONFIRMED)) | (tracks.state == int(TrackState.COASTING))
    return tracks.select(good)
