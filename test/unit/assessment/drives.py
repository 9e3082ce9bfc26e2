"""Small drives of cars in a row, written in the formats that are read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

STEP_NS = 100_000_000
FRAMES = 40


def rows(shift_m: float = 0.0, skip: float = 0.0, seed: int = 1, scored: bool = True) -> list[dict[str, Any]]:
    """Four cars at rest in 40 frames; `skip` of the boxes are missing, the others are shifted."""
    rng = np.random.default_rng(seed)
    out = []
    for k in range(FRAMES):
        for i in range(4):
            if rng.random() < skip:
                continue
            row: dict[str, Any] = {"stamp_ns": k * STEP_NS, "frame_id": "odom", "source": "tracker", "id": i}
            row |= {"label": "car", "x": 10.0 * i + shift_m, "y": 5.0, "z": 0.8, "l": 4.5, "w": 1.9, "h": 1.6}
            row |= {"yaw": 0.0, "vx": 0.0, "vy": 0.0}
            out.append(
                row | ({"score": round(float(rng.uniform(0.5, 1.0)), 3)} if scored else {"num_points": 90})
            )
    return out


def write_jsonl(path: Path, content: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in content))
    return path


def write_csv(path: Path, content: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(content[0]))
        writer.writeheader()
        writer.writerows(content)
    return path


def drive(folder: Path, shift_m: float = 0.1, skip: float = 0.1, seed: int = 1) -> tuple[Path, Path]:
    """(predictions, truth) as JSON lines."""
    truth = write_jsonl(folder / "truth.jsonl", rows(scored=False))
    return write_jsonl(folder / f"boxes_{seed}_{skip}.jsonl", rows(shift_m, skip, seed)), truth
