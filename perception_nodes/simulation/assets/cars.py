"""Cars, vans and pickups: a body lofted over stations along its length, with cabin, seats, wheels, lamps and mirrors.

Sizes are those of makers' data sheets for the segments of the European Commission (A mini to S sports) and of common
North American pickups and vans; each car of a shape differs by a few per cent (`scale`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .asset import Asset
from .materials import Material
from .meshes import Mesh, ball, box, join, quads, tube

F64 = npt.NDArray[np.float64]
_PILLAR_M: Final = 0.07


@dataclass(frozen=True)
class CarShape:
    """Stations are shares of the length from the front; heights are m.

    cowl: foot of the windscreen; roof: front and rear end of the roof; tail: foot of the rear window; bonnet_m, deck_m:
    height at the cowl and at the tail; nose_m, back_m: at the two ends; axles: stations of the wheels; panes: side
    windows behind the driver's; load: an open bed from the tail to the back.
    """

    lwh_m: tuple[float, float, float]
    cowl: float
    roof: tuple[float, float]
    tail: float
    bonnet_m: float
    deck_m: float
    nose_m: float
    back_m: float
    axles: tuple[float, float]
    wheel_m: float = 0.32
    clearance_m: float = 0.18
    tumblehome: float = 0.16
    panes: bool = True
    load: bool = False


CAR_SHAPES: Final[dict[str, CarShape]] = {
    "mini": CarShape((3.60, 1.64, 1.49), 0.24, (0.40, 0.88), 0.985, 0.98, 0.95, 0.74, 0.85, (0.19, 0.84), 0.29),
    "hatchback": CarShape((4.07, 1.76, 1.46), 0.26, (0.42, 0.84), 0.975, 0.98, 0.97, 0.72, 0.86, (0.20, 0.82)),
    "compact": CarShape((4.33, 1.80, 1.46), 0.27, (0.43, 0.82), 0.97, 0.98, 0.98, 0.72, 0.86, (0.20, 0.81)),
    "sedan": CarShape((4.72, 1.84, 1.45), 0.28, (0.44, 0.68), 0.83, 0.98, 1.02, 0.70, 0.92, (0.19, 0.79)),
    "large_sedan": CarShape((5.02, 1.88, 1.48), 0.29, (0.45, 0.68), 0.83, 1.0, 1.03, 0.72, 0.92, (0.18, 0.78), 0.34),
    "wagon": CarShape((4.80, 1.84, 1.49), 0.27, (0.42, 0.88), 0.975, 0.98, 1.0, 0.72, 0.88, (0.19, 0.79)),
    "coupe": CarShape((4.55, 1.86, 1.34), 0.31, (0.47, 0.62), 0.84, 0.93, 0.98, 0.66, 0.86, (0.20, 0.78), 0.34, 0.14),
    "crossover": CarShape((4.42, 1.83, 1.62), 0.25, (0.40, 0.84),
        0.97, 1.08, 1.08, 0.82, 0.95, (0.20, 0.81), 0.35, 0.20),
    "suv": CarShape((4.68, 1.89, 1.69), 0.25, (0.39, 0.87), 0.975, 1.12, 1.12, 0.85, 0.98, (0.20, 0.80), 0.36, 0.22),
    "large_suv": CarShape((5.15, 2.00, 1.86), 0.26, (0.38, 0.90),
        0.98, 1.22, 1.22, 0.95, 1.0, (0.19, 0.79), 0.39, 0.24, 0.13),
    "mpv": CarShape((4.60, 1.84, 1.66), 0.19, (0.37, 0.88), 0.975, 1.05, 1.05, 0.78, 0.95, (0.20, 0.81), 0.33, 0.17),
    "minivan": CarShape((5.10, 1.99, 1.77), 0.19, (0.36, 0.91),
        0.98, 1.08, 1.10, 0.80, 0.98, (0.19, 0.79), 0.34, 0.17, 0.14),
    "small_van": CarShape((4.40, 1.83, 1.83), 0.20, (0.37, 0.97),
        0.99, 1.10, 1.10, 0.82, 0.55, (0.20, 0.82), 0.32, 0.17, 0.08, panes=False),
    "van": CarShape((5.10, 1.95, 1.97), 0.15, (0.30, 0.97),
        0.99, 1.20, 1.20, 0.85, 0.55, (0.18, 0.79), 0.34, 0.19, 0.08, panes=False),
    "high_van": CarShape((5.95, 2.02, 2.62), 0.12, (0.27, 0.98),
        0.99, 1.30, 1.30, 0.95, 0.55, (0.16, 0.78), 0.35, 0.19, 0.06, panes=False),
    "pickup": CarShape((5.35, 1.92, 1.80), 0.25, (0.37, 0.60),
        0.65, 1.15, 1.10, 0.92, 1.08, (0.18, 0.79), 0.38, 0.24, load=True),
    "large_pickup": CarShape((5.89, 2.03, 1.96), 0.25, (0.36, 0.63),
        0.67, 1.28, 1.22, 1.02, 1.20, (0.17, 0.79), 0.41, 0.27, load=True),
}  # fmt: skip
KIND_OF_SHAPE: Final = {
    "small_van": "van",
    "van": "van",
    "high_van": "van",
    "pickup": "pickup",
    "large_pickup": "pickup",
    "crossover": "suv",
    "suv": "suv",
    "large_suv": "suv",
}


def car(shape: str, paint: Material, scale: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Asset:
    """A car of `CAR_SHAPES`; scale: of length, width, height. Label car, as nuScenes has it for vans and pickups here.

    Differs: nuScenes calls pickups truck; taxonomies do not agree, and a detector of boxes sees a car.
    """
    model = CAR_SHAPES[shape]
    size = np.array(model.lwh_m) * np.array(scale)
    stations, floor, belt, top = _silhouette(model, size)
    parts = [_shell(model, size, (stations, floor, belt, top), paint), _ends(model, size, paint)]
    parts += _wheels(model, size) + _inside(model, size) + _trim(model, size, paint)
    kind = KIND_OF_SHAPE.get(shape, "car")
    name = f"{shape}-{'-'.join(f'{s:.3f}' for s in scale)}-{paint.name.lower()}"
    base = float((model.axles[1] - model.axles[0]) * size[0])
    body = (float(size[0]), float(size[1]), float(size[2]))
    return Asset.standing(name, kind, "car", [join(parts)], lwh_m=body, wheelbase_m=base, rcs_dbsm=10.0)


def _silhouette(model: CarShape, size: F64) -> tuple[F64, F64, F64, F64]:
    """Stations (S,) as shares of the length, and heights (S,) of sill, belt and top at each."""
    length, height = size[0], size[2]
    lift = height / model.lwh_m[2]
    pillar = _PILLAR_M / length
    middle = 0.5 * (model.roof[0] + model.roof[1]) - 0.02
    marks = [0.0, 0.02, 0.07, 0.5 * model.cowl, model.cowl, model.roof[0], middle - pillar, middle]
    marks += [model.roof[1] - pillar, model.roof[1], model.tail, 0.985, 1.0]
    for axle in model.axles:
        reach = 1.12 * model.wheel_m / length
        marks += [axle + reach * k for k in (-1.0, -0.72, 0.0, 0.72, 1.0)]
    stations = np.unique(np.round(np.clip(marks, 0.0, 1.0), 4))
    outline = [
        (0.0, 0.92 * model.nose_m),
        (0.02, model.nose_m),
        (0.07, model.nose_m + 0.35 * (model.bonnet_m - model.nose_m)),
        (model.cowl, model.bonnet_m),
        (model.roof[0], 0.975 * model.lwh_m[2]),
        (0.5 * (model.roof[0] + model.roof[1]), model.lwh_m[2]),
        (model.roof[1], (0.95 if model.panes else 0.99) * model.lwh_m[2]),
        (model.tail, model.deck_m if model.panes or model.load else 0.97 * model.lwh_m[2]),
        (0.99, max(model.back_m, 0.9 * model.deck_m) if model.panes or model.load else 0.93 * model.lwh_m[2]),
        (1.0, model.back_m),
    ]
    at, high = np.array(outline).T
    top = np.interp(stations, at, high) * lift
    belt_m = 0.5 * (model.bonnet_m + model.deck_m) * lift
    belt = np.minimum(top, belt_m)
    floor = np.full(len(stations), model.clearance_m)
    floor[(stations < 0.03) | (stations > 0.97)] += 0.08
    for axle in model.axles:
        off = np.abs(stations - axle) * length
        radius = 1.12 * model.wheel_m
        arch = model.wheel_m + np.sqrt(np.maximum(radius**2 - off**2, 0.0))
        floor = np.where(off <= radius * 1.001, np.maximum(floor, np.minimum(arch, belt - 0.12)), floor)
    return stations, floor, belt, top


def _shell(model: CarShape, size: F64, silhouette: tuple[F64, F64, F64, F64], paint: Material) -> Mesh:
    """Skin between the stations: sill, flank, belt, window, edge of the roof, roof, and the same on the other side."""
    stations, floor, belt, top = silhouette
    length, width = size[0], size[1]
    x = length * (0.5 - stations)
    plan = (
        0.5
        * width
        * np.interp(stations, [0.0, 0.03, 0.12, 0.9, 0.98, 1.0], [0.78, 0.9, 1.0, 1.0, 0.95, 0.88])
    )
    raised = np.clip((top - belt) / max(float((top - belt).max()), 1e-6), 0.0, 1.0)
    edge = plan * (1.0 - model.tumblehome * raised) - 0.02
    under = np.full(len(x), model.clearance_m)
    waist = 0.45 * floor + 0.55 * belt
    rows = [
        (0.6 * plan, under),
        (0.97 * plan, floor),
        (plan, np.maximum(waist, floor)),
        (0.975 * plan, belt),
        (edge, np.maximum(top - 0.05, belt)),
        (0.72 * edge, top),
    ]
    half = [np.stack([x, y, z], axis=1) for y, z in rows]
    rails = [r * [1, -1, 1] for r in half] + half[::-1]
    parts = []
    for k in range(len(rails)):
        a, b = rails[k], rails[(k + 1) % len(rails)]
        corners = np.stack([a[:-1], a[1:], b[1:], b[:-1]], axis=1)
        if model.load and k == 5:
            corners = corners[stations[:-1] < model.tail - 1e-6]  # the bed is open
        parts.append(quads(corners, _panes(model, stations, k, paint)[: len(corners)]))
    return join(parts)


def _panes(model: CarShape, stations: F64, rail: int, paint: Material) -> npt.NDArray[np.uint8]:
    """Materials of the faces along a rail: 3 and 7 are the windows of the sides, 4 to 6 the top."""
    middle = 0.5 * (stations[:-1] + stations[1:])
    narrow = np.diff(stations) < 1.5 * _PILLAR_M / model.lwh_m[0]
    out = np.full(len(middle), paint, np.uint8)
    if rail == 5:
        out[(middle > model.cowl) & (middle < model.roof[0])] = Material.GLASS
        if model.panes or model.load:
            out[(middle > model.roof[1]) & (middle < model.tail)] = Material.GLASS
    elif rail in (3, 7):
        last = model.roof[1] if model.panes else 0.5 * (model.roof[0] + model.roof[1]) - 0.1
        if not model.panes:
            last = model.roof[0] + 0.75 / model.lwh_m[0]
        front = model.roof[0] - 0.4 * (model.roof[0] - model.cowl)
        out[(middle > front) & (middle < last) & ~narrow] = Material.GLASS
    elif rail in (0, 10):
        out[:] = Material.RUBBER
    return out


def _ends(model: CarShape, size: F64, paint: Material) -> Mesh:
    """Front and rear faces with grille, lamps and number plates."""
    length, width = size[0], size[1]
    lift = size[2] / model.lwh_m[2]
    parts = []
    faces = ((0.5, 0.92 * model.nose_m * lift, 0.78), (-0.5, model.back_m * lift, 0.88))
    for end, high, share in faces:
        x, low = end * length, model.clearance_m + 0.08
        half = 0.5 * width * share
        corners = np.array([[x, -half, low], [x, half, low], [x, 0.97 * half, high], [x, -0.97 * half, high]])
        parts.append(quads(corners[None], paint))
        out = 0.01 if end > 0 else -0.01
        parts.append(box((x + out, 0, low + 0.25 * (high - low)), (0.02, 0.52, 0.11), Material.PLATE))
        for side in (-1.0, 1.0):
            y = side * 0.78 * half
            parts.append(
                box((x + out, y, low + 0.72 * (high - low)), (0.03, 0.3 * half, 0.13), Material.LAMP)
            )
    grille = (0.5 * length + 0.008, 0.0, model.clearance_m + 0.55 * model.nose_m * lift)
    parts.append(box(grille, (0.015, 0.5 * width, 0.14), Material.RUBBER))
    return join(parts)


def _wheels(model: CarShape, size: F64) -> list[Mesh]:
    parts = []
    r = model.wheel_m
    for axle in model.axles:
        x = size[0] * (0.5 - axle)
        for side in (-1.0, 1.0):
            y = side * (0.5 * size[1] - 0.03)
            parts.append(tube((x, y, r), (x, y - side * 0.2, r), r, Material.RUBBER, 18))
            parts.append(tube((x, y + side * 0.004, r), (x, y - side * 0.02, r), 0.62 * r, Material.RIM, 12))
    return parts


def _inside(model: CarShape, size: F64) -> list[Mesh]:
    """What a pulse meets behind glass: seats with head rests, dashboard, floor; the bed of a pickup."""
    length, width, height = size
    lift = height / model.lwh_m[2]
    parts = []
    rows = [model.roof[0] + 0.09]
    if model.panes and not model.load:
        rows.append(min(model.roof[0] + 0.29, model.roof[1] - 0.04))
    belt = 0.5 * (model.bonnet_m + model.deck_m) * lift
    for row in rows:
        x = length * (0.5 - row)
        for y in (-0.2 * width, 0.2 * width):
            parts.append(box((x, y, belt - 0.12), (0.14, 0.46, 0.62), Material.INTERIOR))
            parts.append(box((x, y, belt + 0.28), (0.09, 0.24, 0.18), Material.INTERIOR))
    x = length * (0.5 - model.cowl) - 0.25
    parts.append(box((x, 0, belt - 0.1), (0.4, 0.8 * width, 0.16), Material.INTERIOR))
    if not model.panes:  # bulkhead behind the driver
        x = length * (0.5 - model.roof[0]) - 0.85
        parts.append(box((x, 0, 0.5 * height), (0.04, 0.85 * width, 0.75 * height), Material.INTERIOR))
    if model.load:
        start, end = length * (0.5 - model.tail) - 0.02, -0.48 * length
        bed = box(((start + end) / 2, 0, 0.62 * lift), (start - end, 0.82 * width, 0.05), Material.INTERIOR)
        parts += [bed, box((start, 0, 0.85), (0.05, 0.85 * width, 0.5), Material.METAL)]
    return parts


def _trim(model: CarShape, size: F64, paint: Material) -> list[Mesh]:
    """Mirrors and, on wagons and SUVs, roof rails."""
    lift = size[2] / model.lwh_m[2]
    x = size[0] * (0.5 - model.cowl) - 0.3
    parts: list[Mesh] = []
    for side in (-1.0, 1.0):
        at = (x, side * (0.5 * size[1] + 0.03), model.bonnet_m * lift + 0.06)
        parts.append(ball(at, (0.07, 0.11, 0.08), paint, 6))
    if model.lwh_m[2] > 1.6 and model.panes and not model.load:
        for side in (-1.0, 1.0):
            y = side * (0.5 - 0.5 * model.tumblehome - 0.04) * size[1]
            front, back = (size[0] * (0.5 - s) for s in (model.roof[0] + 0.06, model.roof[1] - 0.03))
            parts.append(
                tube((front, y, size[2] + 0.01), (back, y, 0.985 * size[2]), 0.018, Material.CHROME, 6)
            )
    return parts
