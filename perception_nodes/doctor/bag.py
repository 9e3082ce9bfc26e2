"""Checks of a recording: would the graph be happy with it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perception_nodes.datasets import BagReader, open_input
from perception_nodes.datasets.bag_tf import dynamic_links, static_transforms
from perception_nodes.datatypes import Finding, InputError, Level, MalformedMessage, Modality, Rig, SensorSpec

from .contents import check_contents

_GAP = 2.5
_OFFSET_WARN_S = 0.2


@dataclass
class _Times:
    """Stamps and log times of one topic, ns."""

    stamps: list[int] = field(default_factory=list)
    logged: list[int] = field(default_factory=list)
    frame: str = ""
    bad: int = 0


def check_bag(path: Path, rig: Rig | None = None) -> Iterator[Finding]:
    """Findings about an input of any kind; a dataset folder is checked for what its converter needs."""
    try:
        source = open_input(path, rig)
    except InputError as error:
        yield Finding(Level.ERROR, "input", str(error), "see docs/inputs.md for what can be read")
        return
    yield Finding(Level.OK, "input", f"{source.kind}, rig {source.rig.name}")
    for note in source.notes:
        yield Finding(Level.NOTE, "input", note)
    if not source.rig.of(Modality.LIDAR):
        what = "no PointCloud2 topic: `perception run` needs at least one lidar"
        yield Finding(Level.ERROR, "input", what, "record a lidar's points")
    if not source.has_ego_motion:
        what = f"no transform {source.rig.odom_frame} <- {source.rig.base_frame} and no odometry"
        yield Finding(
            Level.WARN, "ego motion", what, "record /tf or nav_msgs/Odometry; without it tracks are relative"
        )
    if source.playable is None:
        return
    with BagReader(source.playable) as reader:
        times = {s.name: _read_times(reader, s) for s in source.rig.sensors}
        for sensor in source.rig.sensors:
            yield from _check_sensor(sensor, times[sensor.name])
            yield from check_contents(reader, sensor)
        yield from _check_tree(reader, source.rig, times)
        yield from _check_offsets(source.rig, times)
        yield from _check_cameras(reader, source.rig)
        # All sensors have been read through: damage that shows only then is known now.
        for note in reader.info.notes:
            if note not in source.notes:
                yield Finding(Level.WARN, "input", note, "copy it again from where it was recorded")


def _read_times(reader: BagReader, sensor: SensorSpec) -> _Times:
    """Stamps of one sensor's messages (of cameras those of CameraInfo where there is one: it is small)."""
    topic = sensor.info_topic or sensor.topic
    out = _Times()
    info = reader.info.topic(topic)
    if info is None:
        return out
    for _, logged_ns, raw in reader.messages([topic]):
        try:
            header = _header(reader, raw, info.typename)
        except MalformedMessage:
            out.bad += 1
            continue
        out.stamps.append(int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec))
        out.logged.append(logged_ns)
        out.frame = out.frame or str(header.frame_id)
    return out


def _header(reader: BagReader, raw: bytes, typename: str) -> Any:
    return reader.decode(raw, typename).header


def _check_sensor(sensor: SensorSpec, times: _Times) -> Iterator[Finding]:
    if not times.stamps:
        what = f"no message on {sensor.info_topic or sensor.topic}"
        yield Finding(
            Level.ERROR if sensor.required else Level.WARN, sensor.name, what, "check the topic in the rig"
        )
        return
    if times.bad:
        yield Finding(
            Level.WARN,
            sensor.name,
            f"{times.bad} messages cannot be decoded",
            "they will be dropped: MALFORMED",
        )
    stamps = np.array(times.stamps)
    steps = np.diff(stamps) * 1e-9
    backwards = int((steps < 0).sum())
    if backwards:
        what = f"stamps run backwards {backwards} times, by {-steps.min():.3f} s at most"
        yield Finding(
            Level.ERROR,
            sensor.name,
            what,
            "late ones will be dropped: OUT_OF_ORDER; check the driver's clock",
        )
    same = int((steps == 0).sum())
    if same:
        yield Finding(
            Level.WARN, sensor.name, f"{same} messages repeat the stamp before", "is the sensor stuck?"
        )
    forward = steps[steps > 0]
    if not len(forward):
        return
    period = float(np.median(forward))
    rate = 1 / period
    gaps = forward[forward > _GAP * period]
    level, remedy = Level.OK, ""
    if abs(rate / sensor.rate_hz - 1) > 0.2:
        level, remedy = (
            Level.WARN,
            f"the rig says {sensor.rate_hz:g} Hz: correct rate_hz, or find the missing messages",
        )
    yield Finding(level, sensor.name, f"{len(stamps)} messages, {rate:.2f} Hz, frame {times.frame!r}", remedy)
    if len(gaps):
        what = f"{len(gaps)} gaps, {gaps.max():.2f} s at most"
        yield Finding(
            Level.WARN, sensor.name, what, "was the recorder overloaded? see ros2 bag record --max-cache-size"
        )
    lag = (np.array(times.logged) - stamps) * 1e-9
    if abs(float(np.median(lag))) > _OFFSET_WARN_S:
        what = f"recorded {np.median(lag):+.3f} s (median) after its stamp"
        yield Finding(Level.WARN, sensor.name, what, "are sensor and computer synchronised (PTP, chrony)?")


