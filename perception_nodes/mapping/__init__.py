"""Map elements: lane dividers and road boundaries from lidar, as polylines with a life."""

from .builder import MapBuilder
from .config import MapConfig
from .grid import GridView

__all__ = ["GridView", "MapBuilder", "MapConfig"]
