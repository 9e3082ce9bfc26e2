"""The gate file and the layout on docs/evaluation.md are those of the code."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from perception_nodes.assessment.command import CommandOptions, evaluate_and_report
from perception_nodes.assessment.evaluate import EvaluateOptions
from perception_nodes.assessment.gates import read_gates

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "evaluation.md").read_text()


def test_the_gate_file_and_the_commands_work(tmp_path: Path) -> None:
    from rich.console import Console

    sys.path.insert(0, str(ROOT / "test" / "unit" / "assessment"))
    from drives import drive

    ours, truth = drive(tmp_path, skip=0.0)
    first = CommandOptions(EvaluateOptions(ours, truth), tmp_path / "before")
    assert not evaluate_and_report(first, Console(quiet=True))
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    gate = tmp_path / "gates.yaml"
    gate.write_text(example.replace("min_count: 500", "min_count: 50"))
    second = CommandOptions(EvaluateOptions(ours, truth), tmp_path / "now", tmp_path / "before", gate)
    assert not evaluate_and_report(second, Console(quiet=True))
    result = json.loads((tmp_path / "now" / "evaluation.json").read_text())
    assert len(result["gates"]) == len(read_gates(gate)) == 3
    table = PAGE.split("## evaluation.json")[1]
    named = {
        k for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for k in re.findall(r"`(\w+)`", row)
    }
    assert named == set(result)
