"""Cloud inputs of a node: several lidars joined into sweeps, each waiting for its transforms.

Used by every node that works on clouds. `consume` gets the merged cloud in a worker thread, so that the executor goes
on taking messages: what is too much is dropped here, with a reason, and not in the middleware.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sensor_msgs.msg import PointCloud2

from perception_nodes.datatypes import (
    Drop,
    DropReason,
    FrameSet,
    Modality,
    PerceptionError,
    PointCloud,
    TransformUnavailable,
)
from perception_nodes.sync import Aligner, AlignerConfig, AlignerOutput

from . import qos
from .convert import from_msg
from .node import PerceptionNode
from .sweeps import BLIND_POINTS, SweepFrames, merged_sweep
from .transforms import TransformStore
from .worker import Worker

_PATIENCE_S = 0.2
_KEPT = 4
_WAITED = "waiting when the node stopped or was reset"


@dataclass(frozen=True)
class Sweep:
    """A merged sweep: cloud and origins in the base frame, odom_from_base at its stamp, when its last part came;
    members: name and stamp of each message in it; session: of the node, when it was put together.
    """

    cloud: PointCloud
    origins_m: Any
    odom_from_base: Any
    received_ns: int
    members: tuple[tuple[str, int], ...]
    session: int = 0

    @property
    def stamps_ns(self) -> list[int]:
        """Stamps of the sensors' messages."""
        return [stamp for _, stamp in self.members]


