"""Recorded detections of real drives, where the shared data is there."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS, Detections3D, TrackState
from perception_nodes.geometry import Transform, wrap_angle
from perception_nodes.tracking import MultiObjectTracker, TrackerConfig

CAR = LABEL_INDEX["car"]


def frames(path) -> list[Detections3D]:
    """KITTI camera axes (x right, y down, z ahead, y of the underside) to REP-103; there is no odometry."""
    rows = np.loadtxt(path, delimiter=",", ndmin=2)
    out = []
    for k in range(int(rows[:, 0].max()) + 1):
        h, w, length, x, y, z, ry = rows[rows[:, 0] == k][:, 7:14].T
        n = len(x)
        probabilities = np.zeros((n, NUM_LABELS))
        probabilities[:, CAR] = 1.0
        score = rows[rows[:, 0] == k][:, 6]
        out.append(
            Detections3D.of(
                (k + 1) * 100_000_000, "base_link", "lidar",
                np.column_stack([z, -x, h / 2 - y]), np.column_stack([length, w, h]), wrap_angle(-ry - np.pi / 2),
                label=np.full(n, CAR, np.uint8), class_probabilities=probabilities, score=score,
                existence_probability=1 / (1 + np.exp(1.6 - 0.8 * score)),
                orientation=np.full(n, 2, np.uint8), source_mask=np.ones(n, np.uint8),
            )
        )  # fmt: skip
    return out


def truth(path) -> dict[int, list[tuple[int, float, float]]]:
    """Frame -> (id, x ahead, y left) of cars that are not hidden."""
    out: dict[int, list[tuple[int, float, float]]] = {}
    for words in (line.split() for line in path.read_text().splitlines()):
        if words[2] == "Car" and int(words[4]) == 0:
            out.setdefault(int(words[0]), []).append((int(words[1]), float(words[15]), -float(words[13])))
    return out


@pytest.mark.parametrize(("sequence", "switches", "recall"), [("0007", 2, 0.95), ("0005", 2, 0.8)])
def test_kitti_cars_keep_their_ids(shared_data, sequence, switches, recall):
    folder = shared_data / "kitti_tracking"
    tracker = MultiObjectTracker(TrackerConfig(fov_half_angle_rad=0.8))
    boxes = truth(folder / "label_02" / f"{sequence}.txt")
    last: dict[int, int] = {}
    changed = found = total = 0
    for k, detections in enumerate(frames(folder / "det3d_pointrcnn_Car" / f"{sequence}.txt")):
        out = tracker.step(detections, Transform.identity())
        out = out.select((out.state == TrackState.CONFIRMED) | (out.state == TrackState.COASTING))
        for i, x, y in boxes.get(k, []):
            total += 1
            distance = np.linalg.norm(out.center_m[:, :2] - (x, y), axis=1)
            if len(distance) and distance.min() < 1.5:
                found += 1
                now = int(out.id[distance.argmin()])
                changed += i in last and last[i] != now
                last[i] = now
    print(f"{sequence}: {changed} id switches, recall {found / total:.3f} of {total}")
    assert changed <= switches
    assert found / total >= recall
