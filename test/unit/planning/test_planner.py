"""The reference planner on moments that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import LABEL_INDEX, PEDESTRIAN, ConfigurationError, InputError, Mode
from perception_nodes.planning import EgoMotion, Guidance, PlannerConfig, Reason, ReferencePlanner

from .scenes import LIMIT_MPS, decide, dividers, route, things

CAR_SIZE = (4.5, 1.9)
PERSON = (0.6, 0.6)


def test_an_empty_road_is_driven_at_its_limit() -> None:
    slow, fast = decide(things(), 5.0), decide(things(), LIMIT_MPS)
    assert slow.acceleration_mps2 == PlannerConfig().max_acceleration_mps2
    assert abs(fast.acceleration_mps2) < 1e-6
    assert fast.reason == Reason.CRUISE and fast.ttc_s == np.inf


def test_it_steers_back_to_the_line_from_both_sides() -> None:
    assert decide(things(), y_m=0.5).steering_rad < -0.01
    assert decide(things(), y_m=-0.5).steering_rad > 0.01
    assert abs(decide(things()).steering_rad) < 1e-9


def test_the_arc_of_a_bend_is_held() -> None:
    """On a circle of 20 m a vehicle of 2.8 m wheelbase needs atan(2.8 / 20)."""
    angle = np.linspace(-1.0, 2.0, 120)
    circle = Guidance(20.0 * np.column_stack([np.sin(angle), 1 - np.cos(angle)]), np.full(120, 5.0))
    assert decide(things(), 5.0, guidance=circle).steering_rad == pytest.approx(np.arctan(2.8 / 20), rel=0.02)


def test_it_slows_down_for_a_bend() -> None:
    """Allowed across are 2 m/s2: on 8 m that is 4 m/s."""
    angle = np.linspace(0.0, 2.0, 60)
    bend = 8.0 * np.column_stack([np.sin(angle), 1 - np.cos(angle)])
    line = np.concatenate([np.column_stack([np.arange(-40.0, 0.0), np.zeros(40)]), bend])
    near = decide(things(), 8.0, guidance=Guidance(line, np.full(len(line), 10.0)), x_m=-10.0)
    assert near.acceleration_mps2 < -1.0


@pytest.mark.parametrize(("gap_m", "brakes"), [(15.0, True), (120.0, False)])
def test_it_brakes_for_what_stands_in_its_way(gap_m: float, brakes: bool) -> None:
    decision = decide(things((gap_m + 3.7 + 2.25, 0.0, 0.0, *CAR_SIZE, 0.0, 0.0)))
    assert (decision.acceleration_mps2 < -2.0) == brakes
    if brakes:
        assert decision.object_id == 1
        assert decision.ttc_s == pytest.approx(gap_m / LIMIT_MPS, abs=0.25)


def test_no_more_than_needed_is_braked_and_all_that_can_be_if_it_is() -> None:
    """10 m/s within 6.8 m takes 7.4 m/s2; within 30 m 1.7 m/s2 would do."""
    near = decide(things((6.8 + 3.7 + 2.25, 0.0, 0.0, *CAR_SIZE, 0.0, 0.0)))
    assert near.reason == Reason.EMERGENCY and near.acceleration_mps2 <= -6.5
    far = decide(things((30.0 + 3.7 + 2.25, 0.0, 0.0, *CAR_SIZE, 0.0, 0.0)))
    assert far.reason != Reason.EMERGENCY and far.acceleration_mps2 >= -4.0


def test_it_keeps_its_distance_to_who_drives_ahead() -> None:
    """At the same speed: free at 40 m, braking at 8 m."""
    far = decide(things((46.0, 0.0, 0.0, *CAR_SIZE, 9.0, 0.0)), 9.0)
    near = decide(things((14.0, 0.0, 0.0, *CAR_SIZE, 9.0, 0.0)), 9.0)
    assert far.acceleration_mps2 > -0.6
    assert near.acceleration_mps2 < -1.0 and near.reason == Reason.FOLLOW


def test_a_vague_velocity_across_the_road_is_none() -> None:
    crossing = (8.0, -4.5, np.pi / 2, *CAR_SIZE, 0.0, 6.0)
    vague = things(crossing, velocity_std_mps=np.array([2.2]))
    assert decide(vague, speed_mps=4.0).acceleration_mps2 > -1.0
    assert decide(things(crossing), speed_mps=4.0).acceleration_mps2 <= -2.5


def test_a_vague_velocity_towards_the_vehicle_is_none() -> None:
    """Of a lorry that stands 40 m ahead more and more comes into sight: its box grows towards the vehicle."""
    grows = (45.0, 0.0, 0.0, 6.3, 2.5, -10.0, 0.0)
    vague = decide(things(grows, velocity_std_mps=np.array([3.2])))
    known = decide(things(grows))
    assert vague.acceleration_mps2 > -2.0
    assert known.acceleration_mps2 <= -2.5


def test_right_behind_a_slower_one_it_brakes_as_if_that_one_might_brake_hard() -> None:
    def behind(gap_m: float) -> float:
        ahead = things((3.7 + gap_m + 1.0, 0.0, 0.0, 2.0, 0.8, 8.6, 0.0))
        return decide(ahead, speed_mps=12.0, guidance=route(limit_mps=14.0)).acceleration_mps2

    assert behind(4.0) < -4.5
    assert behind(12.0) > -3.0


def test_who_is_beside_the_vehicle_is_not_followed() -> None:
    """Braking would not lead behind it; the box touches the room that is left to the side."""
    beside = things((0.9, 1.35, 0.0, 0.5, 0.5, 0.0, 0.0), label=PEDESTRIAN)
    before = things((6.0, 1.35, 0.0, 0.5, 0.5, 0.0, 0.0), label=PEDESTRIAN)
    assert decide(beside).acceleration_mps2 > -2.6
    assert decide(before).acceleration_mps2 < -4.0


def test_who_may_come_into_the_way_later_is_braked_for_gently() -> None:
    """A cyclist beside the lane who drifts towards it: 3 m ahead, half as fast."""
    drifts = decide(things((7.7, -2.5, 0.0, 1.6, 0.6, 4.9, 1.0), label=LABEL_INDEX["bicycle"]), 9.0)
    assert -3.5 < drifts.acceleration_mps2 < -1.0


def test_what_gentle_braking_is_enough_for_takes_no_more() -> None:
    """12 m/s within 30 m: 2.4 m/s2."""
    stands = things((30.0 + 1.0 + 3.7 + 2.25, 0.0, 0.0, *CAR_SIZE, 0.0, 0.0))
    assert decide(stands, 12.0).acceleration_mps2 == pytest.approx(-2.5, abs=0.11)


def test_no_faster_than_it_can_stop_within_sight() -> None:
    free = PlannerConfig()
    at_limit = 17.0
    assert decide(things(), speed_mps=at_limit, guidance=route(400.0, limit_mps=30.0)).acceleration_mps2 > 0.0
    assert decide(things(), speed_mps=19.0, guidance=route(400.0, limit_mps=30.0)).acceleration_mps2 < 0.0
    stop_m = 18.2 * free.reaction_s + 18.2**2 / (2 * free.sight_braking_mps2)
    assert stop_m == pytest.approx(free.sight_m - free.ahead_m, abs=0.3)


def test_who_has_just_appeared_in_the_way_is_braked_for_fully() -> None:
    one = things((12.0, 0.0, 0.0, 0.6, 0.6, 0.0, 0.0), label=PEDESTRIAN, age_s=0.3)
    assert decide(one, speed_mps=10.0).acceleration_mps2 < -6.0


def test_an_oncoming_vehicle_off_the_direction_of_the_road_does_not_follow_its_bend() -> None:
    turn = np.linspace(0.0, np.pi / 2, 20)
    bend = np.column_stack([35 + 12 * np.sin(turn), -12 + 12 * np.cos(turn)])
    x = np.arange(-30.0, 35.0)
    line = np.concatenate(
        [np.column_stack([x, np.zeros(len(x))]), bend[1:], bend[-1] - [[0, k] for k in range(1, 40)]]
    )
    right = Guidance(line, np.full(len(line), LIMIT_MPS))
    oncoming = things((42.0, 3.1, np.pi, 4.5, 1.9, -13.0, 0.0))
    assert decide(oncoming, speed_mps=9.7, guidance=right).acceleration_mps2 > -2.0


@pytest.mark.parametrize("y_m", [2.9, -2.9])
def test_what_stands_or_comes_beside_the_lane_does_not_matter(y_m: float) -> None:
    row = (25.0, y_m, 0.0, *CAR_SIZE, 0.0, 0.0)
    oncoming = (60.0, y_m, np.pi, *CAR_SIZE, -10.0, 0.0)
    assert decide(things(row, oncoming)).acceleration_mps2 > -0.5


def test_it_yields_to_who_walks_into_its_way_and_not_to_who_walks_out_of_it() -> None:
    into = decide(things((16.0, -4.0, np.pi / 2, *PERSON, 0.0, 1.5), label=PEDESTRIAN), 8.0)
    out_of = decide(things((16.0, 2.5, np.pi / 2, *PERSON, 0.0, 1.5), label=PEDESTRIAN), 8.0)
    assert into.acceleration_mps2 < -1.0 and into.reason in (Reason.YIELD, Reason.EMERGENCY)
    assert out_of.acceleration_mps2 > -0.3


def test_who_comes_out_from_behind_a_van_is_taken_to_walk_on() -> None:
    """Seen for 0.1 s its velocity is not known; without anything to hide behind it is left where it is."""
    van, child = (12.0, -2.9, 0.0, 5.5, 2.0, 0.0, 0.0), (15.5, -2.0, 0.0, 0.4, 0.4, 0.0, 0.0)
    columns = {"age_s": np.array([5.0, 0.1]), "high_m": np.array([2.2, 1.2])}
    both = things(van, child, **columns)
    both.label.flags.writeable = True
    both.label[1] = PEDESTRIAN
    found = decide(both, 7.0)
    assert found.acceleration_mps2 <= -1.0 and found.object_id == 2
    alone = things(child, label=PEDESTRIAN, age_s=0.1)
    assert decide(alone, 7.0).acceleration_mps2 > 0.0


def test_a_velocity_that_says_less_than_its_deviation_is_none() -> None:
    row = (14.0, -8.0, np.pi / 2, *CAR_SIZE, 0.0, 5.0)
    sure = decide(things(row), 8.0)
    unsure = decide(things(row, velocity_std_mps=np.array([5.0])), 8.0)
    assert sure.acceleration_mps2 < -1.0
    assert unsure.acceleration_mps2 > -0.5


def test_signs_over_the_road_and_doubtful_things_do_not_count() -> None:
    row = (20.0, 0.0, 0.0, 1.0, 4.0, 0.0, 0.0)
    assert decide(things(row)).acceleration_mps2 < -2.0
    assert decide(things(row, low_m=np.array([4.5]), high_m=np.array([6.0]))).acceleration_mps2 > -0.3
    assert decide(things(row, existence=np.array([0.01]))).acceleration_mps2 > -0.3


def test_it_stops_at_a_closed_line_and_at_the_end_of_the_route() -> None:
    """Lines are given along the route, which begins 30 m behind."""
    assert decide(things(), 8.0, guidance=route(stop_m=30.0 + 25.0)).reason == Reason.STOP_LINE
    assert decide(things(), 8.0, guidance=route(length_m=25.0)).acceleration_mps2 < -1.0
    passed = decide(things(), 8.0, guidance=route(stop_m=30.0 + 5.0))  # no driver stops for that one
    assert passed.acceleration_mps2 > 0.0


@pytest.mark.parametrize("mode", [None, Mode.BLIND, Mode.FAULT, Mode.STARTING])
def test_without_perception_it_comes_to_a_safe_stop(mode: Mode | None) -> None:
    decision = decide(things(), mode=mode)
    assert decision.reason == Reason.SAFE_STOP
    assert decision.acceleration_mps2 == -PlannerConfig().safe_stop_mps2


def test_old_objects_are_as_good_as_none() -> None:
    planner = ReferencePlanner()
    planner.step(EgoMotion(0, 0.0, 0.0, 0.0, 8.0), route(), things(), None, Mode.NOMINAL)
    for k, reason in ((3, Reason.CRUISE), (4, Reason.SAFE_STOP)):
        later = EgoMotion(k * 100_000_000, 0.8 * k, 0.0, 0.0, 8.0)
        decision = planner.step(later, route(), things(), None, Mode.NOMINAL)
        assert decision is not None and decision.reason == reason


def test_a_safe_stop_still_brakes_harder_for_what_is_there() -> None:
    decision = decide(things((12.5, 0.0, 0.0, *CAR_SIZE, 0.0, 0.0)), mode=Mode.BLIND)
    assert decision.acceleration_mps2 < -PlannerConfig().safe_stop_mps2
    assert decision.reason == Reason.EMERGENCY


def test_degraded_is_slower() -> None:
    assert decide(things(), 8.0).acceleration_mps2 > 0.5
    assert decide(things(), 8.0, mode=Mode.DEGRADED).acceleration_mps2 < -0.5


def test_it_does_not_begin_before_perception_works() -> None:
    planner = ReferencePlanner()
    ego = EgoMotion(0, 0.0, 0.0, 0.0, 8.0)
    assert planner.step(ego, route(), None, None, Mode.STARTING) is None
    assert planner.step(ego, route(), things(), None, None) is None
    assert planner.step(ego, route(), things(), None, Mode.NOMINAL) is not None


def test_the_lane_that_is_seen_moves_the_line() -> None:
    """The route lies 0.5 m to the right of the lane's middle; the lines say so, and 4 s later it is corrected."""
    planner = ReferencePlanner()
    for k in range(40):
        ego = EgoMotion(k * 100_000_000, 0.0, 0.0, 0.0, 5.0)
        decision = planner.step(
            ego, route(), things(stamp_ns=ego.stamp_ns), dividers(2.25, -1.25), Mode.NOMINAL
        )
    assert planner.lane_offset_m == pytest.approx(0.5, abs=0.02)
    assert decision is not None and decision.steering_rad > 0.02
    kept = planner.step(ego, route(), things(stamp_ns=ego.stamp_ns), None, Mode.NOMINAL)
    assert kept is not None and planner.lane_offset_m == pytest.approx(0.5, abs=0.02)


