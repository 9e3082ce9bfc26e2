"""Curves of a run as a picture."""

from __future__ import annotations

import itertools
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from perception_nodes.datatypes import InputError
from perception_nodes.training.curves import write_curves


def lines_of(path: Path) -> list[list[list[float]]]:
    found = ET.parse(path).getroot().iter("{http://www.w3.org/2000/svg}polyline")
    return [[[float(v) for v in p.split(",")] for p in line.attrib["points"].split()] for line in found]


def test_every_curve_is_drawn_and_runs_the_right_way(tmp_path: Path) -> None:
    rows = [{"step": k, "loss": 10.0 - k} for k in range(1, 10)] + [
        {"step": 9, "ap/car": 0.8, "ap/bus": None}
    ]
    rows.insert(4, {"step": 5, "ap/car": 0.4})
    (tmp_path / "m.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    write_curves(tmp_path / "m.jsonl", tmp_path / "c.svg")
    drawn = {len(c): c for c in lines_of(tmp_path / "c.svg")}
    loss, car = drawn[9], drawn[2]
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in itertools.pairwise(loss))
    assert car[0][1] > car[1][1]
    assert "car" in (tmp_path / "c.svg").read_text()


@pytest.mark.parametrize("content", ["", '{"step": 1, "rate": 0.1}'])
def test_a_run_without_numbers(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.jsonl").write_text(content)
    with pytest.raises(InputError, match="got none"):
        write_curves(tmp_path / "m.jsonl", tmp_path / "c.svg")
