"""Drop-in for `tf2_sensor_msgs`: point clouds into another frame, and their registration with tf2_ros."""

from .tf2_sensor_msgs import do_transform_cloud, transform_points

__all__ = ["do_transform_cloud", "transform_points"]
