"""Which messages belong together: stamps only, payloads stay where they are."""

from .aligner import Aligner, AlignerOutput
from .config import AlignerConfig

__all__ = ["Aligner", "AlignerConfig", "AlignerOutput"]
