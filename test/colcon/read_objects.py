"""Reads what write_objects.cpp wrote: both languages must agree on the message."""

import sys
from pathlib import Path

from rclpy.serialization import deserialize_message

from perception_nodes.msg import TrackedObject, TrackedObjectArray

tracks = deserialize_message(Path(sys.argv[1]).read_bytes(), TrackedObjectArray)
(car,) = tracks.objects
got = (
    tracks.header.stamp.sec,
    tracks.header.frame_id,
    car.id,
    car.state,
    car.label,
    car.x,
    car.covariance[35],
)
wanted = (12, "odom", 7, TrackedObject.STATE_CONFIRMED, "car", 20.5, 0.25)
if got != wanted:
    sys.exit(f"read {got}, wanted {wanted}")
