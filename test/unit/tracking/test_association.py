from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS, PEDESTRIAN, UNKNOWN, ConfigurationError
from perception_nodes.geometry.boxes import corners_bev
from perception_nodes.tracking import TrackerConfig
from perception_nodes.tracking.association import associate, generalised, hull_area, pair_costs
from perception_nodes.tracking.birth import born
from perception_nodes.tracking.classes import agreement
from perception_nodes.tracking.config import ASSOCIATIONS
from perception_nodes.tracking.measurement import ROW, prepare
from perception_nodes.tracking.store import TrackStore

SENSOR = np.zeros(2)
NUMBERS = TrackerConfig().numbers


def tracks_of(d):
    index = np.arange(len(d))
    measured = prepare(d, SENSOR)
    return born(TrackStore.empty(), measured, index, index.astype(np.uint64) + 1, TrackerConfig())


def one_hot(*names):
    return np.eye(NUM_LABELS)[[LABEL_INDEX[n] for n in names]]


def test_agreement_of_classes():
    a = one_hot("car", "pedestrian", "unknown")
    b = one_hot("truck", "pedestrian", "unknown")
    got = [[agreement(p, q, NUMBERS) for q in b] for p in a]
    np.testing.assert_allclose(got, [[1.0, 0.02, 1.0], [0.02, 1.0, 1.0], [1.0, 1.0, 1.0]])


def test_half_known_classes_half_disagree():
    half = np.zeros((1, NUM_LABELS))
    half[0, [PEDESTRIAN, UNKNOWN]] = 0.5
    # In any scale: the sums of a track are not of one.
    assert agreement(7 * half[0], one_hot("car")[0], NUMBERS) == pytest.approx(0.5)


def test_another_class_costs_more(make_detections):
    d = make_detections(0, [(10.0, 3.0, 0.0)], ["car"])
    same = replace(d, class_probabilities=one_hot("car"))
    other = replace(d, class_probabilities=one_hot("barrier"))
    config = TrackerConfig()
    cost = [pair_costs(tracks_of(same), prepare(x, SENSOR), config)[0][0, 0] for x in (same, other)]
    assert cost[1] - cost[0] == pytest.approx(-config.weight_class * np.log(0.02))


def test_far_pairs_are_outside_the_gate(make_detections):
    d = make_detections(0, [(10.0, 3.0, 0.0), (30.0, 3.0, 0.0)], ["car", "car"])
    cost, _ = pair_costs(tracks_of(d), prepare(d, SENSOR), TrackerConfig())
    np.testing.assert_array_equal(np.isfinite(cost), np.eye(2, dtype=bool))


def test_the_gate_follows_the_covariance_of_the_measurement(make_detections):
    # 5 m off along a ray that is 3 m uncertain is inside, 2 m off across it is not.
    tracks = tracks_of(make_detections(0, [(30.0, 0.0, 0.0)], ["pedestrian"]))
    tracks.cov[:, :2, :2] *= 0.1
    tracks.cov[:, 3:5, 3:5] = 0.0
    tracks.static_cov *= 0.1
    cov = np.full((2, 9, 9), np.nan)
    cov[:, 0, 0], cov[:, 1, 1] = 9.0, 0.01
    d = make_detections(
        0,
        [(35.0, 0.0, 0.0), (30.0, 2.0, 0.0)],
        ["pedestrian"] * 2,
        covariance=cov,
        source_mask=np.full(2, 2, np.uint8),
    )
    cost, _ = pair_costs(tracks, prepare(d, SENSOR), TrackerConfig())
    assert np.isfinite(cost[0, 0])
    assert np.isinf(cost[0, 1])


def test_the_sum_of_costs_decides_not_the_best_pair(make_detections):
    tracks = tracks_of(make_detections(0, [(10.0, 0.0, 0.0), (10.0, 2.2, 0.0)], ["car"] * 2))
    measured = prepare(make_detections(0, [(10.0, 1.2, 0.0), (10.0, 3.0, 0.0)], ["car"] * 2), SENSOR)
    pairs = associate(tracks, measured, TrackerConfig())
    assert sorted(zip(pairs.track.tolist(), pairs.detection.tolist(), strict=True)) == [(0, 0), (1, 1)]


