"""Who provides the packages."""

import sys
from pathlib import Path

import pytest

from perception_nodes import compat


def test_the_drop_ins_come_last() -> None:
    compat.install()
    directory = str(compat.DROP_IN_DIRECTORY)
    assert sys.path.count(directory) == 1
    compat.install()
    assert sys.path.count(directory) == 1
    site = [index for index, path in enumerate(sys.path) if path.endswith("site-packages")]
    assert sys.path.index(directory) > max(site)


def test_every_package_has_a_provider() -> None:
    assert set(compat.install()) == set(compat.DROP_INS)
    assert set(compat.install().values()) <= {"drop-in", "installed"}


@pytest.mark.usefixtures("drop_ins_only")
def test_a_real_installation_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compat.install()
    assert compat.provider("tf2_sensor_msgs") == "drop-in"
    (tmp_path / "tf2_sensor_msgs").mkdir()
    (tmp_path / "tf2_sensor_msgs" / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "tf2_sensor_msgs", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path[:-1], str(tmp_path), sys.path[-1]])
    assert compat.provider("tf2_sensor_msgs") == "installed"
    assert compat.provider("tf2_ros") == "drop-in"


def test_other_packages_have_no_provider() -> None:
    with pytest.raises(ModuleNotFoundError, match="'numpy'"):
        compat.provider("numpy")


@pytest.mark.usefixtures("drop_ins_only")
def test_what_is_left_out_names_itself() -> None:
    import tf2_ros

    with pytest.raises(NotImplementedError, match=r"tf2_ros\.BufferClient"):
        tf2_ros.BufferClient(None, "server")
