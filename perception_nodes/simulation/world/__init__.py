"""The world that does not move: road graph, ground, paint, houses and furniture, and the exact map of it."""

from .lanelet import world_from_osm
from .options import Options
from .procedural import KINDS, build_world
from .roads import LANE_KINDS, Crossing, Lane, RoadGraph, Signal
from .street import World, assemble
from .surface import Surface

__all__ = [
    "KINDS",
    "LANE_KINDS",
    "Crossing",
    "Lane",
    "Options",
    "RoadGraph",
    "Signal",
    "Surface",
    "World",
    "assemble",
    "build_world",
    "world_from_osm",
]
