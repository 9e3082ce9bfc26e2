"""Under vehicles: what they hide still sends something back, because road and floor of a vehicle guide the wave."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.traffic.states import ActorStates

from .radar_signal import Echoes, Origin
from .radar_spec import REFERENCE_M, RadarSpec
from .radar_targets import CENTRES, Aim, Bodies, Place, aspect, velocity_of
from .scene import Hits

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

_RAYS: Final = 3  # for each hidden actor
_LUCK: Final = 20.0  # broadside and a good fluctuation


@dataclass(frozen=True, eq=False)
class Hidden:
    """H scattering centres behind one vehicle on wheels.

    start_m: where the way comes out behind it, points_m (H, 3): the centre, both odom; row (H,) of the hidden actor.
    """

    start_m: F64
    points_m: F64
    row: I64

    def take(self, index: npt.NDArray[np.bool_] | I64) -> Hidden:
        """Some of them."""
        return Hidden(*(getattr(self, f.name)[index] for f in fields(self)))


def behind_vehicles(
    place: Place, spec: RadarSpec, aim: Aim, hits: Hits, actors: tuple[ActorStates, Bodies]
) -> Hidden:
    """Some centres of each actor of which nothing is seen and that may be detected none the less.

    What else stands in the way is not known yet.
    """
    states, bodies = actors
    row, count = aim.of // CENTRES, len(states)
    seen = np.bincount(row[hits.owner == row], minlength=count) > 0
    before = (hits.owner >= 0) & (hits.range_m < aim.distance_m) & ~seen[row]
    before[before] = bodies.wheels[states.asset[hits.owner[before]]]
    strong = bodies.rcs_m2[states.asset[row]] * 10 ** ((spec.reference_snr_db + spec.underbody_db) / 10)
    before &= _LUCK * strong * (REFERENCE_M / np.maximum(aim.distance_m, 0.5)) ** 4 > spec.threshold
    index = np.flatnonzero(before)
    first = np.searchsorted(row[index], row[index])  # rays of one actor follow each other
    index = index[np.arange(len(index)) - first < _RAYS]
    way = (aim.points_m[index] - place.position_m) / aim.distance_m[index, None]
    out_m = _leaves(place, states, bodies, hits.owner[index].astype(np.int64), way)
    beyond = out_m < aim.distance_m[index]
    start = place.position_m + way * (out_m + 0.05)[:, None]
    return Hidden(start, aim.points_m[index], row[index]).take(beyond)


def _leaves(place: Place, states: ActorStates, bodies: Bodies, row: I64, way: F64) -> F64:
    """(H,) distance at which rays leave the footprint of the vehicle in each row."""
    yaw, half = states.pose[row, 3], bodies.lwh_m[states.asset[row], :2] / 2
    c, s = np.cos(yaw), np.sin(yaw)
    to = place.position_m[:2] - states.pose[row, :2]
    origin = np.stack([c * to[:, 0] + s * to[:, 1], c * to[:, 1] - s * to[:, 0]], axis=1)
    ahead = np.stack([c * way[:, 0] + s * way[:, 1], c * way[:, 1] - s * way[:, 0]], axis=1)
    ahead = np.where(np.abs(ahead) < 1e-9, 1e-9, ahead)
    return np.asarray(np.maximum((half - origin) / ahead, (-half - origin) / ahead).min(axis=1), np.float64)


def under_echoes(place: Place, spec: RadarSpec, hidden: Hidden, actors: tuple[ActorStates, Bodies]) -> Echoes:
    """Of those that only one vehicle hides: the actor's cross section, less what the way under the vehicle takes."""
    states, bodies = actors
    row = hidden.row
    asset = states.asset[row]
    share = 1.0 / np.maximum(np.bincount(row, minlength=len(states))[row], 1)
    rcs = bodies.rcs_m2[asset] * aspect(place, states, row, bodies.box[asset]) * share
    speed = place.radial(hidden.points_m, velocity_of(states, row, hidden.points_m))
    return Echoes(
        place.local(hidden.points_m),
        speed,
        rcs * 10 ** (spec.underbody_db / 10),
        np.full(len(row), -1.0),
        row.astype(np.int32),
        np.full(len(row), Origin.UNDERNEATH, np.uint8),
    )
