"""The reference planner: from perception's outputs to steering and acceleration, to close the simulator's loop."""

from .config import PlannerConfig
from .inputs import Decision, EgoMotion, Guidance, Obstacles, Reason
from .planner import ReferencePlanner

__all__ = ["Decision", "EgoMotion", "Guidance", "Obstacles", "PlannerConfig", "Reason", "ReferencePlanner"]
