"""sensor_msgs/Image, CompressedImage and CameraInfo to values."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import CalibrationError, Image, MalformedMessage
from perception_nodes.geometry import CameraModel

from .point_cloud import stamp_ns

# encoding: (channels, bytes a channel, OpenCV conversion to BGR or None)
_ENCODINGS: Final[dict[str, tuple[int, int, int | None]]] = {
    "bgr8": (3, 1, None),
    "rgb8": (3, 1, cv2.COLOR_RGB2BGR),
    "bgra8": (4, 1, cv2.COLOR_BGRA2BGR),
    "rgba8": (4, 1, cv2.COLOR_RGBA2BGR),
    "mono8": (1, 1, cv2.COLOR_GRAY2BGR),
    "8UC1": (1, 1, cv2.COLOR_GRAY2BGR),
    "8UC3": (3, 1, None),
    "mono16": (1, 2, cv2.COLOR_GRAY2BGR),
    # ROS names a pattern by the pixels of its first row, OpenCV by those of the second row's second pair.
    "bayer_rggb8": (1, 1, cv2.COLOR_BayerBG2BGR),
    "bayer_bggr8": (1, 1, cv2.COLOR_BayerRG2BGR),
    "bayer_gbrg8": (1, 1, cv2.COLOR_BayerGR2BGR),
    "bayer_grbg8": (1, 1, cv2.COLOR_BayerGB2BGR),
}


def image(message: Any) -> Image:
    """Image or CompressedImage as BGR; raises MalformedMessage for an unknown encoding or contradicting lengths."""
    if hasattr(message, "format"):
        return _compressed(message)
    encoding = str(message.encoding)
    if encoding not in _ENCODINGS:
        raise MalformedMessage(f"Image: encoding {encoding!r}: wanted one of {sorted(_ENCODINGS)}")
    channels, size, conversion = _ENCODINGS[encoding]
    pixels = _pixels(message, channels, size)
    if conversion is not None:
        pixels = np.asarray(cv2.cvtColor(pixels, conversion), np.uint8)
    return Image(stamp_ns(message.header), str(message.header.frame_id), np.ascontiguousarray(pixels))


def _pixels(message: Any, channels: int, size: int) -> npt.NDArray[np.uint8]:
    height, width, step = int(message.height), int(message.width), int(message.step)
    raw = np.frombuffer(message.data, np.uint8)
    row = width * channels * size
    if step < row or raw.size < height * step or not row or not height:
        text = f"{width} x {height} {message.encoding}, step {step}"
        raise MalformedMessage(
            f"Image: {text}: wanted {height * max(step, row)} bytes of data, got {raw.size}"
        )
    rows = raw[: height * step].reshape(height, step)[:, :row]
    if size == 2:
        order = ">u2" if message.is_bigendian else "<u2"
        return (np.ascontiguousarray(rows).view(order) >> 8).astype(np.uint8)
    return rows.reshape(height, width, channels) if channels > 1 else rows.reshape(height, width)


def _compressed(message: Any) -> Image:
    raw = np.frombuffer(message.data, np.uint8)
    decoded = cv2.imdecode(raw, cv2.IMREAD_COLOR) if raw.size else None
    if decoded is None:
        raise MalformedMessage(f"CompressedImage: {raw.size} bytes of {message.format!r} cannot be decoded")
    return Image(stamp_ns(message.header), str(message.header.frame_id), np.asarray(decoded, np.uint8))


def camera_model(message: Any) -> CameraModel:
    """Intrinsics of a CameraInfo for its raw image; raises CalibrationError if it is not calibrated."""
    if not message.k[0] > 0:
        raise CalibrationError(
            f"CameraInfo of {message.header.frame_id!r}: fx is {message.k[0]}: not calibrated"
        )
    model = str(message.distortion_model)
    coefficients = tuple(float(v) for v in message.d)
    if not any(coefficients):
        model, coefficients = "", ()
    return CameraModel(
        width_px=int(message.width),
        height_px=int(message.height),
        fx_px=float(message.k[0]),
        fy_px=float(message.k[4]),
        cx_px=float(message.k[2]),
        cy_px=float(message.k[5]),
        model={"fisheye": "equidistant"}.get(model, model),
        distortion=coefficients,
    )
