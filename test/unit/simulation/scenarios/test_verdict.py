"""Logs of drives, their figures, and what is found against what must hold."""

from typing import Any

import numpy as np
import pytest

from perception_nodes.datatypes import InputError
from perception_nodes.simulation.assets import Catalogue
from perception_nodes.simulation.scenarios import EgoSpec, MustHold, Scenario, ScriptedActor, WorldSpec
from perception_nodes.simulation.scenarios.verdict import Contact, DriveLog, Recorder, Verdict, judge
from perception_nodes.simulation.traffic.states import EgoState
from perception_nodes.simulation.traffic.traffic import Traffic
from perception_nodes.simulation.world import build_world

CATALOGUE = Catalogue()


def log(acceleration: list[float], **more: Any) -> DriveLog:
    """10 steps a second along x at 5 m/s, unless said otherwise."""
    n = len(acceleration)
    time_s = 0.1 * np.arange(n)
    values: dict[str, Any] = {
        "time_s": time_s, "pose": np.column_stack([5 * time_s, np.zeros((n, 2))]), "speed_mps": np.full(n, 5.0),
        "acceleration_mps2": np.array(acceleration), "min_ttc_s": np.full(n, np.inf), "reason": np.zeros(n, bool),
        "detected": (None,) * n, "contacts": (),
    }  # fmt: skip
    return DriveLog(**{**values, **more})


def scenario(must: MustHold | None = None, ego: EgoSpec | None = None, *actors: ScriptedActor) -> Scenario:
    return Scenario(
        "p", "m", WorldSpec("straight"), ego=ego or EgoSpec(), actors=actors, must_hold=must or MustHold()
    )


def recorded(plan: Scenario, steps: int, pushed: Any = None) -> DriveLog:
    """A drive; pushed: state of the ego at a time, if it is driven from outside."""
    world = build_world("straight", np.random.default_rng(3))
    traffic, recorder = Traffic(world, plan, CATALOGUE, 3), Recorder()
    for k in range(steps):
        state = pushed(traffic, 0.1 * (k + 1)) if pushed else None
        traffic.step(0.1, state)
        recorder.step(traffic, state or traffic.ego, {1} if k > 10 else set())
    return recorder.log()


def constant_speed(speed_mps: float) -> Any:
    """Straight on, whatever is there."""
    start: list[EgoState] = []

    def at(traffic: Traffic, time_s: float) -> EgoState:
        start.append(traffic.ego)
        x, y, z, yaw, *tilt = start[0].pose
        way = speed_mps * time_s
        return EgoState((x + way * np.cos(yaw), y + way * np.sin(yaw), z, yaw, *tilt), speed_mps)

    return at


def test_brakes_are_runs_that_pauses_of_half_a_second_separate() -> None:
    drive = log([0, -4.5, -6, -3, -4.1, 0, 0, 0, 0, 0, 0, -5, 0])
    assert [(b.start_s, b.hardest_mps2) for b in drive.hard_brakes] == [
        (pytest.approx(0.1), 6.0),
        (pytest.approx(1.1), 5.0),
    ]
    assert log([0.0, -4.0]).hard_brakes == ()


def test_a_brake_is_false_without_a_reason_in_the_second_before() -> None:
    brake = [0.0] * 20 + [-3.0] * 3
    reason = np.zeros(23, bool)
    assert len(log(brake, reason=reason).false_brakes) == 1
    reason[11] = True
    assert log(brake, reason=reason).false_brakes == ()
    late = np.zeros(23, bool)
    late[8] = True
    assert len(log(brake, reason=late).false_brakes) == 1


def test_a_halt_counts_after_having_been_under_way() -> None:
    assert not log([0.0] * 3, speed_mps=np.array([0.0, 0.5, 2.0])).halted
    assert log([0.0] * 3, speed_mps=np.array([0.0, 2.0, 0.05])).halted


def test_findings_say_what_was_wanted_and_what_was_seen() -> None:
    must = MustHold(0, 1.0, 0, 0, 10.0, True, ("a",))
    drive = log([0, -5.0, 0], min_ttc_s=np.array([2.0, 0.5, 3.0]), contacts=(Contact(0.1, 7, "", 4.0),),
                detected=((), ("b",), ()))  # fmt: skip
    actors = (ScriptedActor("a", "car", ((60.0, 0.0),)), ScriptedActor("b", "car", ((80.0, 0.0),)))
    found = {f.field: f for f in judge(scenario(must, None, *actors), drive)}
    assert not any(f.passed for f in found.values())
    assert len(found) == 7
    assert found["collisions"].seen == "1 (id 7 at 0.1 s)"
    assert found["min_ttc_s"].seen == "0.50 s at 0.1 s"
    assert found["hard_brakes"].seen == "1 (5.0 m/s2 at 0.1 s)"
    assert str(found["ego_travels_m"]) == "FAIL ego_travels_m: wanted at least 10 m, seen 1.00 m"
    assert (found["seen"].wanted, found["seen"].seen) == ("a", "none")


