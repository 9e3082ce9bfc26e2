"""The story of an object, on a recording that is made by hand: every stage, every reason, the picture, the commands."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from perception_nodes.assessment import diagnosing, recording
from perception_nodes.assessment.diagnosing import diagnose_recording, ensure_tables, recording_outages
from perception_nodes.assessment.ego import EgoMotion
from perception_nodes.assessment.explain import explain, how_followed
from perception_nodes.assessment.messages import DropRecord, Heartbeat, TrackFrame
from perception_nodes.assessment.recording import Recording
from perception_nodes.assessment.strip import draw_strip, run_rows, write_strip
from perception_nodes.cli import main as cli
from perception_nodes.datasets import find_rig
from perception_nodes.datatypes import (
    LABEL_INDEX,
    Drop,
    DropReason,
    EndReason,
    InputError,
    Modality,
    Mode,
    Qualifier,
    SensorReason,
    SensorStatus,
    TrackState,
)
from perception_nodes.evaluation import BoxFrame
from perception_nodes.evaluation.diagnosis import Cause

CAR, TRUCK = LABEL_INDEX["car"], LABEL_INDEX["truck"]
STEP_NS = 100_000_000
T, C, D = TrackState.TENTATIVE, TrackState.CONFIRMED, TrackState.DELETED
# What becomes of object 1 in twenty frames: (label of the detection or None, track, its state, its label).
SCRIPT: list[tuple[int | None, int | None, TrackState, int]] = [
    *[(None, None, T, CAR)] * 2,
    *[(CAR, 7, T, CAR)] * 2,
    *[(CAR, 7, C, CAR)] * 4,
    *[(None, 7, TrackState.COASTING, CAR)] * 2,
    (None, 7, D, CAR),
    *[(CAR, None, T, CAR)] * 2,
    *[(TRUCK, 9, C, TRUCK)] * 4,
    *[(CAR, 9, C, CAR)] * 3,
]


def boxes(k: int, items: list[tuple[int, float, int]], points: int = 50) -> BoxFrame:
    """(id, y, label) of cars 10 m ahead."""
    n = len(items)
    return BoxFrame(
        k * STEP_NS,
        np.array([i for i, _, _ in items], np.int64),
        np.array([label for _, _, label in items], np.int64),
        np.full(n, 0.9),
        np.array([[10.0, y, 0.8] for _, y, _ in items]).reshape(n, 3),
        np.tile([4.5, 1.9, 1.6], (n, 1)),
        np.zeros(n),
        np.zeros((n, 2)),
        np.full(n, points),
        np.zeros(2),
    )


def tracks(frame: BoxFrame, states: list[TrackState]) -> TrackFrame:
    n = len(frame)
    ended = [EndReason.MISSED if s is D else EndReason.NONE for s in states]
    whole = [np.array(v, np.int64) for v in (states, ended, [0] * n, [0] * n)]
    none = np.full(n, np.nan)
    nothing: tuple[Any, ...] = ((),) * n
    return TrackFrame(frame, whole[0], whole[1], whole[2], np.zeros((n, 8, 8)), none, none, whole[3], nothing)


def made(**other: Any) -> Recording:
    """Object 1 as in SCRIPT; object 2, 20 m to the left, is always tracked as 5."""
    truth, seen, ours = [], [], []
    for k, (label, track, state, called) in enumerate(SCRIPT):
        truth.append(boxes(k, [(1, 0.0, CAR), (2, 20.0, CAR)]))
        seen.append(boxes(k, [(0, 20.0, CAR), *([(1, 0.1, label)] if label is not None else [])]))
        mine = [(5, 20.0, CAR), *([(track, 0.1, called)] if track is not None else [])]
        ours.append(tracks(boxes(k, mine), [C, *([state] if track is not None else [])]))
    values: dict[str, Any] = {
        "folder": Path("out"),
        "frame_id": "odom",
        "rig": find_rig("pandaset"),
        "summary": {},
        "tracks": tuple(f.published for f in ours),
        "track_frames": tuple(ours),
        "detections": {"fusion": tuple(seen), "pandar64": tuple(seen)},
        "truth": tuple(truth),
        "publications": (),
        "drops": (),
        "heartbeats": (),
        "maps": (),
        "map_truth": None,
        "ego": EgoMotion("odom", "base_link"),
    }
    return Recording(**{**values, **other})


def test_the_story_goes_through_all_stages() -> None:
    story = explain(made(), 1)
    told = [(len(r.moments), r.first.stages["pandar64"], r.first.track, r.first.why) for r in story.runs]
    assert told == [
        (2, "-", "-", "not seen: unexplained"),
        (2, "seen", "7 tentative (not published)", "below threshold: track not confirmed"),
        (4, "seen", "7 confirmed", ""),
        (2, "-", "7 coasting", ""),
        (1, "-", "-", "not seen: unexplained"),
        (2, "seen", "-", "no track"),
        (4, "seen as truck", "9 confirmed as truck", "class: called truck"),
        (3, "seen", "9 confirmed", ""),
    ]
    assert story.sources == ("pandar64", "fusion")


def test_events_say_when_tracks_come_and_go() -> None:
    events = [(round(t, 1), text) for t, text in explain(made(), 1).events]
    assert events == [
        (0.2, "track 7 begins"),
        (1.0, "track 7 ended: missed"),
        (1.3, "track 9 takes over from 7"),
    ]


def test_how_well_each_object_was_followed() -> None:
    worst, best = how_followed(made())
    assert (worst.truth_id, worst.published, worst.ids, worst.lost) == (1, 9 / 20, (7, 9), 1)
    assert worst.main_cause is Cause.UNEXPLAINED and worst.range_m == (10.0, 10.0)
    assert (best.truth_id, best.published, best.ids, best.lost, best.main_cause) == (2, 1.0, (5,), 0, None)


def test_a_detection_that_covers_two_objects_is_merged() -> None:
    plain = made()
    truth = [boxes(k, [(1, 0.0, CAR), (2, 2.5, CAR)]) for k in range(20)]
    long = [
        dataclasses.replace(boxes(k, [(0, 2.2, CAR)]), lwh_m=np.array([[4.5, 6.0, 1.6]])) for k in range(20)
    ]
    none = tuple(tracks(boxes(k, []), []) for k in range(20))
    merged = dataclasses.replace(
        plain,
        truth=tuple(truth),
        detections={"fusion": tuple(long)},
        track_frames=none,
        tracks=tuple(f.boxes for f in none),
    )
    (run,) = explain(merged, 1).runs
    assert run.first.stages == {"fusion": "merged into 2"} and run.first.why == "merged into 2"


def test_a_neighbours_track_is_named() -> None:
    plain = made()
    truth = tuple(boxes(k, [(1, 18.5, CAR), (2, 20.0, CAR)]) for k in range(20))
    moment = explain(dataclasses.replace(plain, truth=truth), 1).moments[0]
    assert moment.track == "5 follows 2" and not moment.published


def test_frames_that_never_came_are_no_message() -> None:
    plain = made()
    cut = dataclasses.replace(
        plain,
        detections={"fusion": plain.detections["fusion"][:5]},
        tracks=plain.tracks[:5],
        track_frames=plain.track_frames[:5],
    )
    last = explain(cut, 1).moments[-1]
    assert last.stages == {"fusion": "no message"} and last.track == "no message"


def test_drops_and_gaps_are_the_reason() -> None:
    drop = Drop(4 * STEP_NS, "pandar64", "/sensing/lidar/pandar64/points", DropReason.STALE, 0.1, 0.1, "")
    plain = made(drops=(DropRecord("sync", 0, drop),))
    keep = [k for k in range(20) if k not in range(4, 7)]
    lost = dataclasses.replace(
        plain,
        tracks=tuple(f.select(f.id < 0) if k in range(4, 7) else f for k, f in enumerate(plain.tracks)),
        detections={"pandar64": tuple(plain.detections["pandar64"][k] for k in keep)},
    )
    outages = recording_outages(lost)
    assert [(o.sensor, o.dropped, o.reason) for o in outages] == [
        ("pandar64", False, "no detections"),
        ("pandar64", True, "STALE"),
    ]
    assert explain(lost, 2).moments[4].why == "sensor missing: pandar64 no detections"


def test_sensors_that_were_not_available_are_outages() -> None:
    def beat(k: int, qualifier: Qualifier) -> Heartbeat:
        status = SensorStatus("pandar64", Modality.LIDAR, qualifier, SensorReason.STALE, k * STEP_NS)
        return Heartbeat("supervisor/state", (k + 2) * STEP_NS, Mode.NOMINAL, (), (status,))

    words = [Qualifier.AVAILABLE, Qualifier.NOT_AVAILABLE, Qualifier.NOT_AVAILABLE, Qualifier.AVAILABLE]
    (outage,) = recording_outages(made(heartbeats=tuple(beat(k, w) for k, w in enumerate(words))))
    assert (outage.start_ns, outage.end_ns, outage.reason) == (STEP_NS, 5 * STEP_NS, "STALE")


def test_unknown_objects_and_missing_truth_are_named() -> None:
    with pytest.raises(InputError, match=r"no true object 4: wanted an id of --list, e\.g\. 2"):
        explain(made(), 4)
    with pytest.raises(InputError, match=r"no truth to compare with \(no truth.jsonl\)"):
        diagnose_recording(made(truth=()))


@pytest.mark.parametrize("truth_id", [1, 2])
def test_the_picture_shows_what_was_told(truth_id: int) -> None:
    image = draw_strip(explain(made(), truth_id))
    row = image[520 + 30 + 2 * 30 + 12, 150:1370]  # the timeline of the track
    green = (row == (115, 158, 0)).all(axis=1).mean()
    assert green == pytest.approx(7 / 20 if truth_id == 1 else 1.0, abs=0.03)


def test_pictures_and_pages_are_written(tmp_path: Path) -> None:
    story = explain(made(), 1)
    write_strip(story, tmp_path / "a.png")
    write_strip(story, tmp_path / "a.html")
    assert cv2.imread(str(tmp_path / "a.png")).shape == draw_strip(story).shape
    page = (tmp_path / "a.html").read_text()
    assert "below threshold: track not confirmed" in page and "data:image/png;base64," in page
    assert "track 9 takes over from 7" in page
    with pytest.raises(InputError, match=r"a name that ends in \.png or \.html"):
        write_strip(story, tmp_path / "a.pdf")
    with pytest.raises(InputError, match="there is no folder"):
        write_strip(story, tmp_path / "none" / "a.png")


def test_the_table_has_a_row_a_run() -> None:
    head, rows = run_rows(explain(made(), 1))
    assert len(rows) == 8 and all(len(row) == len(head) for row in rows)
    assert rows[2][:5] == ("0.4 - 0.7", "4", "10", "50", "0%")
    assert [row[head.index("score")] for row in rows[:3]] == ["", "0.90", "0.90"]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `perception WORDS` on the recording above."""
    monkeypatch.setattr(recording, "read_recording", lambda folder: made(folder=folder))
    monkeypatch.setattr(diagnosing, "read_recording", lambda folder: made(folder=folder))
    monkeypatch.setenv("COLUMNS", "200")
    cli._register(cli.COMMANDS)
    return lambda *words: CliRunner().invoke(cli.app, list(words))


