"""From a recording to the sweeps that `training.adapt` learns from, with their truth where the recording has it."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from perception_nodes.datasets import BagReader
from perception_nodes.datatypes import Detections3D, InputError, Modality
from perception_nodes.datatypes.topics import TRUTH_TOPIC
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.geometry import transform_detections
from perception_nodes.ros.convert import from_msg
from perception_nodes.training.adapt import Drive
from perception_nodes.training.adapt_sweeps import Sweep

from .frames import BagFrames
from .options import RunOptions
from .prepare import PreparedInput, prepare_input
from .progress import RunProgress


def read_drive(options: RunOptions, most: int, console: Console, motion: bool = True) -> Drive:
    """The lidars' sweeps of a recording, at most `most`.

    Raises InputError without a sweep; without ego motion, if `motion` says that it is needed.
    """
    with RunProgress(console) as progress:
        prepared = prepare_input(options, progress)
        if motion and not prepared.has_ego_motion:
            raise InputError(f"{options.input}: no ego motion: boxes of one place cannot be put together")
        progress.stage("reading sweeps")
        sweeps = _sweeps(options, prepared, most, progress)
    if not sweeps:
        raise InputError(f"{options.input}: no sweep could be used")
    rig = prepared.rig
    points = GeometricConfig().with_vehicle(rig.vehicle_lwh_m, rig.base_to_center_m)
    return Drive(options.input.name, sweeps, points, _truth(prepared, sweeps) if prepared.has_truth else None)


def _sweeps(options: RunOptions, prepared: PreparedInput, most: int, progress: RunProgress) -> list[Sweep]:
    rig = replace(prepared.rig, sensors=tuple(prepared.rig.of(Modality.LIDAR)))
    frames = BagFrames(prepared.bag, rig, prepared.tracking_frame, options.start_s, options.duration_s)
    out: list[Sweep] = []
    for _, frame in frames:
        if not len(frame.origins_m):
            continue
        out.append(Sweep(frame.cloud, frame.origins_m, frame.odom_from_base))
        progress.update(len(out), most, f"{len(out)} sweeps")
        if len(out) == most:
            break
    frames.close()
    return out


def _truth(prepared: PreparedInput, sweeps: list[Sweep]) -> list[Detections3D]:
    """True boxes in the base frame of each sweep; a stamp without truth has none."""
    poses = {s.cloud.stamp_ns: s.odom_from_base for s in sweeps}
    found: dict[int, Detections3D] = {}
    with BagReader(prepared.bag) as reader:
        for stamp_ns, message in _decoded(reader):
            if stamp_ns in poses:
                base_from_odom = poses[stamp_ns].inverse()
                found[stamp_ns] = transform_detections(message, prepared.rig.base_frame, base_from_odom)
    base = prepared.rig.base_frame
    return [found.get(s.cloud.stamp_ns, Detections3D.empty(s.cloud.stamp_ns, base, "truth")) for s in sweeps]


def _decoded(reader: BagReader) -> list[tuple[int, Detections3D]]:
    boxes = [from_msg.detections_3d(m) for _, m in reader.readable(TRUTH_TOPIC)]
    return [(b.stamp_ns, b) for b in boxes]
