"""Maps of the existence: fitted to what is known, judged as it is counted by hand; and what counts as there."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from rich.console import Console

from perception_nodes.assessment.tracks.existence import ExistenceOptions, existence, interval, row_of
from perception_nodes.assessment.tracks.existence_drives import Published, in_box, paired
from perception_nodes.assessment.tracks.existence_fit import fit_table, fit_tables
from perception_nodes.datatypes import CAR, PEDESTRIAN, ConfigurationError, Detections3D, Tracks, TrackState
from perception_nodes.tracking import ExistenceCalibrations, MultiObjectTracker, Source, TrackerConfig


def published(n, rng, drive=0, label=CAR, **known):
    belief = rng.uniform(0.02, 0.98, n)
    values = {
        "drive": np.full(n, drive), "id": np.arange(n), "label": np.full(n, label), "tentative": np.zeros(n, bool),
        "belief": belief, "existence": belief, "there": rng.random(n) < belief**2,
    } | known  # fmt: skip
    return Published(**values)


def test_a_known_map_is_found():
    some = published(60_000, np.random.default_rng(1))
    at = np.linspace(0.1, 0.95, 18)
    np.testing.assert_allclose(fit_table(some.belief, some.there).forward(at), at**2, atol=0.03)


def test_where_more_belief_is_worth_less_the_map_rises_a_little_all_the_same():
    rng = np.random.default_rng(2)
    belief = rng.uniform(0.02, 0.98, 20_000)
    worth = fit_table(belief, rng.random(20_000) < 1 - belief).forward(np.linspace(0.05, 0.95, 30))
    assert (np.diff(worth) > 0).all()
    np.testing.assert_allclose(worth, 0.5, atol=0.03)


def test_one_outcome_for_all_gives_a_map_too():
    table = fit_table(np.full(500, 0.4), np.ones(500, bool))
    assert table.forward(np.array([0.4]))[0] == pytest.approx(500.5 / 501, abs=1e-4)


def test_rare_groups_get_the_map_of_all():
    rng = np.random.default_rng(3)
    many, few = published(5000, rng), published(10, rng, label=PEDESTRIAN)
    some = Published.joined([many, few])
    tables = fit_tables(some.label, some.tentative, some.belief, some.there)
    assert tables["person"] == fit_table(some.belief, some.there)
    assert tables["vehicle"] == fit_table(many.belief, many.there)


def test_figures_of_a_row_by_hand():
    half = {"belief": np.array([0.5, 0.5]), "there": np.array([True, True]), "id": np.array([4, 4])}
    row = row_of(published(2, np.random.default_rng(0), **half), np.array([0.9, 0.9]))
    assert (row.boxes, row.tracks, row.there) == (2, 1, 1.0)
    np.testing.assert_allclose(row.before, (0.5, 0.25, np.log(2)))
    np.testing.assert_allclose(row.after, (0.1, 0.01, -np.log(0.9)))


def test_the_interval_is_wider_if_drives_differ():
    rng = np.random.default_rng(4)
    good = [published(500, rng, k, there=np.ones(500, bool)) for k in range(3)]
    bad = [published(500, rng, k, there=np.zeros(500, bool)) for k in range(3, 6)]
    some = Published.joined([*good, *bad])
    low, high = interval(some, np.full(len(some), 0.5))
    assert low < 0.1
    assert high > 0.25


def tracks_at(*xy):
    """Confirmed cars of 4.5 x 1.9 x 1.6 m along x."""
    n, none = len(xy), Tracks.empty(1, "odom")
    names = [f.name for f in fields(Tracks) if f.name not in ("stamp_ns", "frame_id", "measurements")]
    values = {
        name: np.zeros((n, *getattr(none, name).shape[1:]), getattr(none, name).dtype) for name in names
    }
    values |= {"id": np.arange(1, n + 1).astype(np.uint64), "lwh_m": np.tile([4.5, 1.9, 1.6], (n, 1))}
    values["center_m"] = np.column_stack([np.array(xy, float).reshape(n, 2), np.full(n, 0.8)])
    values["state"] = np.full(n, int(TrackState.CONFIRMED), np.uint8)
    return Tracks(1, "odom", **values)


def truth(*xy):
    n = len(xy)
    center = np.column_stack([np.array(xy, float).reshape(n, 2), np.full(n, 0.8)])
    return Detections3D.of(1, "odom", "truth", center, np.tile([4.5, 1.9, 1.6], (n, 1)), np.zeros(n),
                           label=np.full(n, CAR, np.uint8))  # fmt: skip


def test_an_actor_is_one_object_and_belongs_to_the_confirmed_track():
    tracks = tracks_at((10.0, 0.0), (11.0, 0.0), (30.0, 0.0), (50.0, 0.0))
    state = np.array([TrackState.TENTATIVE, TrackState.CONFIRMED, TrackState.CONFIRMED, TrackState.TENTATIVE])
    tracks = replace(tracks, state=state.astype(np.uint8))
    got = paired(tracks, truth((10.0, 0.0), (32.5, 0.0), (50.5, 1.0)))
    assert got.tolist() == [False, True, False, True]


def test_points_in_the_box_of_a_track():
    tracks = tracks_at((10.0, 0.0))
    assert in_box(tracks, 0, np.array([[12.4, 0.0, 0.8]]))
    assert not in_box(tracks, 0, np.array([[12.7, 0.0, 0.8], [10.0, 1.4, 0.8], [10.0, 0.0, 2.5]]))
    assert not in_box(tracks, 0, np.zeros((0, 3)))


def test_the_whole_command_writes_what_the_tracker_takes(tmp_path: Path):
    path = tmp_path / "existence.yaml"
    other = {
        "model_id": "other",
        "model_hash": "",
        "id": "x",
        "tracker": "",
        "expected_error": 0,
        "tables": {},
    }
    path.write_text(yaml.safe_dump({"calibrations": [other]}))
    options = ExistenceOptions(
        scenarios=("straight_traffic",), seeds=(2,), fit_seeds=(1,), seconds=2.0, output=path
    )
    (row,) = existence(options, Console(quiet=True))
    known = ExistenceCalibrations.read(str(path))
    assert [k.source.model_id for k in known.known] == ["other", "late_fusion(geometric)"]
    found = known.find(Source("late_fusion(geometric)"), TrackerConfig())
    assert found.expected_error == pytest.approx(row.after[0], abs=1e-4)
    MultiObjectTracker().calibration = found


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"seeds": ()}, "wanted scenarios, seeds and models"), ({"fit_seeds": (11,)}, "11 is judged too"),
     ({"seconds": 0.1}, "--seconds"), ({"output": Path("x")}, "--output: wanted --fit-seeds")],
)  # fmt: skip
def test_impossible_options_are_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        ExistenceOptions(**changes)
