"""Drawn KITTI sequences: cars that drive ahead of the camera, as csv detections and as labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

CSV_TYPE = {"Pedestrian": 1, "Car": 2, "Cyclist": 3}


def csv_line(frame: int, x: float, z: float, score: float, label: str = "Car") -> str:
    """A box 4 x 1.6 x 1.5 m that looks along z, at (x, 1.6, z); the image box is not read."""
    return f"{frame},{CSV_TYPE[label]},0,0,9,9,{score},1.5,1.6,4.0,{x},1.6,{z},-1.57,0.0"


def label_line(frame: int, number: int, x: float, z: float) -> str:
    """The same box as a label that is seen well."""
    return f"{frame} {number} Car 0 0 -1.5 500 150 600 250 1.5 1.6 4.0 {x} 1.6 {z} -1.57"


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    """Two sequences of 30 frames: a car 20 m ahead, seen but in frames 12-13, and another that is a false alarm."""
    rng = np.random.default_rng(3)
    for name in ("0002", "0003"):
        lines, labels = [], []
        for k in range(30):
            z = 20 + 0.2 * k
            labels.append(label_line(k, 7, 1.0, z))
            if k not in (12, 13):
                lines.append(csv_line(k, 1.0 + rng.normal(0, 0.05), z + rng.normal(0, 0.05), 6.0))
        lines.append(csv_line(20, -8.0, 30.0, 1.0))
        for folder, text in (("det3d_Car", lines), ("label_02", labels)):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{name}.txt").write_text("\n".join(text) + "\n")
    return tmp_path
