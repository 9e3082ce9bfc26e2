"""Whatever arrives in whatever order: every message is used once, dropped once, or still waiting."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from perception_nodes.datatypes import Modality, SensorSpec
from perception_nodes.sync import Aligner, AlignerConfig

SENSORS = tuple(
    SensorSpec(n, Modality.CAMERA, f"/{n}", rate_hz=r) for n, r in (("a", 10.0), ("b", 10.0), ("c", 2.0))
)
Arrivals = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 5_000),
        st.integers(0, 200),
        st.sampled_from(["", "poll", "reset"]),
    ),
    max_size=80,
)


@given(Arrivals, st.floats(0.0, 0.2))
def test_every_message_is_accounted_for(arrivals: list[tuple[str, int, int, str]], timeout_s: float) -> None:
    aligner = Aligner(AlignerConfig(timeout_s=timeout_s, queue_size=5), SENSORS, "a")
    received, used, dropped = Counter[str](), Counter[str](), Counter[str]()
    now_ns, sets = 0, []
    outputs = []
    for sensor, stamp_ms, wait_ms, then in arrivals:
        now_ns += wait_ms * 1_000_000
        received[sensor] += 1
        outputs.append(aligner.add(sensor, stamp_ms * 1_000_000 + 1, now_ns))
        if then:
            outputs.append(aligner.poll(now_ns) if then == "poll" else aligner.reset(now_ns))
    waiting = aligner.waiting
    for output in outputs:
        sets += output.frame_sets
        dropped.update(d.topic[1:] for d in output.drops)
    for frame_set in sets:
        used.update(n for n, s in zip(frame_set.sensors, frame_set.stamp_ns, strict=True) if s)
    assert received.total() == used.total() + dropped.total() + waiting
    for output in (aligner.flush(now_ns),):
        sets += output.frame_sets
        dropped.update(d.topic[1:] for d in output.drops)
    assert aligner.waiting == 0
    for status in aligner.status(now_ns):
        assert status.received == received[status.name] == status.used + status.dropped
    assert [s.sequence for s in sets] == list(range(len(sets)))
    assert all(s.dropped == dropped[s.name] for s in aligner.status(now_ns))
