"""How drivers accelerate and when they change lanes.

References: M. Treiber, A. Hennecke, D. Helbing, Congested traffic states in empirical observations and microscopic
simulations, Physical Review E 62, 2000 (IDM); A. Kesting, M. Treiber, D. Helbing, General lane-changing model MOBIL for
car-following models, Transportation Research Record 1999, 2007.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
HARDEST_MPS2: Final = 8.0


@dataclass(frozen=True, eq=False)
class Drivers:
    """Parameters (N,) of the intelligent driver model: a, b (m/s2), time gap (s), gap at standstill (m)."""

    accelerate_mps2: F64
    brake_mps2: F64
    headway_s: F64
    standstill_m: F64


def idm(speed_mps: F64, wish_mps: F64, gap_m: F64, leader_mps: F64, drivers: Drivers) -> F64:
    """(N,) acceleration, m/s2: eq. (1) of the model with exponent 4; gap inf = a free road."""
    a, b = drivers.accelerate_mps2, drivers.brake_mps2
    closing = speed_mps * (speed_mps - leader_mps) / (2 * np.sqrt(a * b))
    wanted = drivers.standstill_m + np.maximum(0.0, speed_mps * drivers.headway_s + closing)
    ratio = speed_mps / np.maximum(wish_mps, 0.1)
    over = np.clip(ratio, 1.0, 50.0)
    # Above the wished speed the fourth power brakes too hard; a comfortable braking takes its place (IIDM).
    free = np.where(ratio <= 1, a * (1 - ratio**4), -b * (1 - over ** (-a * 4 / b)))
    held = free - a * (wanted / np.maximum(gap_m, 0.05)) ** 2
    return np.asarray(np.clip(held, -HARDEST_MPS2, a))


def worth_changing(
    now: F64, there: F64, follower_loss: F64, politeness: float = 0.3
) -> npt.NDArray[np.bool_]:
    """MOBIL: the own gain (m/s2) outweighs the follower's loss, and nobody has to brake harder than 3 m/s2."""
    return (there - now > politeness * follower_loss + 0.2) & (follower_loss < 3.0) & (there > -2.0)
