"""The words of `perception track` reach the tracker; wrong ones are one sentence."""

from __future__ import annotations

import sys

import pytest

from perception_nodes.cli import main


def said(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["perception", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main.main()
    return stop.value.code


def test_several_classes_behind_one_option(sequence, monkeypatch):
    (sequence / "det3d_Cyclist").mkdir()
    text = (sequence / "det3d_Car" / "0003.txt").read_text().replace(",2,", ",3,")
    (sequence / "det3d_Cyclist" / "0003.txt").write_text(text)
    words = ("--detections", sequence, "--classes", "Car", "Cyclist", "--sequences", "3", "--split-classes")
    assert said(monkeypatch, "track", "--format", "kitti", *words, "--output", sequence / "out") == 0
    found = sorted(p.relative_to(sequence / "out").as_posix() for p in (sequence / "out").rglob("*.txt"))
    assert found == ["Car/0003.txt", "Cyclist/0003.txt"]


def test_sequences_that_are_no_numbers(sequence, monkeypatch, capsys):
    words = ("--detections", sequence, "--sequences", "one", "--output", sequence / "out")
    assert said(monkeypatch, "track", "--format", "kitti", *words) == 2
    assert "--sequences: wanted whole numbers" in capsys.readouterr().err


def test_only_the_tracker_can_be_tuned(sequence, monkeypatch, capsys):
    words = ("tune", "detector", "--truth", sequence / "label_02", "--detections", sequence)
    assert said(monkeypatch, *words) == 2
    assert "wanted tracker, scores, choices, ablation, consistency" in capsys.readouterr().err


def test_truth_is_needed_for_recorded_drives_only(sequence, monkeypatch, capsys):
    assert said(monkeypatch, "tune", "tracker") == 2
    assert "wanted --truth and --detections" in capsys.readouterr().err


def test_consistency_of_one_short_drive(sequence, monkeypatch, capsys):
    assert said(monkeypatch, "tune", "consistency", "--seeds", "7", "--seconds", "1.5") == 0
    out = capsys.readouterr().out
    assert "in 95 %" in out
    assert "ECE" in out
    assert "per 1,000" in out