def test_lines_that_are_no_lane_move_nothing() -> None:
    planner = ReferencePlanner()
    for k in range(10):
        ego = EgoMotion(k * 100_000_000, 0.0, 0.0, 0.0, 5.0)
        planner.step(ego, route(), things(stamp_ns=ego.stamp_ns), dividers(1.0, -1.0), Mode.NOMINAL)
    assert planner.lane_offset_m == 0.0


def test_the_same_moments_give_the_same_decisions() -> None:
    rows = [(20.0 + k, -3.0 + k, 0.1 * k, *CAR_SIZE, 1.0, -0.5) for k in range(6)]
    assert decide(things(*rows)) == decide(things(*rows))


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ((np.nan, 0, 0, 4, 2, 0, 0), "finite"),
        ((1.0, 0, 0, 0, 2, 0, 0), "size"),
        ((1.0, 0, np.inf, 4, 2, 0, 0), "finite"),
    ],
)
def test_impossible_objects_are_refused(row: tuple[float, ...], wanted: str) -> None:
    with pytest.raises(InputError, match=wanted):
        things(row)


def test_impossible_inputs_are_refused() -> None:
    with pytest.raises(InputError, match="EgoMotion"):
        EgoMotion(0, 0.0, np.nan, 0.0, 1.0)
    with pytest.raises(InputError, match="at least 2 points"):
        Guidance(np.zeros((1, 2)), np.zeros(1))
    with pytest.raises(InputError, match="twice in a row"):
        Guidance(np.zeros((2, 2)), np.zeros(2))
    with pytest.raises(InputError, match="a stop or inf"):
        Guidance(np.array([[0.0, 0], [1, 0]]), np.ones(2), np.nan)
    with pytest.raises(ConfigurationError, match="full_braking_mps2"):
        PlannerConfig(full_braking_mps2=2.0)


