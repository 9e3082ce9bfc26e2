"""What is wrong with this installation, this recording, this running graph, and what to do about it."""

from .bag import check_bag
from .finding import Finding, Level
from .graph import check_graph
from .installation import check_installation

__all__ = ["Finding", "Level", "check_bag", "check_graph", "check_installation"]
