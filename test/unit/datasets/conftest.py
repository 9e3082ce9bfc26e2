"""Small bags and dataset folders made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from perception_nodes.datasets import BagWriter
from perception_nodes.datasets.messages import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    ODOMETRY,
    POINT_CLOUD,
    TF,
    camera_info,
    compressed_image,
    header,
    point_cloud,
    tf_message,
)
from perception_nodes.datasets.typestore import message_class
from perception_nodes.datatypes import Modality, Rig, SensorSpec
from perception_nodes.geometry import CameraModel, Transform

START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
STATIC = Transform.from_xyz_rpy((1.0, 0.0, 1.8), (0.0, 0.0, 0.1))


def cloud(k: int, frame: str = "lidar_top"):
    xyz = np.arange(30, dtype=np.float32).reshape(10, 3) + k
    return point_cloud(START_NS + k * PERIOD_NS, frame, xyz, {"intensity": np.full(10, k, np.float32)})


def odometry(k: int):
    def make(name: str, **values: object):
        return message_class(f"geometry_msgs/msg/{name}")(**values)

    pose = make(
        "Pose",
        position=make("Point", x=float(k), y=0.0, z=0.0),
        orientation=make("Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
    )
    zero = make("Vector3", x=0.0, y=0.0, z=0.0)
    return message_class(ODOMETRY)(
        header=header(START_NS + k * PERIOD_NS, "odometry"),
        child_frame_id="wheels",
        pose=make("PoseWithCovariance", pose=pose, covariance=np.zeros(36)),
        twist=make(
            "TwistWithCovariance", twist=make("Twist", linear=zero, angular=zero), covariance=np.zeros(36)
        ),
    )


@pytest.fixture
def make_bag(tmp_path: Path) -> Callable[..., Path]:
    """Ten clouds at 10 Hz, images with calibration, transforms (or odometry): `make_bag(odometry=True, ...)`."""

    def make(
        name: str = "drive.mcap",
        *,
        compression: str = "none",
        odom: bool = False,
        tf: bool = True,
        static: bool = True,
    ) -> Path:
        path = tmp_path / name
        model = CameraModel(640, 480, 500.0, 500.0, 320.0, 240.0)
        with BagWriter(path, compression) as writer:
            if static:
                writer.declare("/tf_static", TF, latched=True)
                message = tf_message([(START_NS, "base_link", "lidar_top", STATIC)])
                writer.write("/tf_static", message, TF, START_NS)
            for k in range(10):
                at = START_NS + k * PERIOD_NS
                if tf:
                    pose = Transform.from_xyz_rpy((float(k), 0.0, 0.0), (0.0, 0.0, 0.0))
                    writer.write("/tf", tf_message([(at, "odom", "base_link", pose)]), TF, at)
                if odom:
                    writer.write("/vehicle/odometry", odometry(k), ODOMETRY, at)
                writer.write("/sensing/lidar/top/points", cloud(k), POINT_CLOUD, at)
                image = compressed_image(at, "front_optical", bytes([k]) * 50, "jpeg")
                writer.write("/front/image_raw/compressed", image, COMPRESSED_IMAGE, at)
                writer.write("/front/camera_info", camera_info(at, "front_optical", model), CAMERA_INFO, at)
        return path

    return make


@pytest.fixture
def rig_of() -> Callable[[str], Rig]:
    """A rig called `mine` with one lidar on the given topic."""
    return lambda topic: Rig("mine", "lidar", (SensorSpec("lidar", Modality.LIDAR, topic),))
