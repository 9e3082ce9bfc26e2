"""The doctor names what is wrong and what to do; each finding on an input that has just that fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from perception_nodes.datasets import BagWriter
from perception_nodes.datasets.messages import POINT_CLOUD, TF, point_cloud, tf_message
from perception_nodes.datatypes import Finding, Level
from perception_nodes.doctor import check_bag, check_installation
from perception_nodes.geometry import Transform

S = 1_000_000_000
XYZ = np.ones((3, 3), np.float32)


def bag(
    path: Path, stamps_s: list[float], *, mount: bool = True, lag_s: float = 0.0, motion: bool = True
) -> Path:
    """A bag with one lidar at these stamps."""
    out = path / "drive.mcap"
    pose = Transform.identity()
    with BagWriter(out) as writer:
        if mount:
            writer.write("/tf_static", tf_message([(S, "base_link", "top", pose)]), TF, S)
        for k in range(60 if motion else 0):
            stamp = S + k * S // 20
            writer.write("/tf", tf_message([(stamp, "odom", "base_link", pose)]), TF, stamp)
        for k, at in enumerate(stamps_s):
            stamp = round(at * S)
            logged = round((stamps_s[0] + 0.1 * k + lag_s) * S)
            writer.write("/top/points", point_cloud(stamp, "top", XYZ, {}), POINT_CLOUD, logged)
    return out


def even(count: int = 20) -> list[float]:
    return [1.0 + 0.1 * k for k in range(count)]


def bad(findings: list[Finding]) -> list[Finding]:
    return [f for f in findings if f.level >= Level.WARN]


def test_good_bag_has_nothing_to_complain_about(tmp_path: Path) -> None:
    assert bad(list(check_bag(bag(tmp_path, even())))) == []


FAULTS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "backwards": (lambda p: bag(p, [*even()[:10], 1.5, *even()[11:]]), "stamps run backwards 1 times"),
    "repeated": (lambda p: bag(p, [*even()[:10], 1.9, *even()[11:]]), "1 messages repeat the stamp before"),
    "gap": (lambda p: bag(p, [*even()[:10], *(t + 1 for t in even()[10:])]), "1 gaps, 1.10 s at most"),
    "lag": (lambda p: bag(p, even(), lag_s=0.7), r"recorded \+0.700 s"),
    "motion": (lambda p: bag(p, even(), motion=False), "no transform odom <- base_link|no ego motion"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named_with_a_remedy(name: str, tmp_path: Path) -> None:
    make, text = FAULTS[name]
    found = bad(list(check_bag(make(tmp_path))))
    import re

    assert any(re.search(text, f.what) for f in found), found
    assert all(f.remedy for f in found)


def test_what_is_no_input_is_an_error(tmp_path: Path) -> None:
    (finding,) = check_bag(tmp_path / "nothing")
    assert finding.level == Level.ERROR
    assert "no such file or folder" in finding.what


@pytest.mark.parametrize(
    ("name", "value", "level", "text"),
    [
        ("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF", Level.ERROR, "no node will find another"),
        ("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET", Level.NOTE, "beyond this host"),
        ("ROS_DOMAIN_ID", "150", Level.WARN, "ROS_DOMAIN_ID=150"),
        ("ROS_DOMAIN_ID", "seven", Level.WARN, "ROS_DOMAIN_ID=seven"),
        ("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp", Level.WARN, "rmw_cyclonedds_cpp"),
        ("FASTDDS_DEFAULT_PROFILES_FILE", "/nothing.xml", Level.ERROR, "no such file"),
    ],
)
def test_environment(name: str, value: str, level: Level, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert any(f.level == level and text in f.what for f in check_installation())


def test_this_installation_has_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    assert [f for f in check_installation() if f.level == Level.ERROR] == []
