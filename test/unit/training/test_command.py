"""`perception train` where torch is missing; needs none itself."""

from __future__ import annotations

import importlib.util

import pytest
from typer.testing import CliRunner

from perception_nodes.cli.main import app
from perception_nodes.cli.train import train
from perception_nodes.datatypes import ConfigurationError


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    if "train" not in [c.name for c in app.registered_commands]:
        app.command("train")(train)
    result = CliRunner().invoke(app, ["train", "lidar", "--rig", "vlp16"])
    assert isinstance(result.exception, ConfigurationError)
    assert "pip install" in str(result.exception)
