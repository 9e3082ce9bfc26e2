"""An OpenStreetMap XML file as nodes, ways and relations in metres; Lanelet2 maps are such files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError

F64 = npt.NDArray[np.float64]

# WGS 84.
_A_M, _E2 = 6378137.0, 6.69437999014e-3


@dataclass(frozen=True, eq=False)
class Way:
    """points_m (N, 3): x east, y north, z; nodes: their ids."""

    id: int
    nodes: tuple[int, ...]
    points_m: F64
    tags: dict[str, str]


@dataclass(frozen=True)
class Relation:
    """members: (type, id, role)."""

    id: int
    members: tuple[tuple[str, int, str], ...]
    tags: dict[str, str]


@dataclass(frozen=True, eq=False)
class OsmMap:
    """heights: whether nodes say how high they are."""

    path: Path
    ways: dict[int, Way]
    relations: dict[int, Relation]
    heights: bool


def read_osm(path: Path) -> OsmMap:
    """Read a file.

    Raises InputError that names the file, and the line or the element that is wrong.
    """
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError as error:
        line, column = error.position
        raise InputError(f"{path}: line {line}, column {column}: no XML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if root.tag != "osm":
        raise InputError(f"{path}: wanted <osm> at the top, got <{root.tag}>")
    ids, xyz, heights = _positions(path, root)
    row = {node: k for k, node in enumerate(ids)}
    ways = {way.id: way for way in _ways(path, root, row, xyz)}
    return OsmMap(path, ways, {r.id: r for r in _relations(path, root)}, heights)


def _tags(element: ET.Element) -> dict[str, str]:
    return {tag.get("k", ""): tag.get("v", "") for tag in element.iter("tag")}


def _number(path: Path, owner: str, name: str, text: str | None) -> float:
    try:
        value = float(text if text is not None else "")
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise InputError(f"{path}: {owner}: {name}: wanted a number, got {text!r}")
    return value


def _identity(path: Path, element: ET.Element, attribute: str = "id") -> int:
    text = element.get(attribute)
    try:
        return int(text if text is not None else "")
    except ValueError:
        raise InputError(
            f"{path}: <{element.tag}>: {attribute}: wanted a whole number, got {text!r}"
        ) from None


def _positions(path: Path, root: ET.Element) -> tuple[list[int], F64, bool]:
    """Ids and (N, 3) places of all nodes; from local coordinates where nodes have them."""
    ids, geodetic, local, high = [], [], [], []
    for node in root.iter("node"):
        ids.append(_identity(path, node))
        owner, tags = f"node {ids[-1]}", _tags(node)
        if "local_x" in tags and "local_y" in tags:
            local.append([_number(path, owner, key, tags[key]) for key in ("local_x", "local_y")])
        else:
            geodetic.append([_number(path, owner, key, node.get(key)) for key in ("lat", "lon")])
        high.append(_number(path, owner, "ele", tags["ele"]) if "ele" in tags else np.nan)
    if not ids:
        raise InputError(f"{path}: no nodes")
    if local and geodetic:
        raise InputError(f"{path}: {len(local)} nodes have local_x and local_y, {len(geodetic)} have not")
    xy = np.array(local) if local else _local(np.radians(np.array(geodetic)))
    z = np.array(high)
    known = bool(np.isfinite(z).mean() > 0.9)
    z = np.where(np.isfinite(z), z, np.nanmean(z)) if known else np.zeros(len(z))
    return ids, np.column_stack([xy, z]), known


def _local(lat_lon_rad: F64) -> F64:
    """(N, 2) metres east and north of the mean place; off by some centimetres a kilometre away."""
    lat, lon = lat_lon_rad.T
    middle = float(lat.mean())
    w = np.sqrt(1.0 - _E2 * np.sin(middle) ** 2)
    east = _A_M / w * np.cos(middle) * (lon - lon.mean())
    north = _A_M * (1.0 - _E2) / w**3 * (lat - middle)
    return np.column_stack([east, north])


def _ways(path: Path, root: ET.Element, row: dict[int, int], xyz: F64) -> Iterator[Way]:
    for way in root.iter("way"):
        number = _identity(path, way)
        nodes = [_identity(path, nd, "ref") for nd in way.iter("nd")]
        lost = [node for node in nodes if node not in row]
        if lost:
            raise InputError(f"{path}: way {number}: node {lost[0]} is not in the file")
        points = xyz[[row[node] for node in nodes]].reshape(-1, 3)
        if len(points):
            # Two nodes at one place have no direction between them.
            moved = np.append(True, np.hypot(*np.diff(points[:, :2], axis=0).T) > 1e-3)
            points, nodes = points[moved], [node for node, kept in zip(nodes, moved, strict=True) if kept]
        yield Way(number, tuple(nodes), points, _tags(way))


def _relations(path: Path, root: ET.Element) -> Iterator[Relation]:
    for relation in root.iter("relation"):
        members = tuple(
            (member.get("type", ""), _identity(path, member, "ref"), member.get("role", ""))
            for member in relation.iter("member")
        )
        yield Relation(_identity(path, relation), members, _tags(relation))
