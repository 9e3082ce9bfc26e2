"""A recording diagnosed: its gaps and drops as outages, its causes, and the tables for slices and SQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from perception_nodes.datatypes import InputError, Qualifier
from perception_nodes.evaluation.diagnosis import Diagnosis, DiagnosisConfig, Outage, diagnose
from perception_nodes.evaluation.slices import Conditions, Rows, parquet_paths, slice_rows, write_parquet

from .messages import Heartbeat
from .recording import FUSION, OUTPUTS, Recording, read_recording

# A source that is silent for so many of its usual steps has an outage.
_GAP_STEPS = 2.5
_OUT = (Qualifier.NOT_AVAILABLE, Qualifier.BLINDNESS, Qualifier.INVALID)


def recording_outages(recording: Recording) -> tuple[Outage, ...]:
    """When sensors were not available, when a detector put out nothing, which messages were dropped; in this order."""
    return (*_reported(recording.heartbeats), *_silent(recording), *_dropped(recording))


def diagnose_recording(recording: Recording, config: DiagnosisConfig | None = None) -> Diagnosis:
    """The published objects against the truth. Raises InputError if the recording has no truth."""
    if not recording.truth:
        raise InputError(f"{recording.folder}: there is no truth to compare with (no truth.jsonl)")
    return diagnose(recording.truth, recording.tracks, config, recording_outages(recording))


def recording_rows(recording: Recording, diagnosis: Diagnosis) -> Rows:
    """Tables of the recording, with the sensors that were available as the conditions of its frames."""
    return slice_rows(recording.truth, recording.tracks, diagnosis, _conditions(recording))


def ensure_tables(folder: Path) -> Path:
    """The folder with the Parquet files: `folder`; of an output folder without them they are written first.

    Raises InputError if it holds neither the tables nor a recording with truth.
    """
    run = folder / OUTPUTS
    newest = run.stat().st_mtime_ns if run.is_file() else 0
    # Tables that are older than the run are those of the run before.
    if not all(p.is_file() and p.stat().st_mtime_ns >= newest for p in parquet_paths(folder).values()):
        recording = read_recording(folder)
        write_parquet(recording_rows(recording, diagnose_recording(recording)), folder)
    return folder


def _reported(heartbeats: tuple[Heartbeat, ...]) -> Iterator[Outage]:
    """Sensors as the supervisor saw them; an outage begins with the newest stamp that had come by then."""
    began: dict[str, tuple[int, str]] = {}
    last_ns = 0
    for beat in (b for b in heartbeats if b.node == "supervisor/state"):
        last_ns = beat.received_ns
        for sensor in beat.sensors:
            if sensor.qualifier in _OUT:
                since = min(beat.received_ns, sensor.measurement_time_ns or beat.received_ns)
                began.setdefault(sensor.name, (since, sensor.reason.name))
            elif sensor.name in began:
                since, reason = began.pop(sensor.name)
                yield Outage(sensor.name, since, beat.received_ns, reason=reason)
    for name, (since, reason) in began.items():
        yield Outage(name, since, max(last_ns, since), reason=reason)


def _silent(recording: Recording) -> Iterator[Outage]:
    for source, frames in recording.detections.items():
        stamps = np.array([f.stamp_ns for f in frames], np.int64)
        steps = np.diff(stamps)
        if source == FUSION or len(steps) < 3:
            continue
        usual = float(np.median(steps))
        for k in np.flatnonzero(steps > _GAP_STEPS * usual):
            half = int(usual / 2)
            yield Outage(source, int(stamps[k]) + half, int(stamps[k + 1]) - half, reason="no detections")


def _dropped(recording: Recording) -> Iterator[Outage]:
    """Each drop as long as a period of its sensor; of topics that are no sensor's, half a tenth of a second."""
    of_topic = {spec.topic: spec for spec in recording.rig.sensors}
    for record in recording.drops:
        spec = of_topic.get(record.drop.topic)
        rate = spec.rate_hz if spec is not None and spec.rate_hz > 0 else 10.0
        half = int(0.5e9 / rate)
        name = spec.name if spec is not None else record.drop.topic
        stamp = record.drop.stamp_ns
        yield Outage(name, stamp - half, stamp + half, dropped=True, reason=record.drop.reason.name)


def _conditions(recording: Recording) -> dict[int, Conditions]:
    beats = [b for b in recording.heartbeats if b.node == "supervisor/state"]
    received = np.array([b.received_ns for b in beats], np.int64)
    out = {}
    for frame in recording.truth:
        k = int(np.searchsorted(received, frame.stamp_ns))
        names = sorted(s.name for s in beats[k].sensors if s.qualifier not in _OUT) if k < len(beats) else []
        out[frame.stamp_ns] = Conditions(sensor_set="+".join(names) or None)
    return out
