"""`perception train` where torch is missing; needs none itself."""

from __future__ import annotations

import importlib.util

import pytest
from typer.testing import CliRunner

from perception_nodes.cli.adapt import adapt
from perception_nodes.cli.main import app
from perception_nodes.cli.train import train
from perception_nodes.cli.train_options import check_extra
from perception_nodes.datatypes import ConfigurationError


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
