"""Scores of vector maps."""

from .chamfer import chamfer_ap, chamfer_distance

__all__ = ["chamfer_ap", "chamfer_distance"]
