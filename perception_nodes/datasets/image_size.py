"""Width and height of an image file without decoding it."""

from __future__ import annotations

import struct
from pathlib import Path

from perception_nodes.datatypes import InputError

_PNG = b"\x89PNG\r\n\x1a\n"


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) px of a JPEG or PNG file; raises InputError on anything else."""
    data = path.read_bytes()
    if data.startswith(_PNG) and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return int(width), int(height)
    size = _jpeg_size(data) if data.startswith(b"\xff\xd8") else None
    if size is None:
        raise InputError(f"{path}: wanted a JPEG or PNG image")
    return size


def image_format(path: Path) -> str:
    """Word for CompressedImage.format by the file's suffix: "jpeg" or "png"."""
    return "png" if path.suffix.lower() == ".png" else "jpeg"


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        # Start-of-frame markers are C0..CF without the tables DHT (C4), JPG (C8), DAC (CC).
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return int(width), int(height)
        at += 2 + length
    return None
