"""What must be set before rclpy starts: shared memory for large messages, discovery on this host."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

from perception_nodes.resources import resource_path


def configure() -> None:
    """Prepare this process; call before `rclpy.init`. What the user has set in the environment is left alone.

    - Fast DDS gets a shared-memory segment of 32 MB: with its 0.5 MB, best-effort messages beyond are lost.
    - Discovery stays on this host.
    """
    named = {"FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"} & set(os.environ)
    if not named:
        os.environ[_profile_variable()] = str(profile_path())
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


def profile_path() -> Path:
    """The Fast DDS profile of this package."""
    return resource_path("config/fastdds_shm.xml")


def _profile_variable() -> str:
    """Jazzy's Fast DDS reads only the old name, later ones warn about it."""
    distro = os.environ.get("ROS_DISTRO", "")
    if not distro:
        try:
            distro = "jazzy" if importlib.metadata.version("ros-rclpy").startswith("7.") else ""
        except importlib.metadata.PackageNotFoundError:
            distro = ""
    return "FASTRTPS_DEFAULT_PROFILES_FILE" if distro == "jazzy" else "FASTDDS_DEFAULT_PROFILES_FILE"
