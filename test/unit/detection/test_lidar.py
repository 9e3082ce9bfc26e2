"""The geometric detector as a whole, on ray-cast streets, on bad input, and on the recordings where present."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import (
    CAR,
    LABEL_INDEX,
    LABELS,
    MalformedMessage,
    Orientation,
    PointCloud,
    SourceMask,
)
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.lidar import GeometricLidarDetector, LidarFrame
from perception_nodes.geometry import Transform

Box = tuple[
    float, float, float, float, float, float
]  # x, y, yaw, length, width, height; standing on the ground
MOUNT_M = 1.9


def scan(boxes: list[Box], rng: np.random.Generator, *, beams: int = 40, step_deg: float = 0.3) -> np.ndarray:
    """(N, 3) returns within 60 m in level axes, the ground at z = 0, the lidar above the origin."""
    azimuth = np.radians(np.arange(0, 360, step_deg))
    elevation = np.radians(np.linspace(-25, 3, beams))
    a, e = (grid.ravel() for grid in np.meshgrid(azimuth, elevation))
    rays = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=1)
    with np.errstate(divide="ignore"):
        reach = np.where(rays[:, 2] < 0, -MOUNT_M / rays[:, 2], np.inf)
    for box in boxes:
        reach = np.minimum(reach, _hit(box, rays))
    seen = reach < 60
    reach = reach[seen] + rng.normal(0, 0.01, seen.sum())
    return (rays[seen] * reach[:, None] + [0, 0, MOUNT_M]).astype(np.float32)


def _hit(box: Box, rays: np.ndarray) -> np.ndarray:
    x, y, yaw, length, width, height = box
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    start = turn @ np.array([-x, -y, MOUNT_M])
    low, high = np.array([-length / 2, -width / 2, 0.2]), np.array([length / 2, width / 2, height])
    direction = rays @ turn.T
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (low - start) / direction, (high - start) / direction
    enter, leave = np.minimum(one, two).max(axis=1), np.maximum(one, two).min(axis=1)
    return np.where((enter < leave) & (enter > 0), enter, np.inf)


def cloud(xyz: np.ndarray) -> PointCloud:
    """A cloud of one lidar in base_link."""
    return PointCloud(7, "base_link", np.ascontiguousarray(xyz, np.float32))


ORIGIN = np.array([[0.0, 0.0, MOUNT_M]])
DETECTOR = GeometricLidarDetector()
CAR_LWH = (4.5, 1.85, 1.55)


def nearest(frame: LidarFrame, xy: tuple[float, float], label: int | None = None) -> tuple[int, float]:
    """Index of the detection nearest to `xy` (of one label, if given) and its distance."""
    found = frame.detections
    distance = np.hypot(*(found.center_m[:, :2] - xy).T)
    if label is not None:
        distance = np.where(found.label == label, distance, np.inf)
    return int(distance.argmin()), float(distance.min())


@pytest.mark.parametrize(
    ("x", "y", "yaw"), [(12, 3, 0.1), (-15, 6, 1.3), (8, -8, 0.8), (20, 0.5, 0.0), (0, 9, 0.05)]
)
def test_a_car_is_found_whole(rng: np.random.Generator, x: float, y: float, yaw: float) -> None:
    frame = DETECTOR.detect(cloud(scan([(x, y, yaw, *CAR_LWH)], rng)), ORIGIN)
    k, distance = nearest(frame, (x, y))
    assert distance < 0.6
    assert frame.detections.label[k] == CAR
    assert abs(np.sin(frame.detections.yaw_rad[k] - yaw)) < 0.1
    np.testing.assert_allclose(frame.detections.lwh_m[k], CAR_LWH, atol=0.7)


def test_a_rolled_and_lifted_base_frame_changes_nothing_but_the_frame(rng: np.random.Generator) -> None:
    xyz = scan([(12, 3, 0.1, *CAR_LWH), (-8, -5, 1.5, *CAR_LWH)], rng)
    base_from_level = Transform.from_xyz_rpy((0, 0, -0.3), (np.radians(1.8), 0.01, 0))
    frame = DETECTOR.detect(cloud(base_from_level.apply(xyz)), base_from_level.apply(ORIGIN))
    for xy in ((12, 3), (-8, -5)):
        assert nearest(frame, xy, CAR)[1] < 0.6
    level = xyz[:, 2]
    assert np.abs(frame.height_m - level)[np.hypot(xyz[:, 0], xyz[:, 1]) < 30].max() < 0.25


def test_a_wall_is_no_vehicle(rng: np.random.Generator) -> None:
    walls = [(0, 12, 0, 40, 0.4, 6), (15, -10, 1.57, 14, 0.4, 2.8), (-12, -9, 0.3, 9, 0.3, 1.0)]
    found = DETECTOR.detect(cloud(scan(walls, rng)), ORIGIN).detections  # type: ignore[arg-type]
    strong = found.score > 0.5
    assert not np.isin(found.label[strong], [CAR, LABEL_INDEX["truck"], LABEL_INDEX["bus"]]).any()


def test_cars_parked_bumper_to_bumper_stay_apart(rng: np.random.Generator) -> None:
    row = [(x, 6, 0.0, *CAR_LWH) for x in (-7.0, -1.7, 3.6, 8.9)]
    frame = DETECTOR.detect(cloud(scan(row, rng)), ORIGIN)
    assert [nearest(frame, box[:2], CAR)[1] < 0.8 for box in row] == [True] * 4


def test_a_car_beside_a_wall_is_not_swallowed(rng: np.random.Generator) -> None:
    frame = DETECTOR.detect(cloud(scan([(10, 6, 0, *CAR_LWH), (10, 7.5, 0, 30, 0.3, 4)], rng)), ORIGIN)
    assert nearest(frame, (10, 6), CAR)[1] < 0.8


def test_a_face_seen_from_behind_is_completed_away_from_the_sensor(rng: np.random.Generator) -> None:
    frame = DETECTOR.detect(cloud(scan([(15, 0, 0, *CAR_LWH)], rng)), ORIGIN)
    k, _ = nearest(frame, (15, 0))
    found = frame.detections
    assert found.center_m[k, 0] - found.lwh_m[k, 0] / 2 == pytest.approx(15 - 4.5 / 2, abs=0.15)
    assert found.lwh_m[k, 0] > 3.4


def test_a_person_is_small_and_upright(rng: np.random.Generator) -> None:
    frame = DETECTOR.detect(cloud(scan([(7, 2, 0, 0.5, 0.5, 1.75)], rng)), ORIGIN)
    k, distance = nearest(frame, (7, 2))
    assert distance < 0.3
    assert frame.detections.label[k] == LABEL_INDEX["pedestrian"]


def child(x: float, y: float) -> list[Box]:
    """A body with a head on it, 1.15 m tall."""
    return [(x, y, 0.3, 0.25, 0.38, 0.92), (x, y, 0.3, 0.18, 0.17, 1.15)]


@pytest.mark.parametrize(("x", "y"), [(8, -1.5), (9, -2.2), (6, -2)])
def test_a_child_is_a_person(rng: np.random.Generator, x: float, y: float) -> None:
    van = (x - 3.5, y - 1.8, 0.0, 5.0, 2.0, 2.0)
    frame = DETECTOR.detect(cloud(scan([*child(x, y), van], rng)), ORIGIN)
    k, distance = nearest(frame, (x, y))
    assert distance < 0.3
    assert frame.detections.label[k] == LABEL_INDEX["pedestrian"]
    assert frame.detections.score[k] > 0.3


@pytest.mark.parametrize(
    "thing", [(9, 0.5, 0.3, 0.7, 0.6, 0.55), (14, -2, 0.8, 0.9, 0.8, 0.7), (8, 3, 1.5, 1.2, 0.3, 0.9)]
)
def test_what_stands_alone_on_the_road_is_reported(rng: np.random.Generator, thing: Box) -> None:
    frame = DETECTOR.detect(cloud(scan([thing, (20, 12, 0, 40, 0.3, 5)], rng)), ORIGIN)
    k, distance = nearest(frame, thing[:2])
    found = frame.detections
    assert distance < 0.5
    assert LABELS[found.label[k]] in ("unknown", "barrier", "traffic_cone")
    assert found.score[k] > 0.5
    assert found.center_m[k, 2] + found.lwh_m[k, 2] / 2 == pytest.approx(thing[5], abs=0.15)


def test_overhead_things_are_left_out(rng: np.random.Generator) -> None:
    bridge = rng.uniform([10, -5, 3.5], [14, 5, 3.8], (3000, 3))
    frame = DETECTOR.detect(cloud(np.concatenate([scan([], rng), bridge])), ORIGIN)
    assert len(frame.detections) == 0


def test_what_every_detection_says(rng: np.random.Generator) -> None:
    frame = DETECTOR.detect(cloud(scan([(12, 3, 0.1, *CAR_LWH), (7, -4, 0, 0.5, 0.5, 1.75)], rng)), ORIGIN)
    found = frame.detections
    assert (found.stamp_ns, found.frame_id, found.source) == (7, "base_link", "lidar")
    assert (found.orientation == Orientation.SIGN_UNKNOWN).all()
    assert (found.source_mask == SourceMask.LIDAR).all()
    assert (found.num_points > 0).all()
    assert np.isnan(found.velocity_mps).all()
    assert np.isnan(found.covariance[:, 7:, :]).all()
    # How centre and extent err together is not known.
    assert np.isnan(found.covariance[:, :2, 4:6]).all()
    assert np.linalg.eigvalsh(np.nan_to_num(found.covariance[:, :7, :7])).min() > 0
    np.testing.assert_allclose(found.class_probabilities.sum(axis=1), 1)
    assert ((found.score >= 0) & (found.score <= 1) & (found.visibility >= 0) & (found.visibility <= 1)).all()
    assert len(np.unique(found.detection_id)) == len(found) >= 2


def test_less_seen_is_less_certain(rng: np.random.Generator) -> None:
    frame = DETECTOR.detect(cloud(scan([(9, 5, 0.3, *CAR_LWH), (25, 1, 0, *CAR_LWH)], rng)), ORIGIN)
    near, far = nearest(frame, (9, 5))[0], nearest(frame, (25, 1))[0]
    found = frame.detections
    assert np.trace(found.covariance[far, :2, :2]) > 2 * np.trace(found.covariance[near, :2, :2])
    assert found.visibility[far] < found.visibility[near]


def test_own_returns_are_removed(rng: np.random.Generator) -> None:
    own = rng.uniform([-2.2, -0.9, 0.4], [2.2, 0.9, 1.6], (2000, 3))
    frame = DETECTOR.detect(cloud(np.concatenate([scan([], rng), own])), ORIGIN)
    assert len(frame.detections) == 0
    assert np.isnan(frame.height_m[-2000:]).all()
    assert not frame.on_ground[-2000:].any()


def test_the_own_footprint_of_a_rig() -> None:
    config = GeometricConfig().with_vehicle((5.0, 2.0, 1.5), 1.4)
    assert (config.ego_length_m, config.ego_width_m, config.ego_center_x_m) == (5.3, 2.3, 1.4)


EMPTY = np.zeros((0, 3), np.float32)
ODD_CLOUDS = {
    "empty": EMPTY,
    "one point": np.array([[5, 0, 0.9]], np.float32),
    "at the origin": np.zeros((100, 3), np.float32),
    "all ground": np.stack(
        [*np.meshgrid(np.arange(-20, 20), np.arange(-20, 20)), np.zeros((40, 40))], -1
    ).reshape(-1, 3),
    "far away": np.full((50, 3), 1e30, np.float32),
    "one spot": np.tile(np.array([[6, 1, 0.8]], np.float32), (500, 1)),
    "one line": np.stack([np.linspace(3, 60, 400), np.zeros(400), np.full(400, 0.7)], -1),
    "below ground": np.array([[5, 0, -20.0], [6, 0, -25.0]], np.float32),
}


@pytest.mark.parametrize("name", ODD_CLOUDS)
def test_odd_clouds_give_a_result_without_objects(name: str) -> None:
    xyz = ODD_CLOUDS[name]
    frame = DETECTOR.detect(cloud(xyz), ORIGIN)
    assert not (frame.detections.score > 0.5).any()
    assert len(frame.height_m) == len(frame.on_ground) == len(xyz)
    assert np.isfinite(frame.ground.height_m).all()


def test_a_point_of_an_unknown_lidar_is_refused() -> None:
    xyz = np.ones((4, 3), np.float32)
    strange = PointCloud(1, "base_link", xyz, source=np.array([0, 0, 1, 0], np.uint8))
    with pytest.raises(MalformedMessage, match="wanted 2 rows, got 1"):
        DETECTOR.detect(strange, ORIGIN)
    with pytest.raises(MalformedMessage, match="wanted 1 rows, got 0"):
        DETECTOR.detect(cloud(xyz), np.zeros((0, 3)))


def test_two_lidars_merged_give_one_object(rng: np.random.Generator) -> None:
    xyz = scan([(12, 3, 0.1, *CAR_LWH)], rng)
    merged = np.concatenate([xyz, xyz + rng.normal(0, 0.01, xyz.shape)]).astype(np.float32)
    source = np.repeat([0, 1], len(xyz)).astype(np.uint8)
    frame = DETECTOR.detect(PointCloud(7, "base_link", merged, source=source), np.repeat(ORIGIN, 2, axis=0))
    assert (np.hypot(*(frame.detections.center_m[:, :2] - [12, 3]).T) < 3).sum() == 1
