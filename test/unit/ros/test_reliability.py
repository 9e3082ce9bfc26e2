"""Which reliability fits what publishers offer."""

from __future__ import annotations

import pytest
from rclpy.qos import ReliabilityPolicy

from perception_nodes.ros.reliability import fitting

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        ([RELIABLE], RELIABLE),
        ([RELIABLE, RELIABLE], RELIABLE),
        ([BEST_EFFORT], BEST_EFFORT),
        ([RELIABLE, BEST_EFFORT], BEST_EFFORT),
        ([RELIABLE, ReliabilityPolicy.UNKNOWN], BEST_EFFORT),
    ],
)
@pytest.mark.parametrize("now", [RELIABLE, BEST_EFFORT])
def test_reliable_only_if_all_offer_it(
    offered: list[ReliabilityPolicy], wanted: ReliabilityPolicy, now: ReliabilityPolicy
) -> None:
    assert fitting(offered, now) == wanted


@pytest.mark.parametrize("now", [RELIABLE, BEST_EFFORT])
def test_without_publishers_all_stays(now: ReliabilityPolicy) -> None:
    assert fitting([], now) == now
