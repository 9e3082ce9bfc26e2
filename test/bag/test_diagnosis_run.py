"""Faults put into the objects of a real run: what the diagnosis says has changed; the commands on its folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perception_nodes.assessment.diagnosing import diagnose_recording
from perception_nodes.assessment.recording import Recording, read_recording
from perception_nodes.datatypes import LABEL_INDEX
from perception_nodes.evaluation import BoxFrame
from perception_nodes.evaluation.diagnosis import Cause, Diagnosis, Outage, diagnose

pytestmark = pytest.mark.slow

Frames = Sequence[BoxFrame]


def perception(*words: str) -> str:
    """What a command prints."""
    command = [sys.executable, "-m", "perception_nodes.cli.main", *words]
    result = subprocess.run(command, check=False, capture_output=True, text=True, env={"COLUMNS": "200"})
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def run(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """PandaSet 002 through the pipeline."""
    out = tmp_path_factory.mktemp("run") / "out"
    perception("run", str(shared_data / "pandaset_002"), "--offline", "--output", str(out))
    return read_recording(out)


@pytest.fixture(scope="module")
def plain(run: Recording) -> Diagnosis:
    """The run as it is."""
    return diagnose_recording(run)


def test_shifted_boxes_are_what_has_changed(run: Recording, plain: Diagnosis) -> None:
    moved = [replace(f, center_m=f.center_m + np.array([0.6, 0.0, 0.0])) for f in run.tracks]
    diagnosis = diagnose(run.truth, moved)
    assert diagnosis.changed_most(plain) is Cause.LOCALISATION
    assert diagnosis.systematic.model == "offset in the ego frame"
    assert np.hypot(*diagnosis.systematic.ego_offset_m) == pytest.approx(0.6, abs=0.1)


def test_a_renamed_class_is_what_has_changed(run: Recording, plain: Diagnosis) -> None:
    car, truck = LABEL_INDEX["car"], LABEL_INDEX["truck"]
    called = [replace(f, label=np.where(f.label == car, truck, f.label)) for f in run.tracks]
    diagnosis = diagnose(run.truth, called)
    assert diagnosis.changed_most(plain) is Cause.CLASS and diagnosis.confusion[0][:2] == ("car", "truck")


@pytest.mark.parametrize("dropped", [False, True])
def test_a_sensor_gone_for_two_seconds_is_what_has_changed(
    run: Recording, plain: Diagnosis, dropped: bool
) -> None:
    start = run.tracks[15].stamp_ns
    outage = Outage("pandar64", start, start + 2_000_000_000, dropped)
    gone = [f.select(np.full(len(f), not outage.start_ns <= f.stamp_ns <= outage.end_ns)) for f in run.tracks]
    diagnosis = diagnose(run.truth, gone, outages=[outage])
    assert diagnosis.changed_most(plain) is outage.cause


def test_a_delay_of_200_ms_is_what_has_changed(run: Recording, plain: Diagnosis) -> None:
    pairs = zip(run.tracks[2:], run.tracks[:-2], strict=True)
    late = [replace(old, stamp_ns=now.stamp_ns) for now, old in pairs]
    diagnosis = diagnose(run.truth[2:], late)
    assert diagnosis.changed_most(plain) is Cause.LATE
    assert diagnosis.systematic.delay_ns * 1e-6 == pytest.approx(200, abs=40)


def test_a_run_has_not_changed_from_itself(run: Recording, plain: Diagnosis) -> None:
    assert diagnose_recording(run).changed_most(plain) is None
    assert plain.systematic.model == "none"


def test_the_commands_tell_the_same(run: Recording, plain: Diagnosis, tmp_path: Path) -> None:
    sql = "SELECT count(*) AS n FROM objects WHERE cause = 'class' AND NOT matched"
    assert perception("slice", str(run.folder), "--sql", sql).split() == [
        "n",
        str(plain.share(Cause.CLASS).misses),
    ]
    assert "recall" in perception("slice", str(run.folder))
    page = tmp_path / "one.html"
    told = perception("explain", str(run.folder), "--object", "35", "--output", str(page))
    assert "object 35, truck" in told and "fusion" in told and page.stat().st_size > 10_000
