"""Images of every supported encoding, and calibrations."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from perception_nodes.datatypes import CalibrationError, MalformedMessage
from perception_nodes.ros.convert import from_msg, to_msg

BGR = np.random.default_rng(1).integers(0, 255, (4, 6, 3), dtype=np.uint8)


def message(encoding: str, pixels: np.ndarray, row_padding: int = 0) -> Image:
    rows = pixels.reshape(pixels.shape[0], -1).view(np.uint8)
    rows = np.concatenate([rows, np.zeros((len(rows), row_padding), np.uint8)], axis=1)
    out = Image(
        header=to_msg.header(5, "optical"), height=pixels.shape[0], width=pixels.shape[1], encoding=encoding
    )
    out.step = rows.shape[1]
    out.data.frombytes(rows.tobytes())
    return out


@pytest.mark.parametrize("row_padding", [0, 2])
@pytest.mark.parametrize(
    ("encoding", "order"), [("bgr8", [0, 1, 2]), ("rgb8", [2, 1, 0]), ("rgba8", [2, 1, 0, 0])]
)
def test_colour(encoding: str, order: list[int], row_padding: int) -> None:
    image = from_msg.image(message(encoding, np.ascontiguousarray(BGR[..., order]), row_padding))
    np.testing.assert_array_equal(image.bgr, BGR)
    assert (image.stamp_ns, image.frame_id) == (5, "optical")


@pytest.mark.parametrize("encoding", ["mono8", "mono16"])
def test_grey(encoding: str) -> None:
    grey = BGR[..., 0]
    pixels = grey.astype("<u2") * 256 if encoding == "mono16" else grey
    image = from_msg.image(message(encoding, np.ascontiguousarray(pixels)))
    np.testing.assert_array_equal(image.bgr, np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize(
    ("encoding", "pattern"),
    [("bayer_rggb8", "RGGB"), ("bayer_bggr8", "BGGR"), ("bayer_gbrg8", "GBRG"), ("bayer_grbg8", "GRBG")],
)
def test_bayer_of_one_colour(encoding: str, pattern: str) -> None:
    """A red wall through each mosaic comes out red."""
    mosaic = np.zeros((8, 8), np.uint8)
    for k, letter in enumerate(pattern):
        mosaic[k // 2 :: 2, k % 2 :: 2] = {"R": 200, "G": 40, "B": 10}[letter]
    image = from_msg.image(message(encoding, mosaic))
    np.testing.assert_array_equal(image.bgr[3:5, 3:5].reshape(-1, 3), [[10, 40, 200]] * 4)


def test_compressed() -> None:
    flat = np.full((16, 16, 3), (10, 120, 240), np.uint8)
    out = CompressedImage(header=to_msg.header(5, "optical"), format="png")
    out.data.frombytes(cv2.imencode(".png", flat)[1].tobytes())
    np.testing.assert_array_equal(from_msg.image(out).bgr, flat)


def test_bad_images_are_named() -> None:
    with pytest.raises(MalformedMessage, match="encoding 'yuv422'"):
        from_msg.image(message("yuv422", BGR))
    short = message("bgr8", BGR)
    short.data = short.data[:-1]
    with pytest.raises(MalformedMessage, match="wanted 72 bytes of data, got 71"):
        from_msg.image(short)
    broken = CompressedImage(format="jpeg")
    broken.data.frombytes(b"no picture")
    with pytest.raises(MalformedMessage, match="10 bytes of 'jpeg' cannot be decoded"):
        from_msg.image(broken)
    with pytest.raises(MalformedMessage, match="0 bytes"):
        from_msg.image(CompressedImage(format="jpeg"))


def test_calibration() -> None:
    info = CameraInfo(width=6, height=4, distortion_model="plumb_bob", d=[0.0] * 5)
    info.k = [100.0, 0.0, 3.0, 0.0, 110.0, 2.0, 0.0, 0.0, 1.0]
    model = from_msg.camera_model(info)
    assert (model.fx_px, model.fy_px, model.cx_px, model.cy_px, model.model) == (100.0, 110.0, 3.0, 2.0, "")
    with pytest.raises(CalibrationError, match="not calibrated"):
        from_msg.camera_model(CameraInfo(width=6, height=4))


@pytest.mark.parametrize("encoding", ["bgr8", "mono8", "bayer_rggb8"])
@pytest.mark.parametrize("shape", [(0, 6), (4, 0)])
def test_an_image_without_pixels_is_malformed(encoding: str, shape: tuple[int, int]) -> None:
    made = message("mono8", np.zeros((4, 6), np.uint8))
    made.encoding, (made.height, made.width), made.step = encoding, shape, 3 * shape[1]
    with pytest.raises(MalformedMessage, match=f"Image: {shape[1]} x {shape[0]}"):
        from_msg.image(made)
