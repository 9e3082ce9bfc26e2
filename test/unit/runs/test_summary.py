"""The summary of a recording made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from perception_nodes import msg
from perception_nodes.ros.convert import to_msg
from perception_nodes.runs.run import _tell
from perception_nodes.runs.summary import SummaryBuilder, percentiles

MS = 1_000_000
START = 10_000 * MS


def objects(
    stamp_ms: int, start_ms: int, end_ms: int, states: tuple[int, ...] = (1,)
) -> msg.TrackedObjectArray:
    stamp = START + stamp_ms * MS
    out = msg.TrackedObjectArray(header=to_msg.header(stamp, "odom"))
    out.objects = [msg.TrackedObject(id=k + 1, state=s, label="car") for k, s in enumerate(states)]
    out.info.mode = 1
    out.info.latency.sensor_time_newest_ns = stamp
    out.info.latency.stage, out.info.latency.start_ns = ["tracker"], [start_ms * MS]
    out.info.latency.end_ns = [end_ms * MS]
    return out


def health(received: int, used: int, dropped: int) -> msg.PerceptionHealth:
    nan = float("nan")
    status = msg.SensorStatus(name="top", received=received, used=used, dropped=dropped)
    return msg.PerceptionHealth(
        node="/sync", mode=1, cpu_percent=12.5, rss_mb=100.0, latency_p50_ms=nan, sensors=[status]
    )


def playback(count: int) -> msg.PlaybackState:
    return msg.PlaybackState(topics=["/points", "/tf"], published=[count, 99])


def build(builder: SummaryBuilder) -> dict:
    return builder.build("top", {"/points": "top"})


def test_latency_is_wall_time_from_the_stamp_and_per_stage() -> None:
    builder = SummaryBuilder(rate=2.0)
    for k in range(3):
        received = START + (100 * k + 80) * MS
        builder.add("/perception/objects", "TrackedObjectArray", received, objects(100 * k, 5, 5 + 10 * k))
    latency = build(builder)["latency_ms"]
    assert latency["end_to_end"]["p50"] == pytest.approx(40.0)
    assert latency["stages"]["tracker"] == {"p50": 10.0, "p95": 19.0, "p99": 19.8, "max": 20.0, "count": 3}


def test_predicted_outputs_have_no_sensor_latency() -> None:
    builder = SummaryBuilder()
    late = objects(100, 0, 1)
    late.info.latency.sensor_time_newest_ns = START
    builder.add("/perception/objects", "TrackedObjectArray", START + 500 * MS, late)
    assert build(builder)["latency_ms"]["end_to_end"]["count"] == 0


def test_only_published_objects_count() -> None:
    builder = SummaryBuilder()
    builder.add("/perception/objects", "TrackedObjectArray", START, objects(0, 0, 1, states=(0, 1, 2, 3)))
    assert build(builder)["objects"] == {
        "tracks": 2, "tracks_by_label": {"car": 2}, "mean_per_frame": 2.0, "max_per_frame": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("used", "played", "balanced", "lost"), [(7, 10, True, 0), (6, 10, False, 0), (7, 11, False, 1)]
)
def test_sums_are_checked_against_the_player(used: int, played: int, balanced: bool, lost: int) -> None:
    builder = SummaryBuilder()
    builder.add("/perception/health", "PerceptionHealth", START, health(5, 5, 0))
    builder.add("/perception/health", "PerceptionHealth", START + MS, health(10, used, 3))
    builder.add("/perception/playback", "PlaybackState", START, playback(played))
    out = build(builder)
    (row,) = out["inputs"]
    assert (row["received"], row["balanced"], row["lost"]) == (10, balanced, lost)
    assert out["frames"]["published"] == {"top": played}


def test_a_run_without_a_player_says_what_it_has_read() -> None:
    builder = SummaryBuilder()
    message = health(10, 8, 2)
    message.node = "/pipeline"
    builder.add("/perception/health", "PerceptionHealth", START, message)
    out = build(builder)
    assert out["frames"]["published"] == {"top": 10}
    assert "lost" not in out["inputs"][0]


def test_what_is_told_names_no_figure_that_is_not_known() -> None:
    empty = build(SummaryBuilder())
    summary = {**empty, "run": {"cpu_percent_total": None}, "metrics": None, "problems": []}
    console = Console(record=True, width=200)
    _tell(summary, Path("out"), console)
    text = console.export_text()
    assert "no sweep -> 0 object messages" in text and "not known" in text
    assert "None" not in text


def test_load_counts_while_playing_only() -> None:
    builder = SummaryBuilder()
    state = playback(1)
    state.stamp_start_ns, state.stamp_end_ns = START, START + 5000 * MS
    for at_ms, cpu in ((-2000, 99.0), (500, 99.0), (1500, 10.0), (4000, 15.0), (5500, 99.0)):
        message = health(1, 1, 0)
        message.cpu_percent = cpu
        builder.add("/perception/health", "PerceptionHealth", START + at_ms * MS, message)
    builder.add("/perception/playback", "PlaybackState", START, state)
    assert build(builder)["nodes"]["sync"]["cpu_percent_mean"] == 12.5


def test_drops_by_reason() -> None:
    builder = SummaryBuilder()
    for reason in (msg.DropEvent.REASON_STALE, msg.DropEvent.REASON_STALE, msg.DropEvent.REASON_MALFORMED):
        builder.add(
            "/perception/drops",
            "DropEvent",
            START,
            msg.DropEvent(node="/sync", topic="/points", reason=reason),
        )
    drops = build(builder)["drops"]
    assert (drops["total"], drops["by_reason"]) == (3, {"STALE": 2, "MALFORMED": 1})


def test_rates_of_all_topics_also_of_foreign_types() -> None:
    builder = SummaryBuilder()
    for k in range(11):
        builder.add("/tf", "", START + 50 * k * MS, None)
    assert build(builder)["topics"]["/tf"] == {"count": 11, "rate_hz": 20.0}


def test_no_values_have_no_percentiles() -> None:
    assert percentiles([]) == {"p50": None, "p95": None, "p99": None, "max": None, "count": 0}