def test_what_holds_passes_and_what_is_not_asked_gives_nothing() -> None:
    actor = ScriptedActor("a", "car", ((60.0, 0.0),))
    must = MustHold(collisions=1, min_ttc_s=None, ego_travels_m=0.5, ego_stops=False, seen=("a",))
    without = judge(scenario(must, None, actor), log([0.0] * 5))
    assert [f.field for f in without] == ["collisions", "false_brakes", "ego_travels_m", "ego_stops"]
    drive = log([0.0] * 5, detected=(None, ("a",), None, None, None), contacts=(Contact(0.1, 2, "", 1.0),))
    assert all(f.passed for f in judge(scenario(must, None, actor), drive))
    assert len(judge(scenario(must, None, actor), drive)) == 5


def test_time_to_collision_with_a_thing_that_stands_is_way_by_speed() -> None:
    ahead = ScriptedActor("box", "carton", ((40.0, 0.0),))
    drive = recorded(scenario(None, None, ahead), 60, constant_speed(8.0))
    length = next(a for a in (CATALOGUE.stock("carton"))).lwh_m[0]
    free = 40.0 - 2.3 - length / 2 - 8.0 * drive.time_s
    before = free > 1.0
    expected = np.where(free / 8.0 < 6.0, free / 8.0, np.inf)
    clear = before & (np.abs(free / 8.0 - 6.0) > 0.2)
    assert np.allclose(drive.min_ttc_s[clear], expected[clear], atol=0.12)
    assert [c.name for c in drive.contacts] == ["box"]
    assert Verdict.of(drive).collisions == 1
    assert drive.perceived == {"box"}


@pytest.mark.parametrize(
    ("ego_mps", "path", "struck"),
    [
        (0.0, ((-20.0, 0.0), (60.0, 0.0)), True),  # runs into an ego that stands
        (3.0, ((-20.0, 0.0), (60.0, 0.0)), True),  # from behind
        (8.0, ((15.0, 0.0), (16.0, 0.0)), False),  # the ego runs into who has stopped
    ],
)
def test_a_contact_says_who_ran_into_whom(ego_mps: float, path: Any, struck: bool) -> None:
    actor = ScriptedActor("other", "car", path, speed_mps=8.0, reacts=False)
    drive = recorded(scenario(None, None, actor), 50, constant_speed(ego_mps))
    assert [c.struck for c in drive.contacts] == [struck]
    assert ("ran into the ego" in str(judge(scenario(), drive)[0])) == struck


@pytest.mark.parametrize(("left_m", "reason"), [(0.0, True), (1.9, True), (4.0, False)])
def test_what_stands_in_the_corridor_is_a_reason_to_brake(left_m: float, reason: bool) -> None:
    actor = ScriptedActor("bin", "bin", ((25.0, left_m),))
    drive = recorded(scenario(None, None, actor), 15, constant_speed(8.0))
    assert bool(drive.reason.any()) == reason


def test_a_recorder_wants_times_that_ascend_and_the_ego_where_it_is() -> None:
    world = build_world("straight", np.random.default_rng(3))
    traffic, recorder = Traffic(world, scenario(), CATALOGUE, 0), Recorder()
    with pytest.raises(InputError, match="has no steps"):
        judge(scenario(), recorder.log())
    recorder.step(traffic, traffic.ego, None)
    with pytest.raises(InputError, match="wanted a time after 0"):
        recorder.step(traffic, traffic.ego, None)
    traffic.step(0.1)
    with pytest.raises(InputError, match="m from where the traffic has it"):
        recorder.step(traffic, EgoState((0.0,) * 6), None)


def test_a_log_checks_its_parts() -> None:
    with pytest.raises(InputError, match="ascending"):
        log([0.0] * 3, time_s=np.zeros(3))
    with pytest.raises(InputError, match="detected: wanted 3 steps, got 1"):
        log([0.0] * 3, detected=(None,))
    with pytest.raises(Exception, match="reason"):
        log([0.0] * 3, reason=np.zeros(2, bool))
