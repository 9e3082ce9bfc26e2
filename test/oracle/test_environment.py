"""The tools that figures are compared with are those that the requirements name, and broke nothing."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

pytestmark = pytest.mark.oracle

REQUIREMENTS = Path(__file__).parents[2] / "requirements"


@pytest.mark.parametrize("tool", ["motmetrics", "pycocotools", "nuscenes-devkit", "trackeval"])
def test_installed_tool_is_the_pinned_one(tool: str) -> None:
    text = (REQUIREMENTS / "oracle.txt").read_text() + (REQUIREMENTS / "oracle-no-deps.txt").read_text()
    pinned = dict(re.findall(r"^([\w-]+)==([\d.]+)$", text, re.MULTILINE))
    assert version(tool) == pinned[tool]


def test_headless_opencv_was_not_overwritten() -> None:
    with pytest.raises(PackageNotFoundError):
        version("opencv-python")
    assert version("opencv-python-headless")
