"""Each fault does what its word says, at its time, to its sensor, and the same in every run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError, Image, PointCloud
from perception_nodes.simulation.faults import Emission, Fault, FaultKind, FaultSchedule

START = 1_000_000_000_000
SENSORS = ("top", "front", "imu")


def emissions(count: int = 20, sensor: str = "top") -> list[Emission]:
    out = []
    for k in range(count):
        stamp = START + k * 100_000_000
        xyz = np.full((5, 3), k, np.float32)
        out.append(Emission(sensor, stamp, stamp + 1_000_000, PointCloud(stamp, "top", xyz)))
    return out


def sent(kind: FaultKind, given: list[Emission] | None = None, **values: float) -> list[Emission]:
    fault = replace(Fault("top", kind, start_s=0.5, duration_s=1.0), **values)
    return FaultSchedule(START, SENSORS, [fault], seed=1).apply(given or emissions())


def times(out: list[Emission]) -> list[int]:
    return [(e.stamp_ns - START) // 100_000_000 for e in out]


def test_off_sends_nothing_while_it_lasts():
    assert times(sent(FaultKind.OFF)) == [*range(5), *range(15, 20)]


def test_stuck_repeats_the_last_sweep_under_new_stamps():
    out = sent(FaultKind.STUCK)
    assert times(out) == list(range(20))
    assert [float(e.value.xyz_m[0, 0]) for e in out[4:16]] == [4.0] * 11 + [15.0]
    assert all(e.value.stamp_ns == e.stamp_ns for e in out)


def test_a_sensor_that_is_stuck_from_the_start_has_nothing_to_repeat():
    schedule = FaultSchedule(START, SENSORS, [Fault("top", FaultKind.STUCK, duration_s=0.3)])
    assert times(schedule.apply(emissions(5))) == [3, 4]


def test_slow_lets_every_third_through():
    assert times(sent(FaultKind.SLOW))[5:8] == [6, 9, 12]


def test_delayed_keeps_the_stamps_and_the_order_of_sending():
    out = sent(FaultKind.DELAYED, delay_s=0.25)
    late = [e.publish_ns - e.stamp_ns for e in sorted(out, key=lambda e: e.stamp_ns)]
    assert late == [1_000_000] * 5 + [251_000_000] * 10 + [1_000_000] * 5
    assert [e.publish_ns for e in out] == sorted(e.publish_ns for e in out)


def test_intermittent_loses_about_its_share():
    schedule = FaultSchedule(START, SENSORS, [Fault("top", FaultKind.INTERMITTENT, loss_probability=0.3)])
    assert 600 < len(schedule.apply(emissions(1000))) < 800


def test_garbage_and_wrong_change_every_point():
    for kind in (FaultKind.GARBAGE, FaultKind.WRONG):
        out = sent(kind)[10]
        assert len(out.value) == 5
        assert (out.value.xyz_m != 10.0).any(axis=1).all()


def test_wrong_turns_the_cloud_by_the_angle():
    point = PointCloud(START, "top", np.array([[1.0, 0, 2]], np.float32))
    schedule = FaultSchedule(START, SENSORS, [Fault("top", FaultKind.WRONG, turn_rad=np.pi / 2)])
    (out,) = schedule.apply([Emission("top", START, START, point)])
    np.testing.assert_allclose(out.value.xyz_m, [[0, 1, 2]], atol=1e-6)


def test_images_have_their_rules():
    bgr = np.zeros((4, 6, 3), np.uint8)
    bgr[:, 0] = 255
    for kind in (FaultKind.GARBAGE, FaultKind.WRONG):
        schedule = FaultSchedule(START, SENSORS, [Fault("front", kind, turn_rad=1.0)])
        (out,) = schedule.apply([Emission("front", START, START, Image(START, "front", bgr))])
        assert (out.value.bgr != bgr).any()


def test_faults_keep_the_time_of_the_drive_whatever_the_clock_of_the_sensor():
    given = [replace(e, stamp_ns=e.stamp_ns - 3_000_000_000) for e in emissions()]
    late = [(e.publish_ns - START) // 100_000_000 for e in sent(FaultKind.OFF, given)]
    assert late == [*range(5), *range(15, 20)]


def test_a_fault_touches_its_sensor_only_and_equal_seeds_give_equal_results():
    given = emissions() + emissions(sensor="front")
    first, second = (sent(FaultKind.GARBAGE, given) for _ in range(2))
    assert len([e for e in first if e.sensor == "front"]) == 20
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.value.xyz_m, b.value.xyz_m)
    assert all((e.value.xyz_m == e.value.xyz_m[0, 0]).all() for e in first if e.sensor == "front")


def test_faults_can_be_injected_and_cleared_while_it_drives():
    schedule = FaultSchedule(START, SENSORS)
    schedule.inject(Fault("top", FaultKind.OFF))
    assert schedule.apply(emissions(3)) == []
    schedule.clear("front")
    assert schedule.apply(emissions(3)) == []
    schedule.clear("top")
    assert len(schedule.apply(emissions(3))) == 3


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"sensor": "top"}, "kind is missing"),
        ({"kind": "off"}, "sensor is missing"),
        ({"sensor": "top", "kind": "broken"}, "kind 'broken': wanted one of .*'off'"),
        ({"sensor": "top", "kind": "off", "wen": 1}, "unknown key 'wen'"),
        ({"sensor": "top", "kind": "slow", "every": 1}, "Fault.every = 1"),
        ({"sensor": "top", "kind": "slow", "every": 2.5}, r"every: wanted a whole number, got 2\.5"),
        ({"sensor": "top", "kind": "off", "start_s": "soon"}, "start_s: wanted a number, got 'soon'"),
        ({"sensor": "top", "kind": "off", "duration_s": None}, "duration_s: wanted a number, got None"),
        ({"sensor": "top", "kind": "delayed", "delay_s": float("inf")}, "delay_s = inf: wanted a value in"),
        ({"sensor": "top", "kind": "off", "start_s": float("nan")}, "start_s: wanted a number, got nan"),
        ({"sensor": ["top"], "kind": "off"}, r"sensor: wanted a text, got \['top'\]"),
    ],
)
def test_errors_name_the_place_and_the_key(data: dict[str, object], words: str):
    with pytest.raises(ConfigurationError, match=f"street.yaml:12: .*{words}"):
        Fault.from_dict(data, "street.yaml:12")


def test_an_unknown_sensor_is_named():
    with pytest.raises(ConfigurationError, match="'roof': wanted one of"):
        FaultSchedule(START, SENSORS, [Fault("roof", FaultKind.OFF)])


def test_a_value_without_a_rule_is_named():
    schedule = FaultSchedule(START, SENSORS, [Fault("top", FaultKind.GARBAGE)])
    with pytest.raises(ConfigurationError, match="no rule for a str"):
        schedule.apply([Emission("top", START, START, "text")])
