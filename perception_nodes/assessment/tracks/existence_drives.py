"""What the whole stack publishes on simulated streets, and whether it is there.

A track is true if, in the best pairing of its frame, it gets an actor whose centre is closer than 2 m, of whatever
class (existence says that something is there, not what: `evaluation.existence_reliability`); tentative tracks get the
actors that are left. What is called `unknown` is true too if something that is neither actor nor ground has points in
its box, for that is what the class says; while it is not seen, what was found last holds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import UNKNOWN, Detections3D, Rig, Tracks, TrackState
from perception_nodes.datatypes.existence import is_tentative
from perception_nodes.evaluation import BoxFrame
from perception_nodes.evaluation.association import pair_nearest
from perception_nodes.geometry import Transform
from perception_nodes.ros.sweeps import SweepFrames, compensated
from perception_nodes.runs.loop_drive import lidar_rig
from perception_nodes.runs.loop_pipeline import PipelinePerception, Poses
from perception_nodes.simulation.assets.materials import Material
from perception_nodes.simulation.scenarios import find_scenario
from perception_nodes.simulation.simulation import STEP_S, SimFrame, Simulation

F64 = npt.NDArray[np.float64]
B = npt.NDArray[np.bool_]
NEAR_M: Final = 2.0
_AROUND_M: Final = 0.3
_STREET: Final = -1
_GROUND: Final = [
    int(m)
    for m in (
        Material.ASPHALT,
        Material.PAVEMENT,
        Material.KERB,
        Material.ROAD_PAINT,
        Material.YELLOW_PAINT,
        Material.GRASS,
        Material.GRAVEL,
    )
]


@dataclass(frozen=True, eq=False)
class Published:
    """One row a track and frame: drive, id, label (N,), tentative (N,), belief of the tracker (N,), existence as it is
    published (N,), there (N,): whether it is true.
    """

    drive: npt.NDArray[np.int64]
    id: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    tentative: B
    belief: F64
    existence: F64
    there: B

    def __len__(self) -> int:
        return len(self.id)

    def pick(self, rows: B) -> Published:
        """Some of them."""
        return Published(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @classmethod
    def joined(cls, parts: Collection[Published]) -> Published:
        """All of them."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in cls.__dataclass_fields__))


NOTHING: Final = Published(
    *(np.zeros(0, kind) for kind in (np.int64, np.int64, np.int64, bool, np.float64, np.float64, bool))
)


class Street:
    """A drive of the simulator's own driver, the same whatever perception says, seen by a stack for each model."""

    def __init__(self, scenario: str, rig: Rig, seed: int, lidar_models: Sequence[str]) -> None:
        self.rig = lidar_rig(rig)
        names = [s.name for s in self.rig.sensors]
        self._simulation = Simulation(find_scenario(scenario), self.rig, seed, sensors=names)
        self.stacks = [Stack(PipelinePerception(self.rig, model)) for model in lidar_models]
        self._poses, self._frames = Poses(self.rig), SweepFrames.of(self.rig, self.rig.odom_frame)
        self._know(self._simulation.start_ns, self._simulation.traffic.ego.odom_from_base)

    def published(self, number: int, seconds: float) -> list[Published]:
        """What each stack publishes until then; number: of the drive."""
        out: list[list[Published]] = [[NOTHING] for _ in self.stacks]
        for _ in range(min(len(self._simulation), round(seconds / STEP_S))):
            frame = self._simulation.tick()
            self._know(frame.stamp_ns, frame.odom_from_base)
            points = self._street_points(frame)
            for k, stack in enumerate(self.stacks):
                out[k] += stack.published(frame, points, number)
        return [Published.joined(parts) for parts in out]

    def _know(self, stamp_ns: int, odom_from_base: Transform) -> None:
        self._poses.add(stamp_ns, odom_from_base)
        for stack in self.stacks:
            stack.perception.know_pose(stamp_ns, odom_from_base)

    def _street_points(self, frame: SimFrame) -> F64:
        """(M, 3) points of this sweep on what is neither ground nor actor, odom."""
        parts = [np.zeros((0, 3))]
        for name, sweep in frame.lidars.items():
            stands = (sweep.owner == _STREET) & ~np.isin(sweep.material, _GROUND)
            cloud = compensated(self.rig.sensor(name), sweep.cloud, self._frames, self._poses.lookup)
            pose = frame.odom_from_base @ self._simulation.mounts[name]
            parts.append(pose.apply(cloud.xyz_m[stands].astype(np.float64)))
        return np.concatenate(parts)


class Stack:
    """Perception, and at which of its unknown tracks something of the street stood when they were seen last."""

    def __init__(self, perception: PipelinePerception) -> None:
        self.perception = perception
        self._stands: dict[int, bool] = {}

    def published(self, frame: SimFrame, points: F64, number: int) -> list[Published]:
        """What it makes of a frame, if anything; points (M, 3) of the street in it, odom; number: of the drive."""
        tracks = self.perception.perceive(frame).tracks
        if tracks is None:
            return []
        tracks = tracks.select(tracks.state != int(TrackState.DELETED))
        there = paired(tracks, frame.truth) | self._standing(tracks, points)
        belief = self.perception.believed(tracks).existence_probability
        one = Published(
            np.full(len(tracks), number), tracks.id.astype(np.int64), tracks.label.astype(np.int64),
            is_tentative(tracks), belief, tracks.existence_probability, there,
        )  # fmt: skip
        return [one]

    def _standing(self, tracks: Tracks, points: F64) -> B:
        """(N,) unknown ones at a thing that belongs to the street."""
        out = np.zeros(len(tracks), bool)
        for row in np.flatnonzero(tracks.label == UNKNOWN).tolist():
            number = int(tracks.id[row])
            if tracks.time_since_update_s[row] < 0.5 * STEP_S:
                self._stands[number] = in_box(tracks, row, points)
            out[row] = self._stands.get(number, False)
        return out


def paired(tracks: Tracks, truth: Detections3D) -> B:
    """(N,) tracks that get an actor: the confirmed ones first."""
    out, free = np.zeros(len(tracks), bool), np.ones(len(truth), bool)
    for rows in (np.flatnonzero(~is_tentative(tracks)), np.flatnonzero(is_tentative(tracks))):
        shown = tracks.select(rows)
        shown = replace(shown, state=np.full(len(rows), int(TrackState.CONFIRMED), np.uint8))
        left = np.flatnonzero(free)
        actors = BoxFrame.of_detections(truth.select(left))
        of_truth, of_tracks = pair_nearest(actors, BoxFrame.of_tracks(shown), NEAR_M)
        out[rows[of_tracks]] = True
        free[left[of_truth]] = False
    return out


def in_box(tracks: Tracks, row: int, points: F64) -> bool:
    """Whether one of the points (M, 3) is in the box of a track, or within 0.3 m of it."""
    offset = points - tracks.center_m[row]
    c, s = np.cos(tracks.yaw_rad[row]), np.sin(tracks.yaw_rad[row])
    half = 0.5 * tracks.lwh_m[row] + _AROUND_M
    inside = np.abs(offset[:, 2]) < half[2]
    inside &= np.abs(c * offset[:, 0] + s * offset[:, 1]) < half[0]
    inside &= np.abs(c * offset[:, 1] - s * offset[:, 0]) < half[1]
    return bool(inside.any())
