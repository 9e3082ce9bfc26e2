"""All bodies of a drive as arrays; row 0 is the ego."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.assets import Asset

from .idm import Drivers
from .kernels import LEAST_MARGIN_M, free_way, pose_on
from .ways import CAPACITY, Way

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


class Role(IntEnum):
    """What a body does."""

    EGO = 0
    VEHICLE = 1
    CYCLIST = 2
    WALKER = 3
    STANDING = 4
    SCRIPTED = 5
    TRAILER = 6


@dataclass
class Body:
    """What a row begins with. tow: row of what pulls it, hitch_m before its own middle; side_m: left of its way;
    leaves: it stands parked until there is a gap for it.
    """

    role: Role
    asset: Asset | None
    way: Way
    s_m: float
    speed_mps: float = 0.0
    wish: float = 1.0
    size_m: tuple[float, float] = (0.0, 0.0)
    base_m: float = 0.4
    backwards: bool = False
    present: bool = True
    reacts: bool = True
    tow: int = -1
    hitch_m: float = 0.0
    side_m: float = 0.0
    driver: tuple[float, float, float, float] = (1.5, 2.0, 1.2, 2.0)
    leaves: bool = False


class Fleet:
    """Arrays over the rows of the drive; ways are replaced as a whole."""

    def __init__(self, bodies: list[Body]) -> None:
        n = len(bodies)
        self.bodies = bodies
        self.role = np.array([b.role for b in bodies], np.int64)
        self.s_m = np.array([b.s_m for b in bodies], np.float64)
        self.speed = np.array([b.speed_mps for b in bodies], np.float64)
        self.wish = np.array([b.wish for b in bodies], np.float64)
        self.size = np.array([b.size_m for b in bodies], np.float64).reshape(n, 2)
        self.base = np.array([max(b.base_m, 0.2) for b in bodies], np.float64)
        self.backwards = np.array([b.backwards for b in bodies], bool)
        self.present = np.array([b.present for b in bodies], bool)
        self.moving = np.array([b.role not in (Role.STANDING, Role.TRAILER) for b in bodies], bool)
        self.reacts = np.array([b.reacts for b in bodies], bool)
        self.leaves = np.array([b.leaves for b in bodies], bool)
        self.tow = np.array([b.tow for b in bodies], np.int64)
        self.hitch = np.array([b.hitch_m for b in bodies], np.float64)
        self.group = np.where(self.tow >= 0, self.tow, np.arange(n))
        self.drivers = Drivers(*np.array([b.driver for b in bodies], np.float64).T.reshape(4, n))
        self.foreseen_s = np.zeros(n)
        self.side = np.array([b.side_m for b in bodies], np.float64)  # to the left of the way, m
        self.side_rate = np.zeros(n)
        self.travelled_m = np.zeros(n)
        self.acceleration = np.zeros(n)
        self.waited_s = np.zeros(n)
        self.paths = np.zeros((n, CAPACITY, 2))
        self.last = np.ones(n, np.int64)
        self.spacing = np.ones(n)
        self.ways: list[Way] = [b.way for b in bodies]
        for row, body in enumerate(bodies):
            self.take(row, body.way, body.s_m)
        self.pose = np.zeros((n, 3))
        self.velocity = np.zeros((n, 2))
        self.yaw_rate = np.zeros(n)
        self.gap, self.leader = np.full(n, np.inf), np.full(n, -1, np.int64)
        self.refresh(np.arange(n), 0.0)

    def __len__(self) -> int:
        return len(self.bodies)

    def take(self, row: int, way: Way, s_m: float) -> None:
        """Go on along another way, from s on it."""
        k = len(way.xy_m)
        self.paths[row, :k] = way.xy_m
        self.last[row], self.spacing[row] = k - 1, way.spacing_m
        self.ways[row], self.s_m[row] = way, s_m

    def refresh(self, rows: I64, dt_s: float) -> None:
        """Poses and velocities of rows from their places on their ways."""
        for row in rows:
            pulled = self.tow[row]
            lead = row if pulled < 0 else pulled
            s = self.s_m[lead] - (self.hitch[row] if pulled >= 0 else 0.0)
            new = pose_on(
                self.paths[lead], self.last[lead], self.spacing[lead], s, self.base[row], self.backwards[row],
                self.side[lead],
            )  # fmt: skip
            if self.side_rate[lead]:
                lean = self.side_rate[lead] / max(self.speed[lead], 1.0)
                new = new[0], new[1], new[2] + lean
            if dt_s > 0:
                turn = (new[2] - self.pose[row, 2] + np.pi) % (2 * np.pi) - np.pi
                self.yaw_rate[row] = turn / dt_s
                self.velocity[row] = (
                    (new[0] - self.pose[row, 0]) / dt_s,
                    (new[1] - self.pose[row, 1]) / dt_s,
                )
            else:
                sign = -1.0 if self.backwards[row] else 1.0
                speed = sign * self.speed[lead]
                self.velocity[row] = speed * np.cos(new[2]), speed * np.sin(new[2])
            self.pose[row] = new

    def look(self, rows: I64, horizon_m: F64) -> None:
        """Free way and leader of rows; horizon (N,)."""
        free_way(
            rows, self.paths, self.last, self.spacing, self.s_m, self.side, self.speed, self.base, self.backwards,
            self.pose, self.velocity, self.size, self.group, self.present, self.foreseen_s, horizon_m, LEAST_MARGIN_M,
            self.gap, self.leader,
        )  # fmt: skip
