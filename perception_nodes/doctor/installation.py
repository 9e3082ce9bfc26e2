"""Checks of the machine and of the installation."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from perception_nodes import compat
from perception_nodes.datatypes import Finding, Level

_SHM = Path("/dev/shm")
_SHM_WANTED_MB = 512
_LEFTOVERS = 100
_REINSTALL = "reinstall: pip install . (or make venv), or source the colcon workspace that has it"


def check_installation() -> Iterator[Finding]:
    """All checks, in the order in which a person would look."""
    yield _python()
    yield _machine()
    yield from _modules()
    yield from _ros_packages()
    yield _compiler()
    yield from _optional()
    yield from _shared_memory()
    yield from _environment()


def _python() -> Finding:
    version = platform.python_version()
    if (3, 10) <= sys.version_info[:2] <= (3, 13):
        return Finding(Level.OK, "python", version)
    return Finding(
        Level.ERROR, "python", f"{version}: wanted 3.10 to 3.13", "make a virtual environment with one"
    )


def _machine() -> Finding:
    name = platform.machine()
    if name == "x86_64" and sys.platform == "linux":
        return Finding(Level.OK, "machine", f"Linux {name}, {os.cpu_count()} cores")
    remedy = "the ROS wheels are for x86-64 Linux: use a ROS installation and colcon on this machine"
    return Finding(Level.WARN, "machine", f"{sys.platform} {name}", remedy)


def _modules() -> Iterator[Finding]:
    """Everything that the nodes import."""
    for name in (
        "rclpy",
        "sensor_msgs.msg",
        "perception_nodes.msg",
        "tf2_msgs.msg",
        "numba",
        "cv2",
        "onnxruntime",
    ):
        try:
            importlib.import_module(name)
        except ImportError as error:
            yield Finding(Level.ERROR, name, f"cannot be imported: {error}", _REINSTALL)
        else:
            yield Finding(Level.OK, name, _version(name))


def _version(module: str) -> str:
    name = {"rclpy": "ros-rclpy", "cv2": "opencv-python-headless", "sensor_msgs.msg": "ros-sensor-msgs"}.get(
        module, module.split(".", maxsplit=1)[0]
    )
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "found"


def _ros_packages() -> Iterator[Finding]:
    """Which of the packages without wheels are real and which are the drop-ins."""
    for name, provider in compat.install().items():
        what = "the installed one" if provider == "installed" else "the drop-in of this package"
        yield Finding(Level.OK, name, what)


def _compiler() -> Finding:
    found = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if found:
        return Finding(Level.OK, "c++ compiler", found)
    remedy = "only needed to install from source: apt-get install g++ python3-dev"
    return Finding(Level.NOTE, "c++ compiler", "none found", remedy)


def _optional() -> Iterator[Finding]:
    import onnxruntime

    yield Finding(Level.OK, "onnxruntime providers", ", ".join(onnxruntime.get_available_providers()))
    for module, use, package in (
        ("embreex", "perception demo", "embreex"),
        ("foxglove", "--view", "foxglove-sdk"),
    ):
        try:
            importlib.import_module(module)
        except ImportError:
            yield Finding(Level.NOTE, module, f"absent; needed by {use}", f"pip install {package}")
        else:
            yield Finding(Level.OK, module, f"found ({use})")


def _shared_memory() -> Iterator[Finding]:
    """Images and clouds travel through /dev/shm: its size, what is left in it, and the profile."""
    if not _SHM.is_dir():
        remedy = "mount a tmpfs there; in Docker: --ipc=host or --shm-size=1g"
        yield Finding(Level.ERROR, "/dev/shm", "does not exist", remedy)
        return
    usage = shutil.disk_usage(_SHM)
    total_mb, free_mb = usage.total >> 20, usage.free >> 20
    if free_mb < _SHM_WANTED_MB:
        what = f"{free_mb} MB free of {total_mb} MB: wanted {_SHM_WANTED_MB} MB (32 MB for each process with images)"
        yield Finding(Level.WARN, "/dev/shm", what, "in Docker: --ipc=host or --shm-size=1g; else free it")
    else:
        yield Finding(Level.OK, "/dev/shm", f"{free_mb} MB free of {total_mb} MB")
    left = len(list(_SHM.glob("fastdds_*"))) + len(list(_SHM.glob("fast_datasharing_*")))
    if left > _LEFTOVERS:
        what = (
            f"{left} Fast DDS files, more than running nodes would have: left by processes that were killed"
        )
        yield Finding(Level.WARN, "/dev/shm leftovers", what, "stop all nodes, then: fastdds shm clean")
    else:
        yield Finding(Level.OK, "/dev/shm leftovers", f"{left} Fast DDS files")


def _environment() -> Iterator[Finding]:
    """Variables that decide who sees whom and how large messages travel."""
    rmw = os.environ.get("RMW_IMPLEMENTATION", "")
    if rmw and rmw != "rmw_fastrtps_cpp":
        what = f"RMW_IMPLEMENTATION={rmw}: the shared-memory profile is for rmw_fastrtps_cpp"
        yield Finding(
            Level.WARN,
            "middleware",
            what,
            "unset RMW_IMPLEMENTATION, or tune that middleware for 5 MB messages",
        )
    else:
        yield Finding(Level.OK, "middleware", "rmw_fastrtps_cpp")
    yield _profile()
    scope = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "")
    if scope.upper() == "OFF":
        remedy = "unset ROS_AUTOMATIC_DISCOVERY_RANGE or set LOCALHOST"
        yield Finding(Level.ERROR, "discovery", "OFF: no node will find another", remedy)
    elif scope and scope.upper() != "LOCALHOST":
        yield Finding(
            Level.NOTE, "discovery", f"{scope}: nodes are visible beyond this host, because it is set so"
        )
    else:
        yield Finding(
            Level.OK, "discovery", "stays on this host (ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET to change)"
        )
    yield _domain(os.environ.get("ROS_DOMAIN_ID", ""))


def _profile() -> Finding:
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        path = os.environ.get(name, "")
        if path and not Path(path).is_file():
            return Finding(Level.ERROR, "transport profile", f"{name}={path}: no such file", f"unset {name}")
        if path:
            what = f"{name}={path}: used instead of this package's"
            remedy = "make sure that it gives shared memory a segment of 32 MB or more"
            return Finding(Level.NOTE, "transport profile", what, remedy)
    return Finding(Level.OK, "transport profile", "shared memory, 32 MB (set by the nodes themselves)")


def _domain(value: str) -> Finding:
    if not value:
        return Finding(Level.OK, "domain", "0")
    if not value.isdigit() or int(value) > 101:
        remedy = "set ROS_DOMAIN_ID to 0..101: above, ports collide with Linux's own range"
        return Finding(Level.WARN, "domain", f"ROS_DOMAIN_ID={value}", remedy)
    return Finding(Level.OK, "domain", value)
