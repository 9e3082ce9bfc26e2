"""Where the package's own data files are."""

from perception_nodes.resources import PACKAGE
from perception_nodes.resources import resource_path as resource_dir

__all__ = ["PACKAGE", "resource_dir"]
