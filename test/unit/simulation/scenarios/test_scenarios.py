"""Scenario files: the library, and errors that name file, line and field."""

import pytest

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.simulation.scenarios import Scenario, find_scenario, scenario_names
from perception_nodes.simulation.scenarios.decode import decode_file

LIBRARY = {
    "straight_traffic", "dense_junction", "occluded_pedestrian", "cut_in", "stopped_lorry_bend", "oncoming_narrow",
    "cyclist_beside_lorry", "crowd_crossing", "highway_merge", "roadworks", "tunnel_exit", "car_park_clutter",
    "random_street", "demo",
}  # fmt: skip
GOOD = """\
purpose: p
must: m
world: {kind: straight}
duration_s: 5
actors:
  - name: a
    kind: car
    path: [[10, 0], [20, 0]]
    speed_mps: 3
"""


def test_the_library_is_complete_and_says_what_each_is_for() -> None:
    assert set(scenario_names()) == LIBRARY
    for name in LIBRARY:
        scenario = find_scenario(name)
        assert scenario.name == name
        assert len(scenario.purpose) > 20
        assert len(scenario.must) > 10


def test_a_good_file_is_read() -> None:
    scenario = decode_file(Scenario, GOOD, "x.yaml")
    assert scenario.duration_s == 5.0
    assert scenario.actors[0].path == ((10.0, 0.0), (20.0, 0.0))
    assert scenario.actors[0].speeds == (3.0,)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("duration_s: 5", "duraton_s: 5", "x.yaml:4: duraton_s: unknown field: did you mean 'duration_s'"),
        ("duration_s: 5", "duration_s: 0", "x.yaml:4: duration_s: 0.0: wanted a value in [0.5"),
        ("duration_s: 5", "duration_s: .nan", "x.yaml:4: duration_s: wanted a number, got nan"),
        ("duration_s: 5", "duration_s: 1" + 400 * "0", "x.yaml:4: duration_s: wanted a number, got 1000"),
        ("[20, 0]", "[.inf, 0]", "x.yaml:8: actors[0].path[1][0]: wanted a number, got inf"),
        ("[20, 0]", "[1.0e+18, 0]", "x.yaml:8: actors[0].path: 1e+18: wanted a value in [-10000.0"),
        ("duration_s: 5", "name: 2026-13-45", "x.yaml:4: not a plain value: month must be in"),
        ("{kind: straight}", "{kind: straight, seed: -1}", "x.yaml:3: world.seed: -1: wanted a value in [0, inf]"),
        (
            "{kind: straight}",
            "{\n  kind: straight,\n  options: {\n parking: 3}}",
            "x.yaml:6: world: world straight: parking",
        ),
        ("duration_s: 5", "duration_s: five", "x.yaml:4: duration_s: wanted a number, got 'five'"),
        ("duration_s: 5", "duration_s: true", "x.yaml:4: duration_s: wanted a number, got True"),
        ("duration_s: 5", "duration_s: 5\nduration_s: 6", "x.yaml:5: duration_s: is given twice"),
        ("must: m\n", "", "x.yaml:1: must: is missing"),
        ("straight", "strait", "x.yaml:3: world: kind 'strait': wanted one of"),
        ("{kind: straight}", "{kind: straight, options: {lanes: 9}}", "x.yaml:3: world: world straight: lanes"),
        ("{kind: straight}", "straight", "x.yaml:3: world: wanted fields with values, got 'straight'"),
        ("[20, 0]", "[20]", "x.yaml:8: actors[0].path[1]: wanted 2 values, got 1"),
        ("[20, 0]", "[10, 0]", "x.yaml:8: actors[0]: path: a point occurs twice in a row"),
        ("speed_mps: 3", "speed_mps: [3, 4]", "x.yaml:9: actors[0]: speed_mps: wanted one, or one for each of 1"),
        ("speed_mps: 3", "speed_mps: -1", "x.yaml:9: actors[0].speed_mps: -1.0: wanted a value in [0.0"),
        ("speed_mps: 3", "frame: rout", "x.yaml:9: actors[0].frame: 'rout': wanted one of ['route', 'odom']"),
        ("speed_mps: 3", "  - [", "x.yaml:"),
        ("duration_s: 5", "faults: [{sensor: lidar, kind: of}]", "x.yaml:4: faults[0]: kind 'of'"),
        ("duration_s: 5", "must_hold: {seen: [b]}", "x.yaml:4: must_hold.seen: no actor 'b'"),
        ("duration_s: 5", "ego: {drive: recorded}", "x.yaml:4: ego: poses: wanted at least 2 of [s, x, y, yaw]"),
        ("duration_s: 5", "ego: {poses: [[0, 1, 2, 0], [1, 2, 2, 0]]}", "x.yaml:4: ego: poses: wanted at"),
        (
            "duration_s: 5", "ego: {drive: recorded, poses: [[1, 0, 0, 0], [1, 2, 2, 0]]}",
            "x.yaml:4: ego: poses: wanted ascending times",
        ),
        (
            "duration_s: 5", "ego: {drive: recorded, poses: [[0, 1, 2, 0], [1, 1, 2, 0]]}",
            "x.yaml:4: ego: poses: wanted a recording in which the ego moves",
        ),
        ("duration_s: 5", "weather: [{kind: rain, severity: 6}]", "x.yaml:4: weather[0].severity: 6: wanted"),
    ],
)  # fmt: skip
def test_errors_name_file_line_and_field(old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        decode_file(Scenario, GOOD.replace(old, new), "x.yaml")
    assert str(error.value).startswith(said)


def test_an_empty_file_and_an_unknown_name() -> None:
    with pytest.raises(ConfigurationError, match=r"x.yaml:1: the file is empty"):
        decode_file(Scenario, "", "x.yaml")
    with pytest.raises(ConfigurationError, match="did you mean 'cut_in'"):
        find_scenario("cutin")
    with pytest.raises(ConfigurationError, match=r"absent.yaml: No such file"):
        find_scenario("absent.yaml")
