"""What IMU and wheel odometry deliver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes.checks import check_shape, check_stamp, freeze
from perception_nodes.geometry import Transform

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class InertialSample:
    """One sample, base_link (x ahead, y left, z up).

    angular_velocity_rps (3,); acceleration_mps2 (3,) as an accelerometer shows it: +9.8 upwards at rest; their
    covariances (3, 3); wheel_speed_mps of the rear axle, ahead; wheel_speed_var; odom_from_base: pose by wheels and
    gyro since the start, with its drift; pose_covariance (6, 6) of x, y, z, roll, pitch, yaw in odom: of that drift.
    """

    stamp_ns: int
    angular_velocity_rps: F64
    acceleration_mps2: F64
    angular_velocity_covariance: F64
    acceleration_covariance: F64
    wheel_speed_mps: float
    wheel_speed_var: float
    odom_from_base: Transform
    pose_covariance: F64

    def __post_init__(self) -> None:
        check_stamp("InertialSample", self.stamp_ns)
        for name in ("angular_velocity", "acceleration"):
            unit = "_rps" if name == "angular_velocity" else "_mps2"
            check_shape("InertialSample", name + unit, getattr(self, name + unit), 3)
            check_shape("InertialSample", f"{name}_covariance", getattr(self, f"{name}_covariance"), 3, 3)
        check_shape("InertialSample", "pose_covariance", self.pose_covariance, 6, 6)
        freeze(
            self,
            "angular_velocity_rps",
            "acceleration_mps2",
            "angular_velocity_covariance",
            "acceleration_covariance",
            "pose_covariance",
        )
