"""Can this machine build and run the pip installation? Names each obstacle in a sentence that says what to do.

Run by the Makefile and by the build. Plain Python 3.6, so that an old interpreter can say that it is too old.
"""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig

OLDEST = (3, 10)
NEWEST = (3, 13)
SYSTEMS = "use Debian 12 or Ubuntu 22.04 or newer"
COLCON = "install ROS 2 and build this folder with colcon (docs/building.md, 'ROS installation')"
VERSION_PROGRAM = "import sys; print('%d.%d' % sys.version_info[:2])"


def machine_problems(system, machine, libc):
    """Obstacles in the operating system (`system`), processor (`machine`) and C library (`libc`, name and version)."""
    if system != "Linux":
        yield "This is %s, and ROS 2 has wheels for Linux only: %s; a container will do." % (
            system or "an unknown system",
            SYSTEMS,
        )
    elif machine not in ("x86_64", "AMD64"):
        yield "This processor is %s, and ROS 2 has wheels for x86-64 only: %s." % (
            machine or "unknown",
            COLCON,
        )
    elif libc[0] != "glibc":
        yield "The C library is not glibc (Alpine Linux?), which the ROS 2 wheels need: %s." % SYSTEMS
    elif tuple(int(n) for n in libc[1].split(".")[:2]) < (2, 28):
        yield "glibc %s is older than 2.28, which the ROS 2 wheels need: %s." % (libc[1], SYSTEMS)


def python_problems(version, others=()):
    """Obstacles in the Python `version` (major, minor); `others` are commands of usable ones."""
    if OLDEST <= tuple(version) <= NEWEST:
        return
    remedy = "sudo apt install python3 python3-venv python3-dev"
    if others:
        remedy = "make venv PYTHON=%s" % others[0]
    yield "Python %d.%d is not supported, %d.%d to %d.%d are: %s." % (
        tuple(version) + OLDEST + NEWEST + (remedy,)
    )


def compiler_problems(which, environment):
    """Obstacles in the compilers: the message code is C and C++. CMake and ninja come as wheels."""
    missing = []
    for variable, names, language in (
        ("CC", ("cc", "gcc", "clang"), "C"),
        ("CXX", ("c++", "g++", "clang++"), "C++"),
    ):
        wanted = environment.get(variable, "").split()[:1]
        if not any(which(name) for name in (wanted or names)):
            missing.append("%s compiler%s" % (language, " (%s=%s)" % (variable, wanted[0]) if wanted else ""))
    if missing:
        yield (
            "The messages are compiled on this machine, and no %s was found: sudo apt install g++."
            % " and no ".join(missing)
        )


def header_problems(include_folders, version):
    """Obstacles in the Python headers, expected in one of `include_folders`."""
    if not any(os.path.isfile(os.path.join(folder, "Python.h")) for folder in include_folders):
        yield (
            "Python.h, the C header of Python %d.%d, is missing: sudo apt install python3-dev (or python%d.%d-dev)."
            % (tuple(version) * 2)
        )


def venv_problems(has_ensurepip, version):
    """Obstacles in making a virtual environment: Debian's Python comes without the module that puts pip in it."""
    if not has_ensurepip:
        yield (
            "This Python cannot make a virtual environment: sudo apt install python3-venv (or python%d.%d-venv)."
            % (tuple(version))
        )


def sourced_problems(environment, prefixes, exists=os.path.exists):
    """A sourced ROS installation would mix its Python packages with the wheels; `prefixes` are this Python's own."""
    for prefix in environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        own = os.path.realpath(prefix) in [os.path.realpath(p) for p in prefixes]
        if prefix and not own and exists(os.path.join(prefix, "share", "rclpy", "package.xml")):
            yield "The ROS installation %s is sourced in this shell: use a shell without it, or %s." % (
                prefix,
                COLCON,
            )
            return


def usable_pythons():
    """Commands of supported Pythons that start; a name on the path may be a stub that does not."""
    found = []
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        command = "python3.%d" % minor
        if shutil.which(command):
            program = [command, "-c", VERSION_PROGRAM]
            run = subprocess.run(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            if run.stdout.decode().strip() == "3.%d" % minor:
                found.append(command)
    return found


def problems(for_venv=False):
    """Sentences about this machine; none means that the installation can go on. `for_venv`: one is to be made."""
    version = sys.version_info[:2]
    found = list(machine_problems(platform.system(), platform.machine(), platform.libc_ver()))
    if found:
        return found
    found = list(python_problems(version, [] if OLDEST <= version <= NEWEST else usable_pythons()))
    if found:
        return found
    found += compiler_problems(shutil.which, os.environ)
    paths = sysconfig.get_paths()
    found += header_problems([paths["include"], paths["platinclude"]], version)
    if for_venv:
        try:
            import ensurepip  # noqa: F401

            found += venv_problems(True, version)
        except ImportError:
            found += venv_problems(False, version)
    found += sourced_problems(os.environ, [sys.prefix, sys.base_prefix])
    return found


def main(argv):
    """Print the sentences; exit status 1 if there are any."""
    found = problems(for_venv="--venv" in argv)
    for sentence in found:
        sys.stderr.write("perception_nodes: %s\n" % sentence)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
