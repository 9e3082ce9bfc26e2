"""Lorries, trailers, buses and machines.

Sizes: EU directive 96/53/EC (2.55 m wide, 4.0 m high, semi-trailer 13.6 m, bus 12 m) and makers' data sheets.
"""

from __future__ import annotations

import numpy as np

from .asset import Asset
from .materials import Material
from .meshes import Mesh, box, join, tube

_TRUCK_RCS_DBSM = 20.0


def box_truck(length_m: float, height_m: float, paint: Material, load: Material) -> Asset:
    """A lorry of 5.5 to 10 m: cab, gap, box on a frame, under-run bars."""
    width, cab = 2.4, 1.9
    front = length_m / 2
    body = length_m - cab - 0.25
    parts = [*_cab(front, cab, 2.3, 0.5, min(2.9, height_m), paint)]
    middle = -front + body / 2
    parts.append(box((middle, 0, (1.05 + height_m) / 2), (body, width, height_m - 1.05), load))
    parts.append(box((-0.3, 0, 0.85), (length_m - 1.2, 0.9, 0.25), Material.METAL))
    parts += _under_run(-front + 0.05, width) + _rear_lamps(-front, width, 1.0)
    parts += _axles((front - 1.2, -front + 0.26 * length_m), width, 0.46)
    parts.append(box((0.2, 0.95, 0.65), (1.0, 0.5, 0.5), Material.METAL))  # tank
    name = f"box_truck-{length_m:.2f}-{height_m:.2f}-{paint.name.lower()}-{load.name.lower()}"
    return _heavy(name, "truck", "truck", parts, (length_m, width, height_m), 0.55 * length_m)


def tractor(paint: Material) -> Asset:
    """The tractor of a semi-trailer."""
    length, width, height = 5.9, 2.5, 3.7
    front = length / 2
    parts = [*_cab(front, 2.2, width, 0.55, height, paint)]
    parts.append(box((-1.2, 0, 0.95), (3.4, 0.9, 0.3), Material.METAL))
    parts.append(tube((-1.5, 0, 1.1), (-1.5, 0, 1.25), 0.5, Material.METAL, 12))
    parts += _axles((front - 1.4, -1.7), width, 0.5) + _rear_lamps(-front + 0.1, width, 0.9)
    for side in (-1.0, 1.0):
        parts.append(box((0.1, side * 0.95, 0.7), (1.2, 0.55, 0.6), Material.METAL))
    return _heavy(f"tractor-{paint.name.lower()}", "truck", "truck", parts, (length, width, height), 3.7)


def semi_trailer(load: Material) -> Asset:
    """A curtain-sided semi-trailer with its three axles and the side guards."""
    length, width, height = 13.6, 2.55, 4.0
    parts = [box((0, 0, (1.15 + height) / 2), (length, width, height - 1.15), load)]
    parts.append(box((0, 0, 1.0), (length - 0.4, 0.9, 0.3), Material.METAL))
    parts += _axles((-2.4, -3.7, -5.0), width, 0.5)
    parts += _under_run(-length / 2 + 0.1, width) + _rear_lamps(-length / 2, width, 1.0)
    for side in (-1.0, 1.0):
        for z in (0.55, 0.85):
            parts.append(box((0.8, side * 1.2, z), (4.6, 0.04, 0.12), Material.METAL))
        parts.append(tube((4.2, side * 0.8, 0.1), (4.2, side * 0.8, 1.1), 0.07, Material.METAL, 6))
    return _heavy(
        f"semi_trailer-{load.name.lower()}", "trailer", "trailer", parts, (length, width, height), 0.0
    )


def car_trailer() -> Asset:
    """A small box trailer with its drawbar."""
    parts = [box((-0.4, 0, 0.95), (2.4, 1.5, 0.7), Material.TARPAULIN), *_axles((-0.5,), 1.6, 0.3)]
    parts += [tube((0.8, 0, 0.5), (1.7, 0, 0.45), 0.04, Material.METAL, 6), *_rear_lamps(-1.6, 1.5, 0.6)]
    return _heavy("car_trailer", "trailer", "trailer", parts, None, 0.0)


def bus(length_m: float, paint: Material) -> Asset:
    """A city bus: panes around, doors on the right, seats behind the glass, wheel arches."""
    width, height = 2.55, 3.05
    front = length_m / 2
    parts = [box((0, 0, 0.65), (length_m, width, 0.7), paint)]
    parts.append(box((0, 0, 2.72), (length_m, width, 0.6), paint))
    parts.append(box((-0.5, 0, 3.1), (0.4 * length_m, 1.8, 0.18), Material.METAL))
    for side in (-1.0, 1.0):
        y = side * (width / 2 - 0.02)
        parts.append(box((0, y, 1.72), (length_m - 0.1, 0.02, 1.42), Material.GLASS))
        frames = np.arange(-front + 0.1, front, 1.45).tolist()
        parts += [box((x, side * (width / 2 - 0.01), 1.72), (0.12, 0.04, 1.42), paint) for x in frames]
    ends = (-front + 0.02, front - 0.02)
    parts += [box((x, 0, 1.72), (0.03, width - 0.1, 1.42), Material.GLASS) for x in ends]
    seats = [(x, y, 1.3) for x in np.arange(-front + 1.0, front - 2.0, 0.85).tolist() for y in (-0.8, 0.8)]
    parts += [box(seat, (0.12, 0.85, 0.9), Material.INTERIOR) for seat in seats]
    parts += _axles((front - 2.7, -front + 3.3), width + 0.02, 0.48) + _rear_lamps(-front, width, 0.9)
    parts.append(box((front + 0.01, 0, 0.62), (0.02, 0.52, 0.11), Material.PLATE))
    name = f"bus-{length_m:.1f}-{paint.name.lower()}"
    return _heavy(name, "bus", "bus", parts, (length_m, width, height + 0.14), length_m - 6.0)


