"""Drop-ins for the pure ROS libraries that have no wheels, used only where the real ones are absent.

`tf2_py`, `tf2_ros`, `tf2_geometry_msgs`, `tf2_sensor_msgs`, `message_filters` and `sensor_msgs_py` lie in this
directory as top-level packages. `install()` appends the directory to the end of `sys.path`, so that a real
installation always wins, package by package. Node code imports the real names and never this package.

Each covers the subset of the upstream API that a perception stack uses; what is left out raises
`NotImplementedError` and names itself.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

Provider = Literal["drop-in", "installed"]

DROP_IN_DIRECTORY: Final = Path(__file__).resolve().parent
DROP_INS: Final = (
    "message_filters",
    "sensor_msgs_py",
    "tf2_geometry_msgs",
    "tf2_py",
    "tf2_ros",
    "tf2_sensor_msgs",
)


def install() -> dict[str, Provider]:
    """Make every drop-in importable, behind whatever is installed; says who provides each package."""
    if str(DROP_IN_DIRECTORY) not in sys.path:
        sys.path.append(str(DROP_IN_DIRECTORY))
    return {name: provider(name) for name in DROP_INS}


def provider(name: str) -> Provider:
    """Who provides the package `name`: this directory ("drop-in") or a real installation ("installed").

    Raises:
        ModuleNotFoundError: nobody does (`install()` has not been called), or `name` is not one of `DROP_INS`.
    """
    spec = find_spec(name) if name in DROP_INS else None
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"no installed or drop-in package {name!r}; call install() first", name=name
        )
    is_drop_in = Path(spec.origin).resolve().is_relative_to(DROP_IN_DIRECTORY)
    return "drop-in" if is_drop_in else "installed"
