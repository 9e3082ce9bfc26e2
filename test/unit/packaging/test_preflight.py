"""Sentences about machines on which the pip installation cannot work."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "preflight.py"


@pytest.fixture(scope="module")
def preflight() -> ModuleType:
    if not SCRIPT.is_file():
        pytest.skip("tools/ is part of a checkout only")
    spec = importlib.util.spec_from_file_location("preflight", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("system", "machine", "libc", "wanted"),
    [
        ("Linux", "x86_64", ("glibc", "2.36"), None),
        ("Linux", "x86_64", ("glibc", "2.28"), None),
        ("Linux", "x86_64", ("glibc", "2.27"), "glibc 2.27 is older than 2.28"),
        ("Linux", "x86_64", ("", ""), "not glibc"),
        (
            "Linux",
            "aarch64",
            ("glibc", "2.36"),
            "aarch64, and ROS 2 has wheels for x86-64 only: install ROS 2",
        ),
        ("Darwin", "arm64", ("", ""), "Darwin, and ROS 2 has wheels for Linux only"),
    ],
)
def test_machine(
    preflight: ModuleType, system: str, machine: str, libc: tuple[str, str], wanted: str | None
) -> None:
    found = list(preflight.machine_problems(system, machine, libc))
    assert len(found) == (wanted is not None)
    assert all(str(wanted) in sentence for sentence in found)


@pytest.mark.parametrize(
    ("version", "accepted"), [((3, 9), False), ((3, 10), True), ((3, 13), True), ((3, 14), False)]
)
def test_python(preflight: ModuleType, version: tuple[int, int], accepted: bool) -> None:
    assert (list(preflight.python_problems(version)) == []) is accepted


def test_python_names_one_that_works(preflight: ModuleType) -> None:
    (sentence,) = preflight.python_problems((3, 9), ["python3.12"])
    assert sentence == "Python 3.9 is not supported, 3.10 to 3.13 are: make venv PYTHON=python3.12."


@pytest.mark.parametrize(
    ("present", "environment", "missing"),
    [
        ({"cc", "c++"}, {}, None),
        ({"clang", "clang++"}, {}, None),
        ({"gcc"}, {}, "no C++ compiler was found"),
        (set(), {}, "no C compiler and no C++ compiler was found"),
        ({"cc", "c++"}, {"CXX": "g++-99 -m64"}, "no C++ compiler (CXX=g++-99) was found"),
        ({"cc", "g++-99"}, {"CXX": "g++-99 -m64"}, None),
    ],
)
def test_compiler(
    preflight: ModuleType, present: set[str], environment: dict[str, str], missing: str | None
) -> None:
    found = list(preflight.compiler_problems(lambda name: name in present, environment))
    assert len(found) == (missing is not None)
    assert all(f"{missing}: sudo apt install g++." in sentence for sentence in found)


def test_headers(preflight: ModuleType, tmp_path: Path) -> None:
    (sentence,) = preflight.header_problems([str(tmp_path)], (3, 11))
    assert "sudo apt install python3-dev (or python3.11-dev)" in sentence
    (tmp_path / "Python.h").touch()
    assert list(preflight.header_problems(["/nonexistent", str(tmp_path)], (3, 11))) == []


def test_venv_module(preflight: ModuleType) -> None:
    (sentence,) = preflight.venv_problems(False, (3, 11))
    assert "python3-venv" in sentence
    assert list(preflight.venv_problems(True, (3, 11))) == []


def test_sourced_installation(preflight: ModuleType) -> None:
    exists = {"/opt/ros/jazzy/share/rclpy/package.xml", "/venv/share/rclpy/package.xml"}.__contains__
    problems = preflight.sourced_problems
    (sentence,) = problems({"AMENT_PREFIX_PATH": "/ws/install:/opt/ros/jazzy"}, ["/venv"], exists)
    assert "/opt/ros/jazzy is sourced" in sentence
    assert list(problems({"AMENT_PREFIX_PATH": "/ws/install:/venv"}, ["/venv"], exists)) == []
    assert list(problems({}, ["/venv"], exists)) == []


def test_script_without_compiler(preflight: ModuleType, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("CC", "CXX", "AMENT_PREFIX_PATH")}
    environment["PATH"] = str(tmp_path)
    run = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "no C compiler and no C++ compiler was found: sudo apt install g++." in run.stderr
    assert "Traceback" not in run.stderr
