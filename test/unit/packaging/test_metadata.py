"""The two builds, pip's and colcon's, are described in several files; they must say the same."""

from __future__ import annotations

import configparser
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import perception_nodes

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(not (ROOT / "setup.cfg").is_file(), reason="a checkout is needed")


def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def requirements(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    pairs = [re.match(r"([\w.-]+)(.*)", line) for line in lines if line and not line.startswith("#")]
    return {match[1]: match[2] for match in pairs if match}


def test_one_version() -> None:
    xml = ET.parse(ROOT / "package.xml").getroot()
    assert xml.findtext("version") == setup_cfg()["metadata"]["version"] == perception_nodes.__version__


def test_every_node_has_an_executable() -> None:
    listed = set(setup_cfg()["perception_nodes"]["nodes"].split())
    texts = {path.stem: path.read_text() for path in (ROOT / "perception_nodes" / "nodes").glob("*.py")}
    runnable = {name for name, text in texts.items() if re.search(r"^def main\(", text, re.MULTILINE)}
    assert runnable == listed


def test_only_the_command_goes_into_bin() -> None:
    scripts = setup_cfg()["options.entry_points"]["console_scripts"].split("\n")
    assert [line.split("=")[0].strip() for line in scripts if line] == ["perception"]


@pytest.mark.parametrize("distro", ["kilted", "jazzy"])
def test_ros_wheels_are_pinned_to_patch_releases(distro: str) -> None:
    loose = {
        name: pin for name, pin in requirements(distro).items() if not re.fullmatch(r"~=\d+\.\d+\.\d+", pin)
    }
    assert loose == {}


def test_runtime_wheels_are_in_both_lists() -> None:
    block = re.search(r"ROS_RUNTIME = \[(.*?)\]", (ROOT / "setup.py").read_text(), re.DOTALL)
    assert block is not None
    names = set(re.findall(r'"([\w-]+)"', block[1]))
    assert names
    assert names <= set(requirements("kilted")) & set(requirements("jazzy"))


def test_torch_is_not_required() -> None:
    assert not {
        name for kind in ("build", "runtime", "viz", "dev") for name in requirements(kind) if "torch" in name
    }


def test_message_packages_are_declared() -> None:
    used = {
        package
        for path in (ROOT / "msg").glob("*.msg")
        for package in re.findall(r"^(\w+)/\w+", path.read_text(), re.MULTILINE)
    }
    xml = ET.parse(ROOT / "package.xml").getroot()
    assert used <= {element.text for element in xml.findall("depend")}
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert all(f"find_package({package} REQUIRED)" in cmake for package in used)
