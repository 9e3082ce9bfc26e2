"""The street: two roads that cross, kerbs, pavements, paint, houses, trees; and the map truth of it.

odom: x along the main road, z = 0 on the asphalt, the ego starts near the origin in the lane y = -LANE / 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ElementType, MapElement, one_hot_type
from perception_nodes.simulation.assets.materials import Material
from perception_nodes.simulation.assets.meshes import Mesh, ball, box, join, quads, strip, tube

F64 = npt.NDArray[np.float64]
LANE_M = 3.5
PARKING_M = 2.3
HALF_M = LANE_M + PARKING_M
CORNER_M = 6.0
PAVEMENT_M = 3.2
LINE_M = 0.15
DASH_M, GAP_M = 3.0, 6.0
CROSSING_FROM_M, CROSSING_TO_M = 5.0, 8.0  # from the edge of the crossing road
STOP_FROM_M = 9.0
REACH_M = 190.0  # half length of a road
_CELL_M = 0.05


@dataclass(frozen=True, eq=False)
class World:
    """mesh: everything that stands still; paint (H, W) bool raster from `paint_low_m`; elements: map truth."""

    junction_x_m: float
    kerb_height_m: float
    mesh: Mesh
    paint: npt.NDArray[np.bool_]
    paint_low_m: tuple[float, float]
    elements: tuple[MapElement, ...]

    def painted(self, xy_m: F64) -> npt.NDArray[np.bool_]:
        """Whether points (N, 2) of the road lie on paint."""
        cell = np.floor((xy_m - self.paint_low_m) / _CELL_M).astype(np.int64)
        inside = ((cell >= 0) & (cell < self.paint.shape)).all(axis=1)
        cell[~inside] = 0
        out: npt.NDArray[np.bool_] = self.paint[cell[:, 0], cell[:, 1]] & inside
        return out


@dataclass(frozen=True)
class _Arm:
    """One road leaving the junction: local (along, across) -> odom by a turn of `quarter` right angles."""

    quarter: int
    junction_x_m: float

    def odom(self, along_across: F64) -> F64:
        a = np.asarray(along_across, np.float64)
        turned = [a, np.stack([-a[:, 1], a[:, 0]], 1), -a, np.stack([a[:, 1], -a[:, 0]], 1)][self.quarter]
        out: F64 = turned + np.array([self.junction_x_m, 0.0])
        return out


def build_world(rng: np.random.Generator) -> World:
    """A street drawn from `rng`."""
    junction = float(rng.uniform(68.0, 82.0))
    kerb = float(rng.uniform(0.12, 0.15))
    arms = [_Arm(quarter, junction) for quarter in range(4)]
    parts = [_ground(junction)]
    for quarter in range(4):
        parts += _corner_block(quarter, junction, kerb)
        parts += _furniture(arms[quarter], kerb, rng)
    painted = [rectangle for arm in arms for rectangle in _painted(arm)]
    low = (junction - REACH_M, -REACH_M)
    return World(junction, kerb, join(parts), _raster(painted, low), low, _elements(arms, junction, kerb))


def _ground(junction: float) -> Mesh:
    corners = np.array(
        [[-REACH_M, -REACH_M, 0], [REACH_M, -REACH_M, 0], [REACH_M, REACH_M, 0], [-REACH_M, REACH_M, 0.0]]
    )
    return quads((corners + np.array([junction, 0, 0]))[None], Material.ASPHALT)


def _kerb_line(quarter: int, junction: float) -> F64:
    """(N, 2) the kerb of the block between two arms, rounded at the corner."""
    turn = np.linspace(np.pi, np.pi / 2 * 3, 13)
    centre = HALF_M + CORNER_M
    arc = centre + CORNER_M * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    straight = np.arange(REACH_M, centre, -6.0)
    up = np.stack([np.full(len(straight), HALF_M), straight], axis=1)
    line = np.concatenate([up, arc, up[::-1, ::-1]])
    return _Arm(quarter, junction).odom(line)


def _corner_block(quarter: int, junction: float, kerb: float) -> list[Mesh]:
    line = _kerb_line(quarter, junction)
    low = np.column_stack([line, np.zeros(len(line))])
    high = low + np.array([0.0, 0.0, kerb])
    far = np.column_stack([_Arm(quarter, junction).odom(np.array([[REACH_M, REACH_M]])), [[kerb]]])[0]
    tip = np.broadcast_to(far, high[1:].shape)
    fan = np.stack([high[:-1], high[1:], tip, tip], axis=1)
    return [strip(low, high, Material.KERB), quads(fan, Material.PAVEMENT)]


def _furniture(arm: _Arm, kerb: float, rng: np.random.Generator) -> list[Mesh]:
    """Both sides of one arm: house fronts with walls and hedges between them, trees, lamps, bins, signs."""
    parts = []
    for side in (-1.0, 1.0):
        # Houses of the crossing roads must not stand in each other.
        along = HALF_M + PAVEMENT_M + (10.0 if arm.quarter % 2 else 0.0)
        while along < REACH_M - 25:
            length = float(rng.uniform(7, 22))
            across = side * (HALF_M + PAVEMENT_M + float(rng.uniform(0.0, 1.5)))
            parts.append(_front(arm, along, length, across, side, kerb, rng))
            along += length + float(rng.choice([0.0, 1.5, 4.0]))
        for at in np.arange(HALF_M + 12.0, 120.0, 11.0):
            parts += _at_the_kerb(arm, float(at + rng.uniform(-2, 2)), side * (HALF_M + 0.8), kerb, rng)
    return parts


def _front(
    arm: _Arm, along: float, length: float, across: float, side: float, kerb: float, rng: np.random.Generator
) -> Mesh:
    kind = rng.random()
    if kind < 0.72:
        height, depth, material = float(rng.uniform(6, 15)), 8.0, Material.FACADE
    elif kind < 0.88:
        height, depth, material = float(rng.uniform(1.2, 2.4)), 0.3, Material.WALL
    else:
        height, depth, material = float(rng.uniform(1.0, 1.8)), 0.9, Material.FOLIAGE
    middle = arm.odom(np.array([[along + length / 2, across + side * depth / 2]]))[0]
    lwh = (length, depth, height) if arm.quarter % 2 == 0 else (depth, length, height)
    return box((middle[0], middle[1], kerb + height / 2), lwh, material)


def _at_the_kerb(arm: _Arm, along: float, across: float, kerb: float, rng: np.random.Generator) -> list[Mesh]:
    x, y = arm.odom(np.array([[along, across]]))[0]
    kind = rng.random()
    if kind < 0.5:
        height = float(rng.uniform(2.2, 3.0))
        trunk = tube((x, y, 0), (x, y, height + 1.0), float(rng.uniform(0.1, 0.2)), Material.BARK)
        return [trunk, _crown((x, y, height + 1.6), float(rng.uniform(1.3, 2.2)), rng)]
    if kind < 0.72:
        return [
            tube((x, y, 0), (x, y, 6.5), 0.08, Material.METAL),
            box((x, y, 6.5), (0.6, 0.6, 0.15), Material.METAL),
        ]
    if kind < 0.86:
        sign = ball((x, y, 2.4), (0.3, 0.3, 0.3), Material.PLATE)
        return [tube((x, y, 0), (x, y, 2.5), 0.04, Material.METAL), sign]
    return [tube((x, y, 0), (x, y, kerb + 0.9), 0.25, Material.METAL)]


def _crown(centre: tuple[float, float, float], radius: float, rng: np.random.Generator) -> Mesh:
    """Leaves: small triangles spread in an ellipsoid, so that some pulses pass."""
    n = 260
    direction = rng.normal(size=(n, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    at = np.asarray(centre) + direction * (radius * rng.uniform(0.3, 1.0, (n, 1)) ** 0.5) * [1.0, 1.0, 0.8]
    corners = at[:, None, :] + rng.normal(0.0, 0.16, (n, 3, 3))
    return Mesh(
        corners.reshape(-1, 3),
        np.arange(3 * n, dtype=np.int32).reshape(n, 3),
        np.full(n, Material.FOLIAGE, np.uint8),
    )


def _painted(arm: _Arm) -> list[F64]:
    """(2, 2) low and high corners in odom of all painted rectangles of one arm."""
    start, end, half = HALF_M + STOP_FROM_M, REACH_M, LINE_M / 2
    local = [((s, -half), (min(s + DASH_M, end), half)) for s in np.arange(start, end, DASH_M + GAP_M)]
    local += [((start, side * LANE_M - half), (end, side * LANE_M + half)) for side in (-1.0, 1.0)]
    # Traffic keeps right and drives towards the junction on the left of the arm's own direction.
    local.append(((start - 0.2, 0.1), (start + 0.2, LANE_M - 0.1)))
    zebra = np.arange(-LANE_M - 1.0, LANE_M + 1.0, 1.0)
    local += [((HALF_M + CROSSING_FROM_M, y), (HALF_M + CROSSING_TO_M, y + 0.5)) for y in zebra]
    corners = [arm.odom(np.array(c)) for c in local]
    return [np.stack([c.min(axis=0), c.max(axis=0)]) for c in corners]


def _raster(rectangles: list[F64], low: tuple[float, float]) -> npt.NDArray[np.bool_]:
    n = round(2 * REACH_M / _CELL_M)
    out = np.zeros((n, n), bool)
    for rectangle in rectangles:
        (i, j), (k, m) = np.clip(np.round((rectangle - low) / _CELL_M).astype(int), 0, n)
        out[i:k, j:m] = True
    return out


def _elements(arms: list[_Arm], junction: float, kerb: float) -> tuple[MapElement, ...]:
    out: list[MapElement] = []

    def add(kind: ElementType, xy_m: F64, subtype: str, z_m: float = 0.0, closed: bool = False) -> None:
        points = np.column_stack([xy_m, np.full(len(xy_m), z_m)])
        sure = np.ones(len(points))
        out.append(
            MapElement(len(out) + 1, kind, points, 0 * sure, sure, one_hot_type(kind), 1.0, closed, subtype)
        )

    for arm in arms:
        along = np.arange(HALF_M + STOP_FROM_M, REACH_M, 2.0)
        for across, subtype in ((0.0, "dashed"), (-LANE_M, "solid"), (LANE_M, "solid")):
            add(
                ElementType.LANE_DIVIDER,
                arm.odom(np.column_stack([along, np.full(len(along), across)])),
                subtype,
            )
        stop = np.array([[HALF_M + STOP_FROM_M, 0.1], [HALF_M + STOP_FROM_M, LANE_M - 0.1]])
        add(ElementType.STOP_LINE, arm.odom(stop), "")
        near, far = HALF_M + CROSSING_FROM_M, HALF_M + CROSSING_TO_M
        corners = np.array(
            [[near, -LANE_M - 1], [far, -LANE_M - 1], [far, LANE_M + 0.5], [near, LANE_M + 0.5]]
        )
        add(ElementType.PED_CROSSING, arm.odom(corners), "zebra", closed=True)
    for quarter in range(4):
        add(ElementType.ROAD_BOUNDARY, _kerb_line(quarter, junction), "curb", kerb)
    return tuple(out)
