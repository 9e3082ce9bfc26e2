"""Things with a box and what they are made of: materials, meshes, and a catalogue of vehicles, people and obstacles."""

from .asset import Asset
from .catalogue import TRAFFIC, Catalogue
from .materials import ALBEDO_RGB, GLOSS, RADAR, REFLECTIVITY, RETRO_GAIN, TRANSMISSION, Material
from .meshes import Mesh, ball, box, join, quads, strip, tube

__all__ = [
    "ALBEDO_RGB",
    "GLOSS",
    "RADAR",
    "REFLECTIVITY",
    "RETRO_GAIN",
    "TRAFFIC",
    "TRANSMISSION",
    "Asset",
    "Catalogue",
    "Material",
    "Mesh",
    "ball",
    "box",
    "join",
    "quads",
    "strip",
    "tube",
]
