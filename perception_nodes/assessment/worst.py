"""The frames that went worst, as what a picture from above shows."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from perception_nodes.datatypes import LABELS, PerceptionError
from perception_nodes.evaluation import BoxFrame, EvaluationConfig, Paired
from perception_nodes.evaluation.run import class_frames, similarities
from perception_nodes.evaluation.tracking import clear_frames
from perception_nodes.reporting import pack_points

from .recording import Recording

FRAMES: Final = 6
# Neighbours of a bad frame show the same thing again.
_APART_S: Final = 0.7
_POINTS: Final = 9000
_ANY: Final = 1e-9


def worst_frames(
    paired: Paired, config: EvaluationConfig, recording: Recording | None
) -> list[dict[str, Any]]:
    """At most six frames, at least 0.7 s apart, with most misses and false alarms of all classes together."""
    truth, ours = class_frames(paired, frozenset(range(len(LABELS))), config)
    counts = clear_frames(similarities(truth, ours, config.match_distance_m), _ANY)
    wrong = counts.false_negatives + counts.false_positives
    chosen: list[int] = []
    for k in np.argsort(-wrong, kind="stable").tolist():
        stamp = truth[k].stamp_ns
        if all(abs(truth[c].stamp_ns - stamp) >= _APART_S * 1e9 for c in chosen) and wrong[k] > 0:
            chosen.append(k)
        if len(chosen) == FRAMES:
            break
    first_ns = paired.truth[0].stamp_ns if paired.truth else 0
    return [
        {
            "stamp_ns": truth[k].stamp_ns,
            "time_s": round((truth[k].stamp_ns - first_ns) * 1e-9, 3),
            "true_boxes": len(truth[k]),
            "misses": int(counts.false_negatives[k]),
            "false_alarms": int(counts.false_positives[k]),
            "ego": _ego(truth[k], recording),
            "truth": _boxes(truth[k], ours[k], config),
            "predictions": _boxes(ours[k], truth[k], config),
        }
        for k in chosen
    ]


def _boxes(frame: BoxFrame, others: BoxFrame, config: EvaluationConfig) -> list[dict[str, Any]]:
    """Boxes with whether any box of the other side is nearer than the match distance."""
    gap = np.linalg.norm(frame.center_m[:, None, :2] - others.center_m[None, :, :2], axis=-1)
    near = (gap < config.match_distance_m).any(axis=1) if len(others) else np.zeros(len(frame), bool)
    return [
        {
            "id": int(frame.id[k]),
            "label": LABELS[int(frame.label[k])],
            "x": round(float(frame.center_m[k, 0]), 3),
            "y": round(float(frame.center_m[k, 1]), 3),
            "l": _size(frame.lwh_m[k, 0]),
            "w": _size(frame.lwh_m[k, 1]),
            "yaw": round(float(np.nan_to_num(frame.yaw_rad[k])), 4),
            "found": bool(near[k]),
        }
        for k in range(len(frame))
    ]


def _size(value: float) -> float:
    return round(float(value), 3) if np.isfinite(value) else 1.0


def _ego(frame: BoxFrame, recording: Recording | None) -> list[float] | None:
    """x, y, yaw; None where it is not known."""
    if recording is not None:
        pose = recording.ego.at(frame.stamp_ns)
        if pose is not None:
            return [round(float(v), 4) for v in (*pose.translation_m[:2], pose.yaw_rad)]
    return None if frame.ego_xy_m is None else [*(round(float(v), 4) for v in frame.ego_xy_m), 0.0]


def worst_points(frames: list[dict[str, Any]], recording: Recording | None) -> dict[int, dict[str, Any]]:
    """Sweep of the reference lidar at each of these stamps, base frame, where the input bag is in the folder."""
    if recording is None or recording.input_bag is None or not frames:
        return {}
    from perception_nodes.datasets import BagReader
    from perception_nodes.datasets.bag_tf import TF_TOPIC, merged_static
    from perception_nodes.datasets.messages import TF
    from perception_nodes.datatypes import Modality
    from perception_nodes.ros.convert import from_msg
    from perception_nodes.ros.sweeps import SweepFrames, merged_sweep
    from perception_nodes.ros.transforms import TransformStore

    out: dict[int, dict[str, Any]] = {}
    store = TransformStore(cache_s=1e6)
    rig = recording.rig
    with BagReader(recording.input_bag) as reader:
        types = {t.name: t.typename for t in reader.info.topics}
        static = merged_static(reader, rig)
        if static is not None:
            store.add(reader.decode(static, TF), static=True)
        for _, _, raw in reader.messages([TF_TOPIC] if TF_TOPIC in types else []):
            store.add(reader.decode(raw, TF), static=False)
        sweep_frames = SweepFrames.of(rig, recording.frame_id)
        for frame in frames:
            stamp = int(frame["stamp_ns"])
            sweeps = []
            for spec in rig.of(Modality.LIDAR):
                reach = round(0.5e9 / spec.rate_hz)
                for topic, _, raw in reader.messages([spec.topic], stamp - reach, stamp + reach):
                    cloud = from_msg.point_cloud(reader.decode(raw, types[topic]))
                    sweeps.append((abs(cloud.stamp_ns - stamp), spec, cloud))
            nearest = {}
            for _, spec, cloud in sorted(sweeps, key=lambda s: s[0], reverse=True):
                nearest[spec.name] = (spec, cloud)
            try:
                merged = merged_sweep(list(nearest.values()), stamp, sweep_frames, store.lookup)[0]
            except PerceptionError:
                continue
            out[stamp] = pack_points(merged, _POINTS)
    return out
