"""Why a figure is what it is: a cause for every miss and false alarm, and the AP that each cause costs."""

from .causes import Cause, DiagnosisConfig, Kind, Outage
from .diagnose import CauseShare, DiagnosedError, Diagnosis, diagnose
from .occlusion import hidden_share
from .systematic import Systematic

__all__ = [
    "Cause",
    "CauseShare",
    "DiagnosedError",
    "Diagnosis",
    "DiagnosisConfig",
    "Kind",
    "Outage",
    "Systematic",
    "diagnose",
    "hidden_share",
]
