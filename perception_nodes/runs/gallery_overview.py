"""One picture of one simulated moment: all cameras of the rig, and the sweep from above and from behind.

python -m perception_nodes.runs.gallery_overview straight_traffic --time 8 --output docs/simulation.jpg
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from perception_nodes.datasets import find_rig
from perception_nodes.datatypes import ConfigurationError, PerceptionError, Rig
from perception_nodes.simulation.scenarios import Scenario, find_scenario
from perception_nodes.simulation.simulation import Simulation

from .gallery import CAMERA_ORDER, moment_at, moment_view
from .gallery_pictures import Bgr, seen_from_above, seen_from_behind

_COLUMNS: Final = 3
_QUALITY: Final = 88


def overview(scenario: Scenario, rig: Rig, seed: int, time_s: float) -> Bgr:
    """(H, W, 3): the cameras in rows of three, ahead first, below them the sweep with true boxes and map.

    Raises ConfigurationError for a time beyond the drive, and for a rig without cameras of one size or without lidar.
    """
    if not 0.1 <= time_s <= scenario.duration_s:
        raise ConfigurationError(f"--time {time_s}: wanted 0.1 to {scenario.duration_s:g} s")
    frame, before = moment_at(simulation := Simulation(scenario, rig, seed, threads=0), time_s)
    named = {name: camera.image.bgr for name, camera in frame.cameras.items()}
    pictures = [named.pop(name) for name in CAMERA_ORDER if name in named] + list(named.values())
    if not frame.lidars or len({p.shape for p in pictures}) != 1:
        raise ConfigurationError(f"rig {rig.name}: wanted cameras of one size and a lidar at {time_s:g} s")
    while len(pictures) % _COLUMNS:
        pictures.append(np.zeros_like(pictures[0]))
    rows = [np.hstack(pictures[k : k + _COLUMNS]) for k in range(0, len(pictures), _COLUMNS)]
    view, half = moment_view(simulation, frame, before), rows[0].shape[1] // 2
    sweeps: npt.NDArray[np.uint8] = np.hstack(
        [seen_from_above(view, half), seen_from_behind(view, (half, half))]
    )
    return np.vstack([*(row[:, : sweeps.shape[1]] for row in rows), sweeps])


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario")
    parser.add_argument("--rig", default="default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--time", type=float, default=8.0, help="of the drive, s")
    parser.add_argument("--output", type=Path, required=True, help="a .jpg or .png")
    given = parser.parse_args()
    try:
        picture = overview(find_scenario(given.scenario), find_rig(given.rig), given.seed, given.time)
    except PerceptionError as error:
        parser.error(str(error))
    if not cv2.imwrite(str(given.output), picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]):
        parser.error(f"--output {given.output}: could not be written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
