"""What is wrong with this installation, this recording, this running graph, and what to do about it."""

from .bag import check_bag
from .installation import check_installation

__all__ = ["check_bag", "check_installation"]
