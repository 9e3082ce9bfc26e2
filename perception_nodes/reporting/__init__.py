"""The report page of a run. Knows no ROS; takes plain values."""

from .data import ReportData, ReportFrame, pack_image, pack_points
from .page import write_evaluation, write_gallery, write_report

__all__ = [
    "ReportData",
    "ReportFrame",
    "pack_image",
    "pack_points",
    "write_evaluation",
    "write_gallery",
    "write_report",
]
