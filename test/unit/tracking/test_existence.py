from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.geometry import corners_bev
from perception_nodes.tracking import TrackerConfig
from perception_nodes.tracking.existence import (
    BEARINGS,
    average_quality,
    hit,
    miss,
    published_existence,
    survive,
    visible_share,
)
from perception_nodes.tracking.store import TrackStore

SENSOR = np.array([0.0, 0.0, 1.8])
CAR = np.array([4.5, 1.9, 1.6])


def share(centers, sizes, yaws, blocks=None):
    n = len(centers)
    blocks = np.ones(n, bool) if blocks is None else np.array(blocks)
    out = np.ones(n)
    boxes = np.column_stack([np.reshape(centers, (n, 3)), np.reshape(sizes, (n, 3)), np.reshape(yaws, n)])
    visible_share(boxes.astype(float), SENSOR, blocks, out)
    return out


def test_a_miss_by_the_bernoulli_formula():
    # 0.8 there, seen with 0.9 when there: 0.8 * 0.1 / (0.8 * 0.1 + 0.2).
    assert miss(0.8, 0.9) == pytest.approx(0.08 / 0.28)


def test_a_miss_where_nothing_can_be_seen_says_nothing():
    assert miss(0.8, 0.0) == pytest.approx(0.8)


def test_a_hit_multiplies_the_odds():
    config = TrackerConfig(detection_probability=0.9, clutter_ratio=0.3)
    # Odds 1, quality 0.6: 1 * (0.6 * 0.9) / (0.4 * 0.3) = 4.5.
    assert hit(0.5, 0.6, config.numbers) == pytest.approx(4.5 / 5.5)


def test_presence_never_becomes_certain():
    config = TrackerConfig(existence_max=0.99)
    presence = 0.9
    for _ in range(50):
        presence = hit(presence, 0.97, config.numbers)
    assert presence == 0.99


def test_survival_does_not_depend_on_the_frame_rate():
    numbers = TrackerConfig(survival_per_s=0.9).numbers
    slow, fast = survive(1.0, 1.0, numbers), 1.0
    for _ in range(20):
        fast = survive(fast, 0.05, numbers)
    assert slow == pytest.approx(fast) == pytest.approx(0.9)


def test_a_box_right_behind_a_tall_one_is_hidden():
    centers = [(10, 0, 1.5), (20, 0, 0.8)]
    got = share(centers, [(2, 6, 3.0), CAR], [0, 0])
    assert got[0] == 1.0
    assert got[1] == 0.0


def test_only_confirmed_boxes_hide():
    got = share([(10, 0, 1.5), (20, 0, 0.8)], [(2, 6, 3.0), CAR], [0, 0], blocks=[False, True])
    np.testing.assert_array_equal(got, 1.0)


def test_the_sensor_looks_over_a_low_roof():
    # Roof of the near car at 1.0 m, nearest corner at 9 m: its shadow at 18 m is 1.8 - 0.8 * 2 = 0.2 m high.
    near, far = np.array([2.0, 60.0, 1.0]), np.array([2.0, 0.5, 1.6])
    corner = np.hypot(9.0, 30.0)
    wanted = (1.6 - (1.8 - 0.8 * 32.0 / corner)) / 1.6
    got = share([(10, 0, 0.5), (32, 0, 0.8)], [near, far], [0, 0])
    assert 0 < wanted < 1
    assert got[1] == pytest.approx(wanted)


def test_a_box_around_the_sensor_hides_nothing():
    got = share([(0, 0, 1.5), (20, 0, 0.8)], [(5, 5, 3.0), CAR], [0, 0])
    assert got[1] == 1.0


def test_the_kernel_against_rays_drawn_one_by_one():
    rng = np.random.default_rng(4)
    n = 25
    center = np.column_stack([rng.uniform(-30, 30, (n, 2)), np.full(n, 1.0)])
    size = rng.uniform(1.0, 5.0, (n, 3))
    center[:, 2] = size[:, 2] / 2
    yaw, blocks = rng.uniform(-3, 3, n), rng.random(n) < 0.7
    corners = corners_bev(center, size, yaw)
    angle = np.arctan2(corners[..., 1], corners[..., 0])
    wanted = np.zeros(n)
    for i in range(n):
        middle = np.arctan2(center[i, 1], center[i, 0])
        off = [(a - middle + np.pi) % (2 * np.pi) - np.pi for a in angle[i]]
        for k in range(BEARINGS):
            ray = middle + min(off) + (max(off) - min(off)) * (k + 0.5) / BEARINGS
            seen = 1.0
            for j in np.flatnonzero(blocks):
                own = np.arctan2(center[j, 1], center[j, 0])
                around = [(a - own + np.pi) % (2 * np.pi) - np.pi for a in angle[j]]
                if max(around) - min(around) >= np.pi:
                    continue
                at = (ray - own + np.pi) % (2 * np.pi) - np.pi
                near = max(min(np.hypot(*c) for c in corners[j]), 0.1)
                far = np.hypot(*center[i, :2])
                if min(around) < at < max(around) and near + 0.5 < far and np.hypot(*center[j, :2]) < far:
                    shadow = SENSOR[2] + (size[j, 2] - SENSOR[2]) * far / near
                    seen = min(seen, np.clip((size[i, 2] - shadow) / size[i, 2], 0, 1))
            wanted[i] += seen / BEARINGS
    np.testing.assert_allclose(share(center, size, yaw, blocks), wanted, atol=1e-12)
    assert 0.0 < wanted.mean() < 1.0


def quality_store():
    tracks = TrackStore.empty(1)
    tracks.presence[:], tracks.quality[:], tracks.quality_weight[:] = 0.9, 0.5, 1.0
    return tracks


def test_quality_is_a_mean_not_a_product():
    tracks = quality_store()
    for _ in range(25):
        average_quality(tracks.rows[0], 0.5, 1.0)
    assert tracks.quality[0] == pytest.approx(0.5)
    assert published_existence(tracks.rows[0], 0, TrackerConfig().numbers) == pytest.approx(0.9 * 0.5)


def test_published_existence_fades_while_nothing_confirms_it():
    tracks = quality_store()
    numbers = TrackerConfig(fade_time_s=2.0).numbers
    now, later = (published_existence(tracks.rows[0], t, numbers) for t in (0, 2_000_000_000))
    assert later == pytest.approx(now / np.e)


def test_an_empty_store_has_no_visibility():
    assert share(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0)).shape == (0,)
