"""For those who consume the outputs: `from perception_nodes.client import PerceptionSubscriber`."""

from .datatypes import Mode
from .ros.reception import ReceptionConfig, ReceptionStatus
from .ros.subscriber import PerceptionSubscriber

__all__ = ["Mode", "PerceptionSubscriber", "ReceptionConfig", "ReceptionStatus"]
