"""`perception train` where torch is missing; needs none itself."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from perception_nodes.cli.adapt import adapt
from perception_nodes.cli.main import app
from perception_nodes.cli.train import train
from perception_nodes.cli.train_options import check_extra, check_lidars
from perception_nodes.datasets.rigs import known_rig
from perception_nodes.datatypes import ConfigurationError, Rig
from perception_nodes.simulation.sensors.beams import DEFAULT_LIDAR, LIDARS, lidar_spec


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    if "train" not in [c.name for c in app.registered_commands]:
        app.command("train")(train)
    result = CliRunner().invoke(app, ["train", "lidar", "--rig", "vlp16"])
    assert isinstance(result.exception, ConfigurationError)
    assert "pip install" in str(result.exception)


@pytest.mark.parametrize("missing", ["torch", "onnx", "onnxscript"])
def test_what_only_the_end_of_a_run_needs_is_asked_for_at_its_beginning(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(ConfigurationError, match=f"command: {missing} is not installed: pip install"):
        check_extra("command")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    check_extra("command")


def test_adapt_without_torch_and_with_an_impossible_share(monkeypatch: pytest.MonkeyPatch) -> None:
    if "adapt" not in [c.name for c in app.registered_commands]:
        app.command("adapt")(adapt)
    words = ["adapt", "--bag", "drive.mcap", "--model", "m.onnx"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    result = CliRunner().invoke(app, [*words, "--share", "1.5"])
    assert "--share 1.5: wanted more than 0" in str(result.exception)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, ConfigurationError)
    assert "pip install" in str(result.exception)


def modelled(**model: Any) -> Rig:
    """The rig vlp16 with another `model:` of its lidar."""
    rig = known_rig("vlp16")
    return replace(rig, sensors=(replace(rig.sensors[0], model=model),))


@pytest.mark.parametrize("model", [{}, {"columns": 900}, {"clock_s": 0.1}])
def test_a_lidar_that_the_rig_does_not_name_is_told_of(
    model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    check_lidars([modelled(type="hdl64"), modelled(**model)], Console(width=1000))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"rig vlp16: sensor lidar: model: names no lidar, so {DEFAULT_LIDAR} is simulated")
    assert all(name in line for name in LIDARS)
    assert lidar_spec({}, "") == LIDARS[DEFAULT_LIDAR]


def test_lidars_that_are_named_or_described_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    check_lidars([modelled(type="vlp16", columns=900), modelled(elevation_deg=[0.0, 1.0])], Console())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("rig", "words"),
    [(modelled(type="vlp61"), r"sensor lidar: model: type 'vlp61': wanted one of \['dense32'.*'vlp16'\]"),
     (modelled(type="vlp16", beams=3), "unknown key 'beams'"),
     (replace(known_rig("default"), sensors=known_rig("default").sensors[1:], reference="front"), "wanted a lidar")],
)  # fmt: skip
def test_a_lidar_that_is_none_is_refused(rig: Rig, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        check_lidars([rig], Console())