class SweepInput:
    """Owns the cloud subscriptions of `node`."""

    def __init__(
        self,
        node: PerceptionNode,
        tracking_frame: str,
        consume: Callable[[Sweep], None],
        wait_s: float = 0.03,
    ) -> None:
        self._node = node
        self._consume = consume
        self.tracking_frame = tracking_frame
        self._frames = SweepFrames.of(node.rig, tracking_frame)
        self._specs = {s.name: s for s in node.rig.of(Modality.LIDAR)}
        config = AlignerConfig(timeout_s=wait_s).slowed(node.slowness)
        self._aligner = Aligner(config, self._specs.values(), self._reference())
        self._clouds: dict[tuple[str, int], PointCloud] = {}
        self._pending: deque[tuple[FrameSet, int]] = deque()
        self.transforms = TransformStore(node)
        self._worker: Worker[Sweep] = Worker("sweeps", self._process)
        for spec in self._specs.values():
            node.add_account(spec.name, spec.topic, Modality.LIDAR, spec.rate_hz)

    def _reference(self) -> str:
        return (
            self._node.rig.reference if self._node.rig.reference in self._specs else next(iter(self._specs))
        )

    def start(self) -> None:
        """Subscribe."""
        for spec in self._specs.values():
            account = self._node.accounts[spec.name]
            handler = self._handler(spec.name)
            self._node.listen(account, PointCloud2, qos.sensor_input(self._node.reliable_inputs), handler)
        # Wall time: with /clock standing still a sweep must not wait for ever.
        self._node.create_timer(0.02, self.poll, clock=self._node.wall)

    def _handler(self, name: str) -> Callable[[Any, int], None]:
        def handle(message: Any, received_ns: int) -> None:
            cloud = from_msg.point_cloud(message)
            self._node.accounts[name].blind = len(cloud) < BLIND_POINTS
            self._clouds[name, cloud.stamp_ns] = cloud
            self._sort(self._aligner.add(name, cloud.stamp_ns, received_ns), received_ns)
            self.poll()

        return handle

    def poll(self) -> None:
        """Close sweeps whose time is up; retry those that wait for a transform."""
        if self._worker.failure is not None:
            raise self._worker.failure
        now_ns = time.monotonic_ns()
        self._sort(self._aligner.poll(now_ns), now_ns)
        while self._pending and self._node.active:
            frame_set, since_ns = self._pending[0]
            try:
                sweep = self._assemble(frame_set)
            except TransformUnavailable as error:
                if now_ns - since_ns < self._node.wait_ns(_PATIENCE_S):
                    return
                self._pending.popleft()
                self._give_up(frame_set, error)
                continue
            except PerceptionError as error:
                self._pending.popleft()
                self._give_up(frame_set, error)
                continue
            self._pending.popleft()
            for member in sweep.members:
                self._clouds.pop(member, None)
            replaced = self._worker.submit(sweep)
            if replaced is not None:
                self._busy(replaced)

    def reset(self) -> None:
        """The clock has jumped: everything that waits is dropped."""
        self._drop_sweep(self._worker.take_back(), DropReason.TIME_JUMP)
        self._clear(self._aligner.reset(time.monotonic_ns()), DropReason.TIME_JUMP)
        self.transforms.clear()

    def drain(self) -> None:
        """The node stops: everything that waits is dropped."""
        self._drop_sweep(self._worker.stop(), DropReason.SHUTDOWN)
        self._clear(self._aligner.flush(time.monotonic_ns()), DropReason.SHUTDOWN)

    def _process(self, sweep: Sweep) -> None:
        """In the worker thread; nothing comes of a sweep, and nothing is counted, once its session has ended."""
        failure: PerceptionError | None = None
        try:
            self._consume(sweep)
        except PerceptionError as error:
            failure = error
        with self._node.session.lasting(sweep.session) as lasts:
            for name, stamp in sweep.members if lasts else ():
                account = self._node.accounts[name]
                if failure is None:
                    account.count(used=1)
                else:
                    self._node.drop(account, stamp, failure.reason, str(failure))

    def _busy(self, sweep: Sweep) -> None:
        age_s = (time.monotonic_ns() - sweep.received_ns) * 1e-9
        for name, stamp in sweep.members:
            detail = "a newer sweep came before this one was begun"
            self._node.drop(self._node.accounts[name], stamp, DropReason.INFERENCE_BUSY, detail, age_s)

    def _drop_sweep(self, sweep: Sweep | None, reason: DropReason) -> None:
        """One that waited for the thread."""
        for name, stamp in sweep.members if sweep is not None else ():
            self._node.drop(self._node.accounts[name], stamp, reason, _WAITED)

    def _clear(self, output: AlignerOutput, reason: DropReason) -> None:
        now_ns = time.monotonic_ns()
        self._sort(output, now_ns)
        while self._pending:
            frame_set, _ = self._pending.popleft()
            for name, stamp in self._members(frame_set):
                self._node.drop(self._node.accounts[name], stamp, reason, _WAITED)
        self._clouds.clear()

    def _members(self, frame_set: FrameSet) -> list[tuple[str, int]]:
        return [(n, s) for n, s in zip(frame_set.sensors, frame_set.stamp_ns, strict=True) if s]

    def _sort(self, output: AlignerOutput, now_ns: int) -> None:
        names = {s.topic: s.name for s in self._specs.values()}
        for drop in output.drops:
            self._clouds.pop((names[drop.topic], drop.stamp_ns), None)
            self._count(names[drop.topic], drop)
        self._pending.extend((s, now_ns) for s in output.frame_sets if self._members(s))
        while len(self._pending) > _KEPT:
            frame_set, _ = self._pending.popleft()
            for name, stamp in self._members(frame_set):
                self._clouds.pop((name, stamp), None)
                self._node.drop(
                    self._node.accounts[name],
                    stamp,
                    DropReason.QUEUE_OVERFLOW,
                    f"more than {_KEPT} sweeps wait for a transform",
                )

    def _count(self, name: str, drop: Drop) -> None:
        self._node.accounts[name].count(dropped=1)
        self._node.report_drop(replace(drop, frame_id=self._specs[name].frame))

    def _give_up(self, frame_set: FrameSet, error: PerceptionError) -> None:
        for name, stamp in self._members(frame_set):
            self._clouds.pop((name, stamp), None)
            self._node.drop(self._node.accounts[name], stamp, error.reason, str(error))

    def _assemble(self, frame_set: FrameSet) -> Sweep:
        members = self._members(frame_set)
        sweeps = [(self._specs[n], self._clouds[n, s]) for n, s in members]
        reference_ns = frame_set.reference_ns if frame_set.stamp_ns[0] else members[0][1]
        lookup = self.transforms.lookup
        cloud, origins = merged_sweep(sweeps, reference_ns, self._frames, lookup)
        pose = lookup(self.tracking_frame, self._frames.base, reference_ns)
        received = max(frame_set.received_ns)
        return Sweep(cloud, origins, pose, received, tuple(members), self._node.session.number)
