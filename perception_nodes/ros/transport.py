"""What must be set before rclpy starts: shared memory for large messages, malloc, discovery on this host."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
from pathlib import Path

from perception_nodes.resources import resource_path

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8


def configure() -> None:
    """Prepare this process; call before `rclpy.init`. What the user has set in the environment is left alone.

    - Fast DDS gets a shared-memory segment of 32 MB: with its 0.5 MB, best-effort messages beyond are lost.
    - glibc keeps large freed blocks: else receivers of multi-MB messages fall into a slow mode at random.
    - One arena for all threads: what a dry run has touched serves the worker thread too (its first frame took 300 ms
      for page faults).
    - Discovery stays on this host.
    """
    named = {"FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"} & set(os.environ)
    if not named:
        os.environ[_profile_variable()] = str(profile_path())
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return  # not glibc: its allocator has no such thresholds
    libc.mallopt(_M_MMAP_THRESHOLD, 64 << 20)
    libc.mallopt(_M_TRIM_THRESHOLD, 256 << 20)
    libc.mallopt(_M_ARENA_MAX, 1)


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
