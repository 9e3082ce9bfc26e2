"""Things that move or park: parametric meshes with their exact boxes.

An asset stands on z = 0, its box is centred on x = y = 0, and it looks along +x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.assets.materials import Material
from perception_nodes.simulation.assets.meshes import Mesh, ball, box, join, quads, tube

F64 = npt.NDArray[np.float64]
_PAINTS = (Material.CAR_BLACK, Material.CAR_GREY, Material.CAR_WHITE)

# Side profiles as (x / length from the front, height of the top / height); the cabin lies between glass stations.
_PROFILES: dict[str, tuple[tuple[float, float], ...]] = {
    "sedan": (
        (0.0, 0.42),
        (0.03, 0.52),
        (0.27, 0.62),
        (0.42, 0.97),
        (0.55, 1.0),
        (0.70, 0.96),
        (0.85, 0.68),
        (0.98, 0.62),
        (1.0, 0.5),
    ),
    "hatchback": (
        (0.0, 0.40),
        (0.03, 0.52),
        (0.25, 0.62),
        (0.41, 0.97),
        (0.6, 1.0),
        (0.88, 0.95),
        (0.97, 0.66),
        (0.99, 0.6),
        (1.0, 0.5),
    ),
    "suv": (
        (0.0, 0.42),
        (0.03, 0.56),
        (0.25, 0.63),
        (0.38, 0.96),
        (0.6, 1.0),
        (0.92, 0.97),
        (0.98, 0.62),
        (0.99, 0.55),
        (1.0, 0.4),
    ),
    "van": (
        (0.0, 0.35),
        (0.03, 0.47),
        (0.13, 0.55),
        (0.26, 0.96),
        (0.5, 1.0),
        (0.98, 0.99),
        (0.985, 0.6),
        (0.99, 0.5),
        (1.0, 0.3),
    ),
    "pickup": (
        (0.0, 0.42),
        (0.03, 0.55),
        (0.24, 0.60),
        (0.35, 0.96),
        (0.5, 1.0),
        (0.60, 0.97),
        (0.62, 0.58),
        (0.98, 0.58),
        (1.0, 0.5),
    ),
}
_SIZES = {"sedan": (4.7, 1.84, 1.46), "hatchback": (4.1, 1.77, 1.48), "suv": (4.65, 1.88, 1.68),
          "van": (5.2, 1.98, 2.05), "pickup": (5.3, 1.92, 1.82)}  # fmt: skip
CAR_SHAPES = tuple(_PROFILES)


@dataclass(frozen=True, eq=False)
class Asset:
    """One shape. lwh_m: extent of the mesh; label: class name."""

    name: str
    label: str
    mesh: Mesh
    lwh_m: tuple[float, float, float]


def _asset(name: str, label: str, mesh: Mesh) -> Asset:
    """Centre the mesh on its box and put it on the ground."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    shift = -np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    size = high - low
    return Asset(name, label, mesh.moved(shift), (float(size[0]), float(size[1]), float(size[2])))


def _wheels(
    length: float, width: float, radius: float, stations: tuple[float, ...] = (0.19, 0.80)
) -> list[Mesh]:
    parts = []
    for at in stations:
        x = length * (0.5 - at)
        for side in (-1.0, 1.0):
            y = side * (width / 2 - 0.02)
            parts.append(tube((x, y, radius), (x, y - side * 0.2, radius), radius, Material.RUBBER, 14))
    return parts


def car(shape: str, scale: float, paint: Material) -> Asset:
    """A car, van or pickup: body, tapered cabin with glass, wheels below a raised floor, plates, mirrors."""
    length, width, height = (scale * v for v in _SIZES[shape])
    x = np.array([length * (0.5 - s) for s, _ in _PROFILES[shape]])
    top = np.array([height * t for _, t in _PROFILES[shape]])
    belt = np.minimum(top, height * 0.60)
    taper = np.clip((top - belt) / (0.4 * height), 0.0, 1.0)
    plan = 0.5 * width * np.interp(np.abs(x) / length, [0.0, 0.4, 0.5], [1.0, 0.98, 0.86])
    floor = np.where(np.abs(x) > 0.46 * length, 0.30, 0.22) * height / 1.5
    roof = plan * (1.0 - 0.17 * taper)
    lines = [
        (-plan, floor),
        (-plan, belt),
        (-roof, top),
        (roof, top),
        (plan, belt),
        (plan, floor),
        (-plan, floor),
    ]
    rails = [np.stack([x, y, z], axis=1) for y, z in lines]
    parts = []
    for k in range(6):
        corners = np.stack([rails[k][:-1], rails[k][1:], rails[k + 1][1:], rails[k + 1][:-1]], axis=1)
        parts.append(quads(corners, _panes(shape, k, paint)))
    for end in (0, -1):
        face = np.stack([r[end] for r in (rails[0], rails[1], rails[4], rails[5])])[None]
        parts.append(quads(face, paint))
        offset = 0.012 if end == 0 else -0.012
        parts.append(box((x[end] + offset, 0, 0.3 * height), (0.02, 0.5, 0.11), Material.PLATE))
    parts += _wheels(length, width, 0.21 * min(height, 1.7))
    for side in (-1.0, 1.0):
        parts.append(
            box((0.17 * length, side * (width / 2 + 0.03), 0.64 * height), (0.12, 0.16, 0.12), paint)
        )
    return _asset(f"{shape}-{scale:.2f}-{paint.name.lower()}", "car", join(parts))