def test_explain_prints_the_story(command: Any, tmp_path: Path) -> None:
    result = command("explain", "out", "--list", "--object", "1", "--output", str(tmp_path / "one.png"))
    assert result.exit_code == 0, result.output
    for words in (
        "missed for",
        "object 1, car: published in 45% of 20 frames",
        "9 confirmed as truck",
        "one.png",
    ):
        assert words in result.output
    assert (tmp_path / "one.png").is_file()


def test_explain_wants_an_object(command: Any) -> None:
    with pytest.raises(InputError, match="wanted --object ID or --list"):
        raise command("explain", "out").exception


def test_slice_makes_its_tables_and_answers(command: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("duckdb")
    result = command(
        "slice", str(tmp_path), "--sql", "SELECT truth_id, count(*) AS n FROM objects GROUP BY 1 ORDER BY 1"
    )
    assert [line.split() for line in result.output.splitlines()] == [
        ["truth_id", "n"],
        ["1", "20"],
        ["2", "20"],
    ]
    assert "too small" in command("slice", str(tmp_path)).output
    assert "heading_error_rad" in command("slice", str(tmp_path), "--list").output
    wrong = command("slice", str(tmp_path), "--sql", "SELECT nothing FROM objects").exception
    assert isinstance(wrong, InputError) and str(wrong).startswith("SQL: ")


def test_tables_of_an_older_run_are_made_anew(command: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    ensure_tables(tmp_path)
    first = (tmp_path / "objects.parquet").stat().st_mtime_ns
    ensure_tables(tmp_path)
    assert (tmp_path / "objects.parquet").stat().st_mtime_ns == first
    (tmp_path / "outputs.mcap").write_bytes(b"")
    ensure_tables(tmp_path)
    assert (tmp_path / "objects.parquet").stat().st_mtime_ns > first
