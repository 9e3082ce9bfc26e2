"""The name that was meant."""

from __future__ import annotations

import pytest

from perception_nodes.ros.names import nearest

KNOWN = ("match_gate_m", "tracker.match_gate_m", "max_age_s", "rig")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("match_gate", "match_gate_m"),
        ("tracker.match_gat_m", "tracker.match_gate_m"),
        ("detector.max_age_s", "max_age_s"),
        ("RIG", "rig"),
        ("zzzz", None),
    ],
)
def test_nearest(typed: str, meant: str | None) -> None:
    assert nearest(typed, KNOWN) == meant


def test_nothing_is_near_nothing() -> None:
    assert nearest("rig", ()) is None
