"""What is kept of compiled kernels does not grow with every change of a source."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from perception_nodes.tracking import algebra
from perception_nodes.tracking.compiled import remove_stale

NOW = algebra.wrap.__qualname__.rpartition("-")[2]


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_only_what_is_of_other_sources_is_removed(tmp_path):
    kept = [f"algebra.wrap-{NOW}-12.py311.nbi", "boxes.iou-12.py311.1.nbc", "algebra.cpython-311.pyc"]
    for name in (*kept, "algebra.wrap-0123456789-12.py311.nbi", "algebra.wrap-0123456789-12.py311.1.nbc"):
        (tmp_path / name).touch()
    remove_stale(tmp_path)
    assert files(tmp_path) == sorted(kept)


def test_a_folder_that_is_not_there_or_is_emptied_meanwhile_is_no_error(tmp_path):
    remove_stale(tmp_path / "nowhere")
    (tmp_path / "k-0123456789-1.py311.nbi").mkdir()
    remove_stale(tmp_path)
    assert files(tmp_path) == ["k-0123456789-1.py311.nbi"]


def test_a_changed_source_leaves_nothing_behind(tmp_path):
    # A copy of the package: that of the others is in use.
    package = tmp_path / "perception_nodes"
    shutil.copytree(Path(algebra.__file__).parents[1], package, ignore=shutil.ignore_patterns("__pycache__"))
    source = package / "tracking" / "algebra.py"
    kept = []
    for _ in range(2):
        code = "from perception_nodes.tracking.algebra import wrap; print(wrap(4.0))"
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
        kept.append([n for n in files(package / "tracking" / "__pycache__") if ".nb" in n])
        source.write_text(source.read_text() + "\n")
    assert len(kept[0]) == len(kept[1]) == 2
    assert not set(kept[0]) & set(kept[1])