def test_unknown_motion_is_none() -> None:
    there = things((20.0, 0.0, 0.0, *CAR_SIZE, np.nan, np.nan))
    assert (there.velocity_mps == 0.0).all()
    assert decide(there).acceleration_mps2 < -2.0


def test_a_vehicle_does_not_slip_sideways() -> None:
    """A box beside the road that stands along it and seems to fly across it: wrong matching, no danger."""
    along = (12.0, -9.0, 0.0, *CAR_SIZE, 0.0, 6.0)
    turned = (12.0, -9.0, np.pi / 2, *CAR_SIZE, 0.0, 6.0)
    assert decide(things(along), 8.0).acceleration_mps2 > -0.3
    assert decide(things(turned), 8.0).acceleration_mps2 < -1.0
    assert decide(things(turned, age_s=0.2), 8.0).acceleration_mps2 > -0.3


def test_what_is_not_confirmed_yet_counts_if_it_stays_and_is_near() -> None:
    """A lorry that no class fits is a doubtful thing for the tracker all the way to it."""
    doubtful = {"tentative": np.array([True]), "existence": np.array([0.05])}
    near, far = (20.0, 0.0, 0.0, *CAR_SIZE, 0.0, 0.0), (40.0, 0.0, 0.0, *CAR_SIZE, 0.0, 0.0)
    assert decide(things(near, age_s=0.4, **doubtful)).acceleration_mps2 < -2.0
    assert decide(things(near, age_s=0.1, **doubtful)).acceleration_mps2 > -0.3
    assert decide(things(far, age_s=0.4, **doubtful)).acceleration_mps2 > -0.3


