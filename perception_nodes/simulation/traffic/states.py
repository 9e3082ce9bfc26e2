"""Where everything that can move is at one time."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError
from perception_nodes.datatypes.checks import check_shape
from perception_nodes.geometry import Transform, wrap_angle

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ActorStates:
    """N actors at one time, odom.

    id (N,) from 1, never used again: who leaves the world is not there for a while before the row is somebody else's;
    asset (N,) index into the drive's assets; pose (N, 6): x, y, z of the middle of the box's underside (m), yaw, pitch,
    roll (rad, applied in this order); velocity_mps (N, 2) over ground;
    yaw_rate_rps (N,); phase (N,) index into `Asset.poses`; present (N,) bool: it is in the world at all.
    """

    id: I64
    asset: I64
    pose: F64
    velocity_mps: F64
    yaw_rate_rps: F64
    phase: I64
    present: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.id)
        check_shape("ActorStates", "pose", self.pose, n, 6)
        check_shape("ActorStates", "velocity_mps", self.velocity_mps, n, 2)
        for name in ("asset", "yaw_rate_rps", "phase", "present"):
            check_shape("ActorStates", name, getattr(self, name), n)

    def __len__(self) -> int:
        return len(self.id)

    @classmethod
    def standing(cls, asset: I64, pose: F64) -> ActorStates:
        """Actors that do not move; ids count from 1."""
        n = len(asset)
        none = np.zeros(n)
        ids = np.arange(1, n + 1)
        return cls(ids, asset, pose, np.zeros((n, 2)), none, np.zeros(n, np.int64), np.ones(n, bool))

    def towards(self, later: ActorStates, fraction: float) -> ActorStates:
        """Between this state and a later one; who is there at both ends is there between.

        Raises InputError if there are not as many actors in both.
        """
        if len(self) != len(later):
            raise InputError(f"ActorStates.towards: ids differ: {len(self)} and {len(later)} actors")
        step = later.pose - self.pose
        step[:, 3:] = wrap_angle(step[:, 3:])
        pose = self.pose + fraction * step
        velocity = self.velocity_mps + fraction * (later.velocity_mps - self.velocity_mps)
        nearer = later if fraction >= 0.5 else self
        present = self.present & later.present & (self.id == later.id)
        return replace(nearer, pose=pose, velocity_mps=velocity, present=present)

    def select(self, index: npt.NDArray[np.bool_] | I64) -> ActorStates:
        """Some of the actors."""
        return ActorStates(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True)
class EgoState:
    """The vehicle with the sensors: pose of base_link in odom (x, y, z, yaw, pitch, roll), its motion and commands."""

    pose: tuple[float, float, float, float, float, float]
    speed_mps: float = 0.0
    yaw_rate_rps: float = 0.0
    acceleration_mps2: float = 0.0
    steering_rad: float = 0.0

    @property
    def odom_from_base(self) -> Transform:
        """The pose as a transform."""
        x, y, z, yaw, pitch, roll = self.pose
        return Transform.from_xyz_rpy((x, y, z), (roll, pitch, yaw))
