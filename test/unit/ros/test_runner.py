"""What is told of a node that ended: one sentence where it refused its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from perception_nodes.ros.runner import GraphRunner

REFUSED = """[INFO] [1.0] [sync]: hello
[ERROR] [1.1] [sync]: cannot be configured: parameter policy: wanted one of ['aligner'], got 'foo'
[FATAL] [1.2] [sync]: Exception in 'timers' callback: sync: could not be configured; the reason is above
  File "node.py", line 163, in _start_alone
ConfigurationError: sync: could not be configured; the reason is above
"""


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[GraphRunner]:
    made = GraphRunner([], tmp_path)
    yield made
    made.stop()


def test_a_refused_configuration_is_one_sentence_with_its_log(runner: GraphRunner) -> None:
    runner.log_path("sync").write_text(REFUSED)
    assert runner.complaint("sync") == (
        "node sync cannot be configured: parameter policy: wanted one of ['aligner'], got 'foo' "
        f"(log: {runner.log_path('sync')})"
    )


def test_anything_else_is_told_with_the_last_lines(runner: GraphRunner) -> None:
    runner.log_path("sync").write_text("Traceback (most recent call last):\nKeyError: 'x'\n")
    text = runner.complaint("sync")
    assert text.startswith(f"node sync does not answer (log: {runner.log_path('sync')})")
    assert "KeyError: 'x'" in text
