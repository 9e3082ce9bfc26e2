"""What is true of the single points and pixels of a simulated sensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class TruePoints:
    """Columns (N,) by name; row i belongs to point i of what the sensor measured."""

    frame_id: str
    columns: Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class TruePixels:
    """(H, W) values in the encoding of sensor_msgs/Image (`32FC1` m, `mono8`, `mono16`)."""

    frame_id: str
    values: npt.NDArray[np.generic]
    encoding: str
