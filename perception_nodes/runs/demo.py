"""The simulated street as a bag, made once per street."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

import perception_nodes.simulation
from perception_nodes.datasets import TRUTH_TOPIC, message_class
from perception_nodes.datasets.bag_writer import BagWriter, bag_in_the_making
from perception_nodes.datasets.messages import (
    DETECTIONS_3D,
    MAP_ELEMENTS,
    POINT_CLOUD,
    TF,
    frame_info,
    header,
    point_cloud,
    tf_message,
    truth_message,
)
from perception_nodes.datatypes import MapElement, MapElements
from perception_nodes.simulation import SimFrame, Simulation, SimulationConfig

from .progress import RunProgress

CLOUD_TOPIC: Final = "/sensing/lidar/top/points"
MAP_TRUTH_TOPIC: Final = "/truth/map_elements"
KEPT_BAGS: Final = 5
Progress = Callable[[int, int], None]


def demo_bag(seed: int, duration_s: float, console: Console) -> Path:
    """The bag of one street, from the user's cache folder if it was made before by the same code."""
    config = SimulationConfig(seed=seed, duration_s=duration_s)
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perception_nodes" / "demo"
    bag = folder / f"street-{seed}-{_digest(config)}.mcap"
    if bag.is_file():
        bag.touch()
        return bag
    folder.mkdir(parents=True, exist_ok=True)
    with RunProgress(console) as progress:
        progress.stage("simulating the street")
        simulate_to_bag(
            config, bag, lambda done, total: progress.update(done, total, f"{done} of {total} sweeps")
        )
    for old in sorted(folder.glob("street-*.mcap"), key=lambda p: p.stat().st_mtime)[:-KEPT_BAGS]:
        old.unlink(missing_ok=True)
    return bag


def simulate_to_bag(config: SimulationConfig, out: Path, progress: Progress | None = None) -> None:
    """Write a drive at `out`: clouds, tf, true boxes and map elements; log times are the stamps."""
    simulation = Simulation(config)
    with bag_in_the_making(out, "none") as writer:
        writer.declare("/tf_static", TF, latched=True)
        writer.declare(MAP_TRUTH_TOPIC, MAP_ELEMENTS, latched=True)
        poses = simulation.poses()
        pose = next(poses, None)
        first = config.start_ns if pose is None else pose[0]
        mount = (first, "base_link", "top", simulation.base_from_lidar)
        writer.write("/tf_static", tf_message([mount]), TF, first)
        writer.write(MAP_TRUTH_TOPIC, _map_message(simulation.map_truth()), MAP_ELEMENTS, config.start_ns)
        for done, frame in enumerate(simulation.frames(), 1):
            while pose is not None and pose[0] <= frame.cloud.stamp_ns:
                _write_pose(writer, pose)
                pose = next(poses, None)
            _write_frame(writer, frame)
            if progress is not None:
                progress(done, len(simulation))
        for rest in [] if pose is None else [pose, *poses]:
            _write_pose(writer, rest)


def _write_pose(writer: BagWriter, pose: tuple[int, Any]) -> None:
    writer.write("/tf", tf_message([(pose[0], "odom", "base_link", pose[1])]), TF, pose[0])


def _write_frame(writer: BagWriter, frame: SimFrame) -> None:
    cloud, stamp = frame.cloud, frame.cloud.stamp_ns
    columns = {"intensity": cloud.intensity, "ring": cloud.ring, "time": cloud.time_s}
    known = {name: column for name, column in columns.items() if column is not None}
    writer.write(CLOUD_TOPIC, point_cloud(stamp, cloud.frame_id, cloud.xyz_m, known), POINT_CLOUD, stamp)
    writer.write(TRUTH_TOPIC, truth_message(frame.truth), DETECTIONS_3D, stamp)


def _map_message(value: MapElements) -> Any:
    return message_class(MAP_ELEMENTS)(
        header=header(value.stamp_ns, value.frame_id),
        info=frame_info(value.stamp_ns, "truth"),
        valid_rectangle=np.zeros(0, np.float32),
        prior_map_id="",
        elements=[_element(e) for e in value.elements],
    )


def _element(value: MapElement) -> Any:
    return message_class("perception_nodes/msg/MapElement")(
        id=value.id,
        type=int(value.type),
        type_probabilities=value.type_probabilities.astype(np.float32),
        existence_probability=value.existence_probability,
        closed=value.closed,
        points=value.points_m.ravel().astype(np.float32),
        lateral_std=value.lateral_std_m.astype(np.float32),
        confidence=value.confidence.astype(np.float32),
        subtype=value.subtype,
        value=value.value,
        predecessors=np.zeros(0, np.uint64),
        successors=np.zeros(0, np.uint64),
        left=value.left,
        right=value.right,
        source=int(value.source),
        prior_id=value.prior_id,
        change=int(value.change),
        change_probability=value.change_probability,
        age_s=value.age_s,
        time_since_update_s=value.time_since_update_s,
    )


def _digest(config: SimulationConfig) -> str:
    """Of the configuration and of the code that makes the bag."""
    digest = hashlib.sha256(repr(config).encode())
    files: Iterator[Path] = Path(perception_nodes.simulation.__file__).parent.rglob("*.py")
    for path in [*sorted(files), Path(__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
