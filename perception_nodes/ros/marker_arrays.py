"""visualization_msgs/MarkerArray out of our messages."""

from __future__ import annotations

import math
from typing import Any, Final

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Quaternion, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

_LIFETIME: Final = Duration(sec=0, nanosec=300_000_000)
_COLORS: Final = {
    "car": (0.30, 0.63, 1.0),
    "truck": (0.65, 0.55, 0.98),
    "bus": (0.96, 0.45, 0.71),
    "pedestrian": (0.97, 0.44, 0.44),
    "bicycle": (0.98, 0.75, 0.14),
    "motorcycle": (0.98, 0.57, 0.24),
}
_MAP_COLORS: Final = {
    1: (0.99, 0.88, 0.28),
    2: (0.98, 0.45, 0.09),
    4: (0.13, 0.83, 0.93),
    5: (0.94, 0.27, 0.27),
}
_GREY: Final = (0.6, 0.64, 0.69)


def object_markers(array: Any) -> MarkerArray:
    """Boxes, labels and velocities (the way of 1 s) of confirmed and coasting tracks."""
    out = MarkerArray()
    speeds = _marker(array.header, "velocities", 0, Marker.LINE_LIST, _color((1.0, 1.0, 1.0), 0.8))
    speeds.scale.x = 0.12
    for item in array.objects:
        if item.state not in (1, 2):
            continue
        color = _color(_COLORS.get(item.label, _GREY), 0.35 if item.state == 2 else 0.7)
        box = _marker(array.header, "objects", item.id, Marker.CUBE, color)
        box.pose.position = Point(x=item.x, y=item.y, z=item.z)
        box.pose.orientation = Quaternion(z=math.sin(item.yaw / 2), w=math.cos(item.yaw / 2))
        box.scale = Vector3(x=max(item.length, 0.05), y=max(item.width, 0.05), z=max(item.height, 0.05))
        text = _marker(array.header, "labels", item.id, Marker.TEXT_VIEW_FACING, _color((1.0, 1.0, 1.0), 0.9))
        text.pose.position = Point(x=item.x, y=item.y, z=item.z + item.height / 2 + 0.6)
        text.scale.z = 0.7
        text.text = f"{item.id} {item.label} {math.hypot(item.vx, item.vy):.1f} m/s"
        speeds.points += [
            Point(x=item.x, y=item.y, z=item.z),
            Point(x=item.x + item.vx, y=item.y + item.vy, z=item.z),
        ]
        out.markers += [box, text]
    if speeds.points:
        out.markers.append(speeds)
    return out


def map_markers(array: Any) -> MarkerArray:
    """Polylines coloured by type."""
    out = MarkerArray()
    for item in array.elements:
        line = _marker(
            array.header, "map", item.id, Marker.LINE_STRIP, _color(_MAP_COLORS.get(item.type, _GREY), 0.9)
        )
        line.scale.x = 0.15
        flat = [float(v) for v in item.points]
        line.points = [Point(x=flat[i], y=flat[i + 1], z=flat[i + 2]) for i in range(0, len(flat), 3)]
        if len(line.points) > 1:
            out.markers.append(line)
    return out


def _marker(header: Any, namespace: str, number: int, kind: int, color: ColorRGBA) -> Marker:
    marker = Marker(
        header=header, ns=namespace, id=int(number) & 0x7FFFFFFF, type=kind, color=color, lifetime=_LIFETIME
    )
    marker.pose.orientation.w = 1.0
    return marker


def _color(rgb: tuple[float, float, float], alpha: float) -> ColorRGBA:
    return ColorRGBA(r=rgb[0], g=rgb[1], b=rgb[2], a=alpha)