def test_greedy_takes_the_best_pair_first(make_detections):
    # The second detection is nearest to the first track; the sum would be less the other way round.
    tracks = tracks_of(make_detections(0, [(10.0, 0.0, 0.0), (10.0, 2.4, 0.0)], ["car"] * 2))
    measured = prepare(make_detections(0, [(10.0, -1.6, 0.0), (10.0, 0.9, 0.0)], ["car"] * 2), SENSOR)
    found = {}
    for way in ASSOCIATIONS:
        pairs = associate(tracks, measured, TrackerConfig(association=way))
        found[way] = sorted(zip(pairs.track.tolist(), pairs.detection.tolist(), strict=True))
    assert found == {"global_nearest": [(0, 0), (1, 1)], "greedy": [(0, 1)]}


def test_an_unknown_way_is_refused():
    with pytest.raises(ConfigurationError, match=r"association: wanted one of .*, got 'best'"):
        TrackerConfig(association="best")


def box(x, y, yaw, length, width):
    row = np.zeros(1, ROW)
    row["pose"], row["lwh_m"] = (x, y, yaw), (length, width, 1.5)
    return row[0]


def test_the_hull_of_two_boxes_is_that_of_their_corners():
    rng = np.random.default_rng(5)
    for k in range(50):
        pose, size = (*rng.uniform(-4, 4, 2), rng.uniform(-3, 3)), rng.uniform(0.3, 8, 3)
        # Every tenth lies on the other, some of them alike: corners in one place, corners on one line.
        other = (*pose, *(size[:2] if k % 20 == 0 else rng.uniform(0.3, 8, 2)))
        other = other if k % 10 == 0 else tuple(rng.uniform(-4, 4, 5)[:3]) + tuple(rng.uniform(0.3, 8, 2))
        m = box(*other)
        corners = [
            corners_bev(np.array([[*at[:2], 0.0]]), np.array([[*lwh[:2], 1.5]]), np.array([at[2]]))[0]
            for at, lwh in ((pose, size), (m["pose"], m["lwh_m"]))
        ]
        assert hull_area(pose, size, m) == pytest.approx(ConvexHull(np.concatenate(corners)).volume)


def test_generalised_overlap_by_hand():
    # Two unit squares, 2 m apart: no overlap, area 2 of a hull of 3. The same square: 1.
    size = np.ones(3)
    hull = hull_area((0.0, 0.0, 0.0), size, box(2.0, 0.0, 0.0, 1.0, 1.0))
    assert hull == pytest.approx(3.0)
    assert generalised(0.0, 2.0, hull) == pytest.approx(0.5 * (1 - 1 / 3))
    assert generalised(1.0, 1.0, 1.0) == 1.0


def test_only_generalised_overlap_says_how_far_boxes_are_apart(make_detections):
    tracks = tracks_of(make_detections(0, [(10.0, 0.0, 0.0)], ["car"]))
    measured = prepare(make_detections(0, [(10.0, y, 0.0) for y in (2.5, 3.0)], ["car"] * 2), SENSOR)
    only = {"weight_mahalanobis": 0.0, "weight_distance": 0.0, "gate_mahalanobis2": 500.0}
    plain, better = (
        pair_costs(tracks, measured, TrackerConfig(generalised_overlap=g, **only))[0] for g in (False, True)
    )
    assert plain[0, 0] == plain[0, 1] == pytest.approx(1.0)
    assert 0.5 < better[0, 0] < better[0, 1] < 1.0


def test_nothing_to_associate():
    pairs = associate(TrackStore.empty(), TrackStore.empty(), TrackerConfig())  # type: ignore[arg-type]
    assert len(pairs.track) == 0
