"""Which calibration belongs to detections, and what the tracker publishes with it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import yaml

from perception_nodes.datatypes import CAR, ConfigurationError, Detections3D
from perception_nodes.datatypes.existence import ExistenceCalibration, ExistenceTable
from perception_nodes.detection.learned_choice import SHIPPED
from perception_nodes.detection.runtime import int8_path
from perception_nodes.geometry import Transform
from perception_nodes.resources import resource_path
from perception_nodes.tracking import ExistenceCalibrations, MultiObjectTracker, Source, TrackerConfig
from perception_nodes.tracking.calibration import AUTO, NONE, KnownCalibration, as_entry, deciding

TABLE = ExistenceTable((0.1, 0.9), (0.4, 0.95))
MINE = Source("mine", "1234")
HERE = Transform.identity()


def entry(**changes):
    known = KnownCalibration(
        MINE, deciding(TrackerConfig()), ExistenceCalibration("mine-1", 0.02, {"vehicle": TABLE})
    )
    return as_entry(known, {"made_by": "hand"}) | changes


def written(path, *entries):
    path.write_text(yaml.safe_dump({"calibrations": list(entries)}))
    return ExistenceCalibrations.read(str(path))


def cars(k, frame_id="odom"):
    center, size = np.array([[10.0, 0.0, 0.8], [20.0, 8.0, 0.8]]), np.tile([4.5, 1.9, 1.6], (2, 1))
    known = {"score": np.array([0.9, 0.6]), "label": np.full(2, CAR, np.uint8)}
    known["class_probabilities"] = np.eye(11)[[CAR, CAR]]
    return Detections3D.of(k * 100_000_000, frame_id, "lidar", center, size, np.zeros(2), **known)


def tracked(calibration, frame_id="odom"):
    tracker = MultiObjectTracker()
    tracker.calibration = calibration
    for k in range(1, 6):
        tracks = tracker.step(cars(k, frame_id), HERE)
    return tracker, tracks


def test_a_calibration_is_found_by_the_detections_it_is_of(tmp_path):
    known = written(tmp_path / "a.yaml", entry(), entry(model_hash="5678", id="mine-2"))
    found = known.find(MINE, TrackerConfig())
    assert (found.id, found.expected_error, dict(found.tables)) == ("mine-1", 0.02, {"vehicle": TABLE})
    assert known.find(Source("mine", "5678"), TrackerConfig()).id == "mine-2"
    assert known.find(Source("mine"), TrackerConfig()) is None
    assert known.named("mine-2").id == "mine-2"
    assert known.named("other") is None


def test_a_tracker_with_other_parameters_of_existence_has_none(tmp_path):
    known = written(tmp_path / "a.yaml", entry())
    assert known.find(MINE, TrackerConfig(clutter_ratio=0.2)) is None
    assert "tracker with other parameters" in known.missing(MINE, TrackerConfig(clutter_ratio=0.2))
    assert known.find(MINE, TrackerConfig(turn_time_s=2.0)) is not None


def test_why_there_is_none_is_said(tmp_path):
    known = written(tmp_path / "a.yaml", entry())
    assert "nothing for detections of yours 9" in known.missing(Source("yours", "9"), TrackerConfig())
    assert "an unnamed source" in known.missing(Source(""), TrackerConfig())
    assert "switched off" in ExistenceCalibrations.read(NONE).missing(MINE, TrackerConfig())


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "wanted auto, none or a file"), ("[1, 2", "wanted auto, none or a file"), ("a: 1", "wanted a list"),
     ("calibrations: [{id: x}]", "wanted id, model_id"), ("calibrations: [3]", "wanted id, model_id"),
     ("[" * 3000, "wanted auto, none or a file"),
     (f"calibrations: [{{id: x, tables: {{person: {{belief: [{10**400}]}}}}}}]", "wanted id, model_id")],
)  # fmt: skip
def test_what_is_no_such_file_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "some.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigurationError, match=message) as error:
        ExistenceCalibrations.read(str(path))
    assert "some.yaml" in str(error.value)


def test_a_table_that_does_not_rise_is_told_of_with_its_file(tmp_path):
    table = {"vehicle": {"belief": [0.1, 0.2], "probability": [0.3, 0.2]}}
    with pytest.raises(ConfigurationError, match=r"some\.yaml: ExistenceTable\.probability: wanted rising"):
        written(tmp_path / "some.yaml", entry(tables=table))


def test_what_is_shipped_is_for_the_shipped_detector_and_tracker():
    known = ExistenceCalibrations.read(AUTO)
    found = known.find(Source("late_fusion(geometric)"), TrackerConfig())
    assert found is not None, (
        "the tracker's parameters have changed: perception tune existence, docs/tracking.md"
    )
    assert found.expected_error <= 0.05


def test_the_published_existence_is_the_calibrated_belief():
    _, plain = tracked(None)
    tracker, shown = tracked(ExistenceCalibration("mine-1", 0.02, {"vehicle": TABLE}))
    assert tracker.calibration_id == "mine-1"
    np.testing.assert_allclose(shown.existence_probability, TABLE.forward(plain.existence_probability))
    assert (shown.existence_probability > plain.existence_probability + 0.02).all()
    ahead = tracker.predict(600_000_000)
    assert (ahead.existence_probability > tracked(None)[0].predict(600_000_000).existence_probability).all()


def test_without_odometry_nothing_is_calibrated():
    calibration = ExistenceCalibration("mine-1", 0.02, {"vehicle": TABLE})
    tracker, shown = tracked(calibration, "base_link")
    _, plain = tracked(None, "base_link")
    assert tracker.calibration_id == ""
    np.testing.assert_array_equal(shown.existence_probability, plain.existence_probability)


def test_the_shipped_file_is_of_the_shipped_models():
    known = ExistenceCalibrations.read(AUTO)
    for word, relative in SHIPPED.items():
        file = int8_path(resource_path(relative))
        source = Source(f"late_fusion(lidar_{word})", hashlib.sha256(file.read_bytes()).hexdigest()[:16])
        assert known.find(source, TrackerConfig()) is not None, f"{file}: run perception tune existence anew"
    assert known.find(Source("late_fusion(geometric)"), TrackerConfig()) is not None
