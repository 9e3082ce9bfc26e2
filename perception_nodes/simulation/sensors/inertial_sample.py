"""What IMU and wheel odometry deliver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes.checks import check_shape, check_stamp, freeze
from perception_nodes.geometry import Transform

F64 = npt.NDArray[np.float64]

_UNKNOWN: Final = 1e6  # variance that robot_localization and others take for: not measured


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

    @property
    def odometry_twist(self) -> tuple[F64, F64, F64]:
        """Linear (3,) and angular (3,) velocity by the wheels and the gyro about +z, and their covariance (6, 6)."""
        linear, angular = np.array([self.wheel_speed_mps, 0.0, 0.0]), np.zeros(3)
        angular[2] = self.angular_velocity_rps[2]
        covariance = np.diag([self.wheel_speed_var, *[_UNKNOWN] * 5])
        covariance[5, 5] = self.angular_velocity_covariance[2, 2]
        return linear, angular, covariance