def _check_tree(reader: BagReader, rig: Rig, times: dict[str, _Times]) -> Iterator[Finding]:
    """Is every sensor's frame connected to the base frame?"""
    links = dynamic_links(reader) | {
        (t.header.frame_id.lstrip("/"), c.lstrip("/")) for c, t in static_transforms(reader).items()
    }
    links |= {(rig.base_frame, s.frame) for s in rig.sensors if s.frame and s.mount_xyz_m is not None}
    reached, grown = {rig.base_frame}, True
    while grown:
        more = {b for a, b in links if a in reached} | {a for a, b in links if b in reached}
        grown = not more <= reached
        reached |= more
    for sensor in rig.sensors:
        frame = times[sensor.name].frame or sensor.frame
        if frame and frame not in reached:
            what = f"no transform {rig.base_frame} <- {frame}"
            remedy = f"record /tf_static, or give mount_xyz_m and mount_rpy_rad of {sensor.name} in the rig"
            yield Finding(Level.ERROR, f"tf {sensor.name}", what, remedy)
        elif frame:
            yield Finding(Level.OK, f"tf {sensor.name}", f"{rig.base_frame} <- {frame}")


def _check_offsets(rig: Rig, times: dict[str, _Times]) -> Iterator[Finding]:
    """Median distance of each sensor's stamps to the reference's nearest ones."""
    reference = np.sort(np.array(times[rig.reference].stamps))
    if len(reference) < 2:
        return
    half = float(np.median(np.diff(reference))) * 0.5e-9
    for sensor in rig.sensors:
        stamps = np.array(times[sensor.name].stamps)
        if sensor.name == rig.reference or not len(stamps):
            continue
        right = np.clip(np.searchsorted(reference, stamps), 1, len(reference) - 1)
        near = np.where(
            stamps - reference[right - 1] < reference[right] - stamps, reference[right - 1], reference[right]
        )
        residual = (stamps - near) * 1e-9
        median, spread = (
            float(np.median(residual)),
            float(np.percentile(np.abs(residual - np.median(residual)), 90)),
        )
        what = f"{median * 1e3:+.1f} ms to {rig.reference} (90 % within {spread * 1e3:.1f} ms of that)"
        if spread > 0.5 * half:
            yield Finding(
                Level.WARN,
                f"sync {sensor.name}",
                what,
                "free-running: pairs will change; trigger the sensors",
            )
        else:
            yield Finding(Level.OK, f"sync {sensor.name}", what)


def _check_cameras(reader: BagReader, rig: Rig) -> Iterator[Finding]:
    for sensor in rig.of(Modality.CAMERA):
        topic = reader.info.topic(sensor.info_topic) if sensor.info_topic else None
        if topic is None or not topic.count:
            what = f"no CameraInfo on {sensor.info_topic or '(no info_topic in the rig)'}"
            yield Finding(
                Level.ERROR, sensor.name, what, "boxes cannot be placed without: record camera_info"
            )
            continue
        _, message = next(reader.readable(topic.name), (0, None))
        if message is not None and not message.k[0] > 0:
            what = "CameraInfo has no focal length: the camera is not calibrated"
            yield Finding(Level.ERROR, sensor.name, what, "calibrate it; NOT_CALIBRATED until then")
