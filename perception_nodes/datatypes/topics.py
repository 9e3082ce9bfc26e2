"""Names and encodings that writers and readers of drives share, live and in recordings."""

from __future__ import annotations

from typing import Final

TRUTH_TOPIC: Final = "/truth/objects"
MAP_TRUTH_TOPIC: Final = "/truth/map_elements"
IMU_TOPIC: Final = "/sensing/imu"
JPEG_QUALITY: Final = 92  # of simulated pictures
