"""KITTI 3D tracking: drawn scenes worked by hand, the side effects of the published evaluator, errors."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError, InputError
from perception_nodes.evaluation.kitti_objects import KittiObjects, join
from perception_nodes.evaluation.tracking.kitti import KittiTracking, kitti_tracking
from perception_nodes.evaluation.tracking.kitti_table import KittiTrackingConfig

PUBLISHED = KittiTrackingConfig(mode="published")
Frames = list[KittiObjects]


def thing(track: int, x_m: float, kind: str = "Car", **columns: Any) -> KittiObjects:
    """One object at x, 20 m ahead, 50 px high."""
    given = {"bbox_px": [[20 * x_m, 100, 20 * x_m + 60, 150]], "track_id": track} | columns
    return KittiObjects.of([kind], given.pop("bbox_px"), [[1.5, 1.6, 3.9]], [[x_m, 1.7, 20]], **given)


def area(x_m: float) -> KittiObjects:
    box = [[20 * x_m - 10, 90, 20 * x_m + 80, 160]]
    return KittiObjects.of(["DontCare"], box, [[-1, -1, -1]], [[-1000, -1000, -1000]])


def track(ids: list[int | None], x_m: float = 0.0, score: float = 1.0) -> Frames:
    """One object that has these ids frame by frame; None: it is not there."""
    none = KittiObjects.empty()
    return [none if i is None else thing(i, x_m, score=score) for i in ids]


def together(*parts: Frames) -> Frames:
    return [join(frames) for frames in zip(*parts, strict=True)]


def score(
    truth: Frames, results: Frames, label: str = "Car", config: KittiTrackingConfig | None = None
) -> KittiTracking:
    return kitti_tracking({"a": truth}, {"a": results}, label, config)


def events(found: KittiTracking) -> tuple[int, int, int, int, int]:
    """Hits, false alarms, misses, switches, fragments at the best threshold."""
    b = found.best
    return b.true_positives, b.false_positives, b.false_negatives, b.id_switches, b.fragments


def crowd(n: int = 50) -> Frames:
    """50 tracks of three frames, so that all 40 recalls are reached."""
    return together(*(track([i] * 3, 5.0 * i, score=1.0 + i) for i in range(n)))


@pytest.mark.parametrize("mode", ["clean", "published"])
def test_perfect_tracks(mode: str) -> None:
    found = score(crowd(), crowd(), config=KittiTrackingConfig(mode=mode))
    assert len(found.curve) == 40
    assert found.samota == pytest.approx(1.0, abs=0.03)  # thresholds fall between tracks of three boxes
    assert found.amotp == pytest.approx(1.0)
    assert events(found) == (150, 0, 0, 0, 0)
    assert (found.best.mota, found.best.mostly_tracked, found.best.recall) == (1.0, 1.0, 1.0)
    assert (found.num_truth, found.num_truth_tracks, found.num_result_tracks, found.frames) == (
        150,
        50,
        50,
        3,
    )


def test_amota_of_perfect_tracks_is_the_mean_of_the_recalls() -> None:
    """Without errors but misses MOTA at a recall is the share that is found."""
    found = score(crowd(), crowd())
    assert found.amota == pytest.approx(sum(p.recall for p in found.curve) / 40)
    for point in found.curve:
        wanted = 1 - (point.false_negatives - (1 - point.wanted_recall) * 150) / (point.wanted_recall * 150)
        assert point.smota == pytest.approx(min(1.0, wanted))


def test_no_results_and_no_truth() -> None:
    nothing = [KittiObjects.empty()] * 3
    missed = score(crowd(), nothing)
    assert (missed.samota, missed.amota, missed.amotp, missed.curve) == (0.0, 0.0, 0.0, ())
    assert events(missed) == (0, 0, 150, 0, 0)
    assert missed.best.mostly_lost == 1.0
    invented = score(nothing, crowd())
    assert np.isnan(invented.samota) and np.isnan(invented.best.mota)
    assert events(invented) == (0, 150, 0, 0, 0)


@pytest.mark.parametrize(
    ("truth", "ours", "expected"),
    [
        ([0] * 6, [3] * 6, (6, 0, 0, 0, 0)),
        ([0] * 6, [3, 3, 3, 4, 4, 4], (6, 0, 0, 1, 1)),  # a swap is a switch and a fragment
        ([0] * 6, [3, 3, None, 3, 3, 3], (5, 0, 1, 0, 1)),  # a gap is a fragment
        ([0] * 6, [3, 3, None, 4, 4, 4], (5, 0, 1, 0, 1)),  # another id behind a gap is no switch in the kit
        ([0] * 6, [None, None, 3, 3, 3, 3], (4, 0, 2, 0, 0)),  # late birth
        ([0] * 6, [3, 3, 3, 3, None, None], (4, 0, 2, 0, 0)),  # early loss
        (
            [0] * 6,
            [3, 3, None, 3, None, 3],
            (4, 0, 2, 0, 1),
        ),  # a hit of one frame ends no gap; in the last frame it does
        ([None, None, 0, 0, 0, 0], [3] * 6, (4, 2, 0, 0, 0)),  # clutter before birth
    ],
)
def test_stories(truth: list[int | None], ours: list[int | None], expected: tuple[int, ...]) -> None:
    assert events(score(track(truth), track(ours))) == expected


def test_two_that_swap_their_ids() -> None:
    truth = together(track([0] * 4), track([1] * 4, 10.0))
    ours = together(track([0, 0, 1, 1]), track([1, 1, 0, 0], 10.0))
    assert events(score(truth, ours)) == (8, 0, 0, 2, 2)


@pytest.mark.parametrize(
    ("found", "share"),
    [(9, "mostly_tracked"), (8, "partly_tracked"), (2, "partly_tracked"), (1, "mostly_lost")],
)
def test_mostly_tracked_and_lost(found: int, share: str) -> None:
    best = score(track([0] * 10), track([3] * found + [None] * (10 - found))).best
    assert getattr(best, share) == 1.0


def test_as_many_pairs_as_possible_come_before_the_greatest_overlap() -> None:
    """One result lies on the first car (IoU 0.9) and fits the second (0.28); the other fits the first only (0.28)."""
    truth = together(track([0]), track([1], 2.4))
    ours = together(track([5], 0.2), track([6], -2.2))
    assert events(score(truth, ours)) == (2, 0, 0, 0, 0)


def test_the_overlap_must_reach_the_limit() -> None:
    """Cars of 3.9 m shifted by 2.34 m along their length overlap by 0.4 / 1.6 = 0.25 (the limit itself counts)."""
    for shift_m, hits in ((2.3399, 1), (2.3401, 0)):
        assert events(score(track([0]), track([3], shift_m)))[0] == hits
    assert events(score(track([0]), track([3], 1.5), config=KittiTrackingConfig(min_overlap=0.5)))[0] == 0


@pytest.mark.parametrize("change", [{"occluded": 3}, {"truncated": 1}, {"kind": "Van"}])
def test_neutral_truth_is_not_missed_and_its_hit_counts(change: dict[str, Any]) -> None:
    truth = together(track([0] * 3), [thing(1, 10.0, **change)] * 3)
    alone = score(truth, track([3] * 3))
    assert (alone.num_truth, events(alone)) == (3, (3, 0, 0, 0, 0))
    both = score(truth, together(track([3] * 3), track([4] * 3, 10.0)))
    assert events(both) == (6, 0, 0, 0, 0)
    assert both.best.mota == 1.0


def test_excused_results() -> None:
    truth = [join([thing(0, 0.0), area(10.0)])] * 3
    low = thing(5, 20.0, bbox_px=[[400, 100, 460, 125]], score=1.0)
    on_area, neighbour, alarm = (
        thing(6, 10.0, score=1.0),
        thing(7, 30.0, "Van", score=1.0),
        thing(8, 40.0, score=1.0),
    )
    for extra, alarms in ((low, 0), (on_area, 0), (neighbour, 0), (alarm, 3)):
        assert events(score(truth, [join([thing(3, 0.0, score=1.0), extra])] * 3))[:2] == (3, alarms)


def test_tracks_below_the_threshold_go_as_a_whole() -> None:
    """The worse track lies on nothing: MOTA is best without it, although some of its boxes score high."""
    false = [thing(9, 40.0, score=s) for s in (9.0, 0.0, 0.0)]
    found = score(track([0] * 3, score=1.0), together(track([3] * 3, score=4.0), false))
    assert events(found) == (3, 0, 0, 0, 0)
    assert found.best.threshold == 4.0


def test_sitting_persons_are_neutral_but_not_in_published_mode() -> None:
    sitting = [join([thing(0, 0.0, "Pedestrian"), thing(1, 10.0, "Person")])] * 3
    ours = [join([thing(3, 0.0, "Pedestrian", score=1.0), thing(4, 10.0, "Pedestrian", score=1.0)])] * 3
    assert events(score(sitting, ours, "Pedestrian")) == (6, 0, 0, 0, 0)
    assert events(score(sitting, ours, "Pedestrian", PUBLISHED)) == (3, 3, 0, 0, 0)


def test_published_scores_lose_tracks_to_rounding() -> None:
    """Three times 0.1 is more than 0.3: the mean of means creeps up; other scores creep down below themselves."""
    values = np.arange(1, 60) / 10.0
    truth = together(*(track([i] * 7, 5.0 * i) for i in range(len(values))))
    ours = together(*(track([i] * 7, 5.0 * i, score=float(v)) for i, v in enumerate(values)))
    clean, published = score(truth, ours), score(truth, ours, config=PUBLISHED)
    again = [sum([v] * 7) / 7 for v in values.tolist()]
    assert any(sum([a] * 7) / 7 != a for a in again), "the values show no rounding: choose others"
    hits = [[p.true_positives for p in found.curve] for found in (clean, published)]
    assert all(a >= b for a, b in zip(*hits, strict=True))
    assert hits[0] != hits[1]


def test_published_mode_remembers_matches_of_other_passes() -> None:
    """Among the sure tracks a low result has the object for itself; with all, a better one takes it over."""
    truth = together(track([0] * 40), track([1] * 40, 10.0))
    low = [thing(5, 0.8, score=5.0, bbox_px=[[0, 100, 60, 120]])] * 40
    ours = together(low, track([6] * 40, score=1.0), track([7] * 40, 10.0, score=3.0))
    for config, alarms in ((KittiTrackingConfig(), 0), (PUBLISHED, 40)):
        curve = score(truth, ours, config=config).curve
        assert (curve[0].threshold, curve[0].true_positives, curve[0].false_positives) == (3.0, 80, 0)
        assert (curve[-1].threshold, curve[-1].true_positives, curve[-1].false_positives) == (1.0, 80, alarms)


def test_sequences_do_not_share_tracks() -> None:
    scene = track([0] * 3, score=2.0)
    found = kitti_tracking({"a": scene, "b": scene}, {"b": scene, "a": scene}, "Car")
    assert (found.num_truth_tracks, found.num_result_tracks, events(found)) == (2, 2, (6, 0, 0, 0, 0))


def test_the_shorter_recording_is_filled_up() -> None:
    assert events(score(track([0] * 3), track([3] * 2))) == (2, 0, 1, 0, 0)
    assert events(score(track([0] * 2), track([3] * 3))) == (2, 1, 0, 0, 0)


def test_wrong_input_is_named() -> None:
    with pytest.raises(InputError, match=r"sequences \['a'\] of truth, \['b'\] of results"):
        kitti_tracking({"a": []}, {"b": []}, "Car")
    with pytest.raises(InputError, match="class 'Tram' is not one of"):
        score([], [], "Tram")
    with pytest.raises(InputError, match="sequence a, frame 1: results: an id occurs twice"):
        score(
            track([0] * 2),
            [thing(1, 0.0, score=1.0), join([thing(1, 0.0, score=1.0), thing(1, 9.0, score=1.0)])],
        )
    with pytest.raises(InputError, match="frame 0: truth: an id occurs twice"):
        score([join([thing(1, 0.0), thing(1, 9.0)])], [KittiObjects.empty()])
    with pytest.raises(InputError, match="frame 0: a result has no track id"):
        score(track([0]), [dataclasses.replace(thing(0, 0.0, score=1.0), track_id=np.array([-1]))])
    with pytest.raises(InputError, match="frame 0: a result has no finite score"):
        score(track([0]), [thing(0, 0.0)])
    for wrong in ({"mode": "new"}, {"view": "bev"}, {"min_overlap": 0.0}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            KittiTrackingConfig(**wrong)  # type: ignore[arg-type]