def wheel_loader() -> Asset:
    """A wheel loader with its shovel near the ground."""
    parts = [
        box((-0.9, 0, 1.45), (2.8, 1.9, 1.1), Material.MACHINE),
        box((0.5, 0, 2.5), (1.4, 1.4, 1.5), Material.GLASS),
    ]
    parts.append(box((0.5, 0, 3.3), (1.5, 1.5, 0.12), Material.MACHINE))
    for side in (-1.0, 1.0):
        parts.append(tube((0.9, side * 0.5, 1.6), (2.6, side * 0.5, 0.7), 0.13, Material.MACHINE, 6))
        wheels = [((x, side * 1.2, 0.75), (x, side * 0.7, 0.75)) for x in (-1.3, 1.4)]
        parts += [tube(a, b, 0.75, Material.RUBBER, 16) for a, b in wheels]
    parts.append(box((3.0, 0, 0.55), (0.9, 2.5, 0.8), Material.METAL))
    return _heavy("wheel_loader", "construction_vehicle", "construction_vehicle", parts, None, 2.7)


def excavator() -> Asset:
    """An excavator on tracks with its arm out."""
    parts = [box((0, side * 0.95, 0.42), (3.4, 0.5, 0.84), Material.RUBBER) for side in (-1.0, 1.0)]
    parts.append(box((-0.7, 0, 1.5), (2.4, 2.4, 1.1), Material.MACHINE))
    parts.append(box((0.6, 0.7, 2.0), (1.4, 0.95, 1.7), Material.GLASS))
    parts.append(tube((0.5, -0.3, 1.6), (2.6, -0.3, 3.6), 0.2, Material.MACHINE, 8))
    parts.append(tube((2.6, -0.3, 3.6), (4.0, -0.3, 1.6), 0.16, Material.MACHINE, 8))
    parts.append(box((3.9, -0.3, 1.1), (0.8, 1.0, 0.9), Material.METAL))
    return _heavy("excavator", "construction_vehicle", "construction_vehicle", parts, None, 0.0)


def _heavy(
    name: str,
    kind: str,
    label: str,
    parts: list[Mesh],
    lwh_m: tuple[float, float, float] | None,
    wheelbase_m: float,
) -> Asset:
    rcs = _TRUCK_RCS_DBSM
    return Asset.standing(
        name, kind, label, [join(parts)], lwh_m=lwh_m, wheelbase_m=wheelbase_m, rcs_dbsm=rcs
    )


def _cab(front: float, length: float, width: float, low: float, high: float, paint: Material) -> list[Mesh]:
    middle = front - length / 2
    waist = low + 0.52 * (high - low)
    parts = [box((middle, 0, (low + waist) / 2), (length, width, waist - low), paint)]
    parts.append(
        box((middle - 0.06, 0, (waist + high) / 2), (length - 0.14, width - 0.12, high - waist), paint)
    )
    pane = min(0.8, 0.6 * (high - waist))
    parts.append(box((front - 0.1, 0, waist + 0.1 + pane / 2), (0.1, width - 0.3, pane), Material.GLASS))
    for side in (-1.0, 1.0):
        y = side * (width / 2 - 0.05)
        parts.append(box((middle + 0.2, y, waist + 0.1 + pane / 2), (0.9, 0.04, pane), Material.GLASS))
        parts.append(
            box((front - 0.25, side * (width / 2 + 0.14), waist + 0.35), (0.1, 0.2, 0.6), Material.RUBBER)
        )
        parts.append(box((front + 0.01, side * 0.38 * width, low + 0.3), (0.03, 0.35, 0.2), Material.LAMP))
    parts.append(box((front + 0.01, 0, low + 0.15), (0.02, 0.52, 0.11), Material.PLATE))
    return parts


def _axles(stations_m: tuple[float, ...], width: float, radius: float) -> list[Mesh]:
    parts = []
    for x in stations_m:
        for side in (-1.0, 1.0):
            y = side * (width / 2 - 0.02)
            parts.append(tube((x, y, radius), (x, y - side * 0.3, radius), radius, Material.RUBBER, 16))
            parts.append(
                tube(
                    (x, y + side * 0.005, radius),
                    (x, y - side * 0.03, radius),
                    0.55 * radius,
                    Material.RIM,
                    10,
                )
            )
    return parts


def _under_run(x: float, width: float) -> list[Mesh]:
    return [box((x, 0, 0.5), (0.1, width - 0.1, 0.14), Material.METAL)]


def _rear_lamps(x: float, width: float, z: float) -> list[Mesh]:
    lamps = [
        box((x - 0.01, side * (width / 2 - 0.2), z), (0.03, 0.3, 0.12), Material.LAMP) for side in (-1.0, 1.0)
    ]
    return [*lamps, box((x - 0.01, 0.0, z - 0.15), (0.02, 0.52, 0.11), Material.PLATE)]
