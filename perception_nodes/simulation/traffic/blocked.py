"""An ego that could never get on is an error of the scenario with this seed; one that stands for long is told of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.simulation.scenarios.schema import Scenario

from .fleet import Fleet, Role

_LEAST_M: Final = 5.0
_STANDS_MPS: Final = 0.1
_BEHIND_M: Final = 6.0
_LONG_S, _RED_S = 20.0, 60.0


def check_free(fleet: Fleet, scenario: Scenario, names: Mapping[str, int], seed: int) -> None:
    """Look ahead along the way of an ego that drives by itself, for what never moves and for the road's end.

    It must be able to go 5 m, or as far as the scenario demands (`must_hold.ego_travels_m`). Raises ConfigurationError
    naming the scenario's file, the seed, and what stands in the way.
    """
    if scenario.ego.drive not in ("route", "path"):
        return
    wanted = max(_LEAST_M, scenario.must_hold.ego_travels_m or 0.0)
    free, what = _standing_before(fleet, wanted, names)
    way = fleet.ways[0]
    end = way.length_m - float(fleet.s_m[0]) - 0.5 * float(fleet.size[0, 0])
    if end < min(wanted, free):
        free, what = end, "the end of its path" if scenario.ego.drive == "path" else "the end of the road"
    if free < wanted:
        where = scenario.file or f"scenario {scenario.name!r}"
        raise ConfigurationError(
            f"{where}: seed {seed}: the ego is blocked: wanted a free way of {wanted:.0f} m, "
            f"got {max(free, 0.0):.1f} m to {what}: take another seed, or less that stands in its way"
        )


def _standing_before(fleet: Fleet, wanted_m: float, names: Mapping[str, int]) -> tuple[float, str]:
    present = fleet.present.copy()
    fleet.present &= np.isin(fleet.role, [Role.EGO, Role.STANDING])
    fleet.present &= ~fleet.leaves
    fleet.look(np.zeros(1, np.int64), np.full(len(fleet), wanted_m))
    fleet.present[:] = present
    row = int(fleet.leader[0])
    if row < 0:
        return np.inf, ""
    name = next((f"actor {name!r}" for name, number in names.items() if number == row), f"id {row}")
    x, y = fleet.pose[row, :2]
    return float(fleet.gap[0]), f"{name} ({_kind(fleet, row)}) that stands at ({x:.1f}, {y:.1f})"


class HeldUp:
    """Whether the ego, which drives by itself, has stood for too long, and behind whom. text: "" while it gets on."""

    def __init__(self) -> None:
        self.text = ""
        self._stood_s = 0.0

    def step(
        self, fleet: Fleet, ids: npt.NDArray[np.int64], stop: npt.NDArray[np.float64], dt_s: float
    ) -> None:
        """After a step. ids (N,) of the rows; stop (N,) free way to the line at which each has to stop."""
        self._stood_s = self._stood_s + dt_s if fleet.speed[0] < _STANDS_MPS else 0.0
        if self._stood_s < _LONG_S:
            self.text = ""
            return
        row, chain = 0, [0]
        while fleet.leader[row] >= 0 and fleet.gap[row] < _BEHIND_M and fleet.leader[row] not in chain:
            row = int(fleet.leader[row])
            chain.append(row)
        left = fleet.ways[row].length_m - float(fleet.s_m[row]) - 0.5 * float(fleet.size[row, 0])
        if stop[row] < _BEHIND_M:
            why = "waits at a line" if self._stood_s > _RED_S else ""
        elif row == 0:
            why = "is at the end of its way" if left < _BEHIND_M else "waits"
        else:
            why = "never moves" if fleet.role[row] == Role.STANDING else "stands"
        who = [f"id {ids[r]} ({_kind(fleet, r)})" for r in chain[1:]]
        x, y = fleet.pose[row, :2]
        behind = f" behind {' behind '.join(who)}, which {why}" if who else f": it {why}"
        self.text = (
            f"the ego has stood for {self._stood_s:.0f} s{behind} at ({x:.1f}, {y:.1f})" if why else ""
        )


def _kind(fleet: Fleet, row: int) -> str:
    asset = fleet.bodies[row].asset
    return asset.kind if asset is not None else "?"
