"""Perception for ROS 2: from sensors or a rosbag to tracked objects and map elements."""

import os
import pkgutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    msg: Any  # generated; they have no type information
    srv: Any

__version__ = "0.1.0"

# `msg` is generated when the package is installed. Imported from a checkout, this package
# continues in the installed one, so that `perception_nodes.msg` is found there.
if not os.path.isdir(os.path.join(os.path.dirname(__file__), "msg")):
    __path__ = pkgutil.extend_path(__path__, __name__)
