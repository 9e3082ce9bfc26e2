"""Two runs must not share a domain; what the file system refuses is said in a sentence."""

from __future__ import annotations

import errno
import sys
from typing import Any

import pytest

from perception_nodes.cli import main as cli
from perception_nodes.runs.online import GraphFailed, alone_in_domain


def test_the_second_run_of_a_domain_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "231")
    with alone_in_domain():
        with pytest.raises(GraphFailed, match="running already in domain 231"), alone_in_domain():
            pass
        monkeypatch.setenv("ROS_DOMAIN_ID", "230")
        with alone_in_domain():
            pass


def test_the_mark_goes_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "231")
    for _ in range(2):
        with alone_in_domain():
            pass


def fail(code: int) -> Any:
    def app() -> None:
        raise OSError(code, "the disk's answer", "out/outputs.mcap")

    return app


def test_a_full_disk_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["perception", "convert"])
    monkeypatch.setattr(cli, "app", fail(errno.ENOSPC))
    monkeypatch.setattr(cli, "_register", lambda names: None)  # noqa: ARG005 - the signature is the original's
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert "the disk's answer: 'out/outputs.mcap'" in capsys.readouterr().err


def test_other_errors_of_the_system_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["perception", "convert"])
    monkeypatch.setattr(cli, "app", fail(errno.EBADF))
    monkeypatch.setattr(cli, "_register", lambda names: None)  # noqa: ARG005 - the signature is the original's
    with pytest.raises(OSError, match="the disk's answer"):
        cli.main()