def _panes(shape: str, rail: int, paint: Material) -> npt.NDArray[np.uint8]:
    """Material of the faces along one rail: sides above the belt and the slopes of the cabin are glass."""
    out = np.full(8, paint, np.uint8)
    if rail in (1, 3):  # upper sides
        out[2 : 4 if shape in ("van", "pickup") else 6] = Material.GLASS
    elif rail == 2:  # tops: the windscreen rises, the rear window falls
        out[2] = Material.GLASS
        out[5] = paint if shape == "van" else Material.GLASS
    return out


def truck(length: float, bus: bool, paint: Material) -> Asset:
    """A box lorry (cab, gap, raised box) or a bus."""
    if bus:
        hull = box((0, 0, 1.72), (length, 2.5, 2.8), paint)
        sides = [box((0, y, 2.1), (length - 1.0, 0.02, 1.0), Material.GLASS) for y in (-1.26, 1.26)]
        ends = [box((x, 0, 2.0), (0.02, 2.2, 1.3), Material.GLASS) for x in (-length / 2, length / 2)]
        return _asset(f"bus-{length:.1f}", "bus", join([hull, *sides, *ends, *_wheels(length, 2.5, 0.48)]))
    cab = box((length / 2 - 0.9, 0, 1.5), (1.8, 2.2, 2.0), paint)
    screen = box((length / 2, 0, 1.85), (0.03, 2.0, 0.8), Material.GLASS)
    load = box((-1.0, 0, 2.0), (length - 2.1, 2.4, 2.2), Material.CAR_WHITE)
    frame = box((-0.5, 0, 0.75), (length - 1.0, 0.8, 0.25), Material.METAL)
    return _asset(
        f"lorry-{length:.1f}",
        "truck",
        join([cab, screen, load, frame, *_wheels(length, 2.2, 0.45, (0.14, 0.78))]),
    )


def pedestrian(height: float, stride: float) -> Asset:
    """A person; stride in -1..1 swings legs and arms."""
    k = height / 1.75
    hip, shoulder = 0.92 * k, 1.42 * k
    parts = [ball((0, 0, 1.15 * k), (0.13 * k, 0.21 * k, 0.36 * k), Material.CLOTH),
             ball((0.02, 0, 1.62 * k), (0.10 * k, 0.085 * k, 0.13 * k), Material.CLOTH)]  # fmt: skip
    for side in (-1.0, 1.0):
        swing = side * stride
        foot = (0.28 * swing * k, side * 0.1 * k, 0.04)
        parts.append(tube((0, side * 0.09 * k, hip), foot, 0.075 * k, Material.CLOTH, 8))
        parts.append(box((foot[0] + 0.05, foot[1], 0.04), (0.24, 0.09, 0.08), Material.RUBBER))
        hand = (-0.24 * swing * k, side * 0.27 * k, 0.85 * k)
        parts.append(tube((0, side * 0.21 * k, shoulder), hand, 0.045 * k, Material.CLOTH, 6))
    return _asset(f"pedestrian-{height:.2f}-{stride:.1f}", "pedestrian", join(parts))


def cyclist(height: float) -> Asset:
    """A bicycle with its rider."""
    k = height / 1.75
    parts = []
    for x in (-0.52, 0.52):
        rim = [(x + 0.34 * np.cos(a), 0.0, 0.34 + 0.34 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 17)]
        parts += [tube(rim[i], rim[i + 1], 0.025, Material.RUBBER, 5) for i in range(16)]
    bars = [((-0.52, 0.34), (-0.1, 0.30)), ((-0.1, 0.30), (0.42, 0.8)), ((-0.2, 0.85), (0.42, 0.8)),
            ((0.52, 0.34), (0.4, 1.02)), ((-0.1, 0.30), (-0.22, 0.9))]  # fmt: skip
    parts += [tube((a[0], 0, a[1]), (b[0], 0, b[1]), 0.025, Material.METAL, 6) for a, b in bars]
    parts.append(tube((0.4, -0.24, 1.03), (0.4, 0.24, 1.03), 0.02, Material.METAL, 6))
    parts.append(tube((-0.2, 0, 0.95), (0.1, 0, 1.45 * k), 0.16 * k, Material.CLOTH, 10))
    parts.append(ball((0.17, 0, 1.62 * k), (0.11, 0.09, 0.13), Material.CLOTH))
    for side in (-1.0, 1.0):
        parts.append(tube((-0.18, side * 0.09, 0.95), (0.12, side * 0.11, 0.62), 0.07, Material.CLOTH, 8))
        parts.append(
            tube((0.12, side * 0.11, 0.62), (-0.1 + side * 0.1, side * 0.11, 0.25), 0.055, Material.CLOTH, 8)
        )
        parts.append(tube((0.08, side * 0.19, 1.4 * k), (0.4, side * 0.2, 1.04), 0.04, Material.CLOTH, 6))
    return _asset(f"cyclist-{height:.2f}", "bicycle", join(parts))


def random_car(rng: np.random.Generator) -> Asset:
    """One of the shapes, a size within 6 %, any paint."""
    shape = CAR_SHAPES[int(rng.choice(len(CAR_SHAPES), p=[0.3, 0.27, 0.27, 0.1, 0.06]))]
    return car(shape, float(rng.uniform(0.95, 1.06)), _PAINTS[int(rng.integers(3))])


def random_vehicle(rng: np.random.Generator) -> Asset:
    """Mostly cars; some lorries and buses."""
    kind = rng.random()
    if kind < 0.8:
        return random_car(rng)
    return truck(
        float(rng.uniform(6.5, 8.5)) if kind < 0.92 else 11.0, kind >= 0.92, _PAINTS[int(rng.integers(3))]
    )