def test_what_stands_near_is_remembered_when_it_is_lost() -> None:
    planner = ReferencePlanner()
    lorry = (8.5, 0.0, 0.0, 6.5, 2.5, 0.0, 0.0)
    accelerations = []
    for k in range(36):
        ego = EgoMotion(k * 100_000_000, 0.0, 0.0, 0.0, 0.0)
        there = things(lorry, stamp_ns=ego.stamp_ns) if k == 0 else things(stamp_ns=ego.stamp_ns)
        decision = planner.step(ego, route(), there, None, Mode.NOMINAL)
        assert decision is not None
        accelerations.append(decision.acceleration_mps2)
    assert max(accelerations[:30]) < 0.1
    assert accelerations[-1] > 0.5, "3 s later it is believed to be gone"


def test_what_is_lost_and_found_again_counts_once() -> None:
    planner = ReferencePlanner()
    for k, x in enumerate((9.5, 9.8)):
        ego = EgoMotion(k * 100_000_000, 0.0, 0.0, 0.0, 0.0)
        there = things((x, 0.0, 0.0, 6.5, 2.5, 0.0, 0.0), stamp_ns=ego.stamp_ns)
        object.__setattr__(there, "id", np.array([k + 7], np.uint64))
        decision = planner.step(ego, route(), there, None, Mode.NOMINAL)
    assert decision is not None and decision.object_id == 8
