"""A clock that jumps while the map node is at a sweep: the map belongs to the thread of the sweeps."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np

from perception_nodes.datatypes import PointCloud
from perception_nodes.geometry import Transform
from perception_nodes.mapping import MapBuilder
from perception_nodes.nodes.map_elements import MapElementsNode
from perception_nodes.ros.accounts import Account
from perception_nodes.ros.session import Session
from perception_nodes.ros.sweep_input import Sweep, SweepInput
from perception_nodes.ros.worker import Worker


class SlowBuilder(MapBuilder):
    """Stops in the middle of a sweep until it is told to go on."""

    def __init__(self) -> None:
        self.inside, self.go_on = threading.Event(), threading.Event()
        super().__init__()

    def _surface(self, cloud: PointCloud, level: Any) -> Any:
        self.inside.set()
        assert self.go_on.wait(60.0)
        return super()._surface(cloud, level)


class Node(MapElementsNode):
    """The node without what it says to others."""

    def __init__(self, builder: MapBuilder) -> None:
        self._builder, self._accumulates, self._map_session = builder, True, 0
        self._sweeps: Any = SimpleNamespace(reset=lambda: None)
        self.heights: list[int] = []

    def trace(self, *_: Any) -> Any:
        self.heights.append(int(np.isfinite(self._builder.grid().height_m).sum()))
        raise InterruptedError  # instead of publishing


def sweep(stamp_ns: int, reach_m: float, session: int) -> Sweep:
    rng = np.random.default_rng(stamp_ns % 97)
    xyz = np.column_stack([rng.uniform(-reach_m, reach_m, (4000, 2)), np.zeros(4000)]).astype(np.float32)
    cloud = PointCloud(stamp_ns, "base_link", xyz)
    return Sweep(cloud, np.zeros((1, 3)), Transform.identity(), 0, (("top", stamp_ns),), session)


def test_a_jump_in_the_middle_of_a_sweep_ends_no_node_and_starts_the_map_anew() -> None:
    builder = SlowBuilder()
    node = Node(builder)

    def update(job: Sweep) -> None:
        try:
            node._update(job)
        except InterruptedError:
            done.set()

    done = threading.Event()
    worker: Worker[Sweep] = Worker("sweeps", update)
    worker.submit(sweep(1_000_000_000, 30.0, 1))
    assert builder.inside.wait(60.0)
    node.reset()
    builder.go_on.set()
    assert done.wait(60.0) and worker.failure is None
    done.clear()
    worker.submit(sweep(1_100_000_000, 5.0, 2))  # of the new session: the old map is gone
    assert done.wait(60.0) and worker.failure is None
    worker.stop()
    before, after = node.heights
    assert 0 < after < before / 2


def test_a_sweep_begun_before_a_jump_counts_for_nothing_after_it() -> None:
    account, session = Account("top", "/points"), Session()
    inputs = SweepInput.__new__(SweepInput)
    inputs._node = SimpleNamespace(session=session, accounts={"top": account})  # type: ignore[assignment]
    inputs._consume = lambda _: session.begin(account.restart)
    inputs._process(sweep(1_000_000_000, 30.0, session.number))
    assert (account.received, account.used) == (0, 0)
    inputs._consume = lambda _: None
    account.note(1_100_000_000, 0)
    inputs._process(sweep(1_100_000_000, 30.0, session.number))
    assert (account.received, account.used) == (1, 1)
