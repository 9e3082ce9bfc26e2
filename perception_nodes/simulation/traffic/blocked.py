"""An ego that could never get on is an error of the scenario with this seed, not a drive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.simulation.scenarios.schema import Scenario

from .fleet import Fleet, Role

_LEAST_M: Final = 5.0


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
    asset = fleet.bodies[row].asset
    kind = asset.kind if asset is not None else "?"
    name = next((f"actor {name!r}" for name, number in names.items() if number == row), f"id {row}")
    x, y = fleet.pose[row, :2]
    return float(fleet.gap[0]), f"{name} ({kind}) that stands at ({x:.1f}, {y:.1f})"
