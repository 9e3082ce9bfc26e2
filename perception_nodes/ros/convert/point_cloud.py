"""sensor_msgs/PointCloud2, of any field layout, to `PointCloud`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import MalformedMessage, PointCloud

# sensor_msgs/PointField datatypes.
_DTYPES: Final = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
_INTENSITY: Final = ("intensity", "intensities", "i", "reflectivity", "reflectance")
_RING: Final = ("ring", "channel", "line", "laser_id")
_TIME: Final = ("t", "time", "timestamp", "time_stamp", "offset_time", "time_offset", "dt")
# A float time beyond this is not relative to the stamp but absolute.
_ABSOLUTE_S: Final = 1.0e6
_MAX_STEP: Final = 1 << 16


def stamp_ns(header: Any) -> int:
    """Stamp of a std_msgs/Header in ns."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def point_cloud(message: Any) -> PointCloud:
    """Points with finite coordinates, in the message's frame; how many were not finite is `invalid_points`.

    Times: integer fields are ns after the stamp (the first point's time, as Ouster and Livox do), float32 fields are s
    relative to the stamp, float64 fields are s relative or, beyond 1e6, absolute. Some drivers stamp the start of a
    sweep: then times are positive, and are taken as they are.
    Raises MalformedMessage if x, y or z is missing or the lengths contradict each other.
    """
    rows = _rows(message)
    names = {str(f.name): f for f in message.fields}
    missing = [n for n in ("x", "y", "z") if n not in names]
    if missing:
        raise MalformedMessage(f"PointCloud2: no field {missing}: it has {sorted(names)}")
    xyz = np.empty((len(rows), 3), np.float32)
    for k, name in enumerate("xyz"):
        if rows.dtype[name].ndim:
            raise MalformedMessage(
                f"PointCloud2: field {name!r} has {names[name].count} values a point: wanted 1"
            )
        with np.errstate(over="ignore"):  # float64 beyond float32 becomes inf, and is counted as not finite
            xyz[:, k] = rows[name]
    finite = np.isfinite(xyz).all(axis=1)
    invalid = len(xyz) - int(finite.sum())
    keep: Any = finite if invalid else slice(None)
    stamp = stamp_ns(message.header)
    return PointCloud(
        stamp_ns=stamp,
        frame_id=str(message.header.frame_id),
        xyz_m=xyz[keep] if invalid else xyz,
        intensity=_column(rows, names, _INTENSITY, np.float32, keep),
        ring=_column(rows, names, _RING, np.uint16, keep),
        time_s=_time(rows, names, stamp, keep),
        invalid_points=invalid,
    )


def _rows(message: Any) -> npt.NDArray[Any]:
    """The points as a structured view of the message's bytes."""
    width, height = int(message.width), int(message.height)
    step, row_step = int(message.point_step), int(message.row_step)
    dtype = _dtype(message.fields, step, bool(message.is_bigendian))
    raw = np.frombuffer(message.data, np.uint8)
    if height <= 1:
        wanted = width * height * step
    else:
        row_step = row_step or width * step
        wanted = height * row_step
    if raw.size < wanted or (height > 1 and row_step < width * step):
        text = f"{width} x {height} points of {step} bytes, rows of {row_step}"
        raise MalformedMessage(f"PointCloud2: {text}: wanted {wanted} bytes of data, got {raw.size}")
    if height > 1 and row_step != width * step:
        raw = np.ascontiguousarray(raw[:wanted].reshape(height, row_step)[:, : width * step]).reshape(-1)
    return raw[: width * height * step].view(dtype)


def _dtype(fields: Any, point_step: int, big_endian: bool) -> np.dtype[Any]:
    if point_step > _MAX_STEP:
        raise MalformedMessage(f"PointCloud2: points of {point_step} bytes: wanted at most {_MAX_STEP}")
    order = ">" if big_endian else "<"
    names, formats, offsets = [], [], []
    for field in fields:
        code = _DTYPES.get(int(field.datatype))
        if code is None:
            raise MalformedMessage(f"PointCloud2: field {field.name!r} has unknown datatype {field.datatype}")
        kind = np.dtype(order + code)
        if int(field.offset) + kind.itemsize * max(1, int(field.count)) > point_step:
            text = f"at offset {field.offset} does not fit into a point of {point_step} bytes"
            raise MalformedMessage(f"PointCloud2: field {field.name!r} {text}")
        names.append(str(field.name))
        formats.append(kind if int(field.count) <= 1 else np.dtype((kind, (int(field.count),))))
        offsets.append(int(field.offset))
    if len(set(names)) != len(names):
        raise MalformedMessage(f"PointCloud2: a field name occurs twice: {sorted(names)}")
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": point_step})


def _column(
    rows: npt.NDArray[Any], names: dict[str, Any], wanted: tuple[str, ...], dtype: Any, keep: Any
) -> npt.NDArray[Any] | None:
    """The first field whose name is in `wanted`, as a new array; None if there is none."""
    for name in wanted:
        if name in names and rows.dtype[name].ndim == 0:
            column: npt.NDArray[Any] = rows[name][keep].astype(dtype)
            return column
    return None


def _time(
    rows: npt.NDArray[Any], names: dict[str, Any], stamp: int, keep: Any
) -> npt.NDArray[np.float32] | None:
    for name in _TIME:
        if name not in names or rows.dtype[name].ndim:
            continue
        values = rows[name][keep]
        if values.dtype.kind in "ui":
            if values.dtype.itemsize < 4:
                continue
            return np.asarray(values * 1e-9, np.float32)
        seconds = values.astype(np.float64)
        largest = float(np.max(np.abs(seconds), where=np.isfinite(seconds), initial=0.0))
        if largest > _ABSOLUTE_S:
            # Absolute seconds as a float64 resolve 0.2 us; some drivers write ns into the same field.
            scale = 1e-9 if largest > 1e15 else 1.0
            seconds = seconds * scale - stamp * 1e-9
        # A time that is no time (NaN, infinite, weeks away) leaves its point where it was measured.
        return np.where(np.abs(seconds) <= _ABSOLUTE_S, seconds, 0.0).astype(np.float32)
    return None
