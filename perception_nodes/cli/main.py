"""`perception`: entry point of the command line."""

from __future__ import annotations

import errno
import importlib
import sys
from typing import Any, Final

import typer

# Sub-command -> its module; a module is imported only when its command is asked for (or for the help page).
COMMANDS: Final = (
    "run",
    "demo",
    "simulate",
    "likeness",
    "convert",
    "doctor",
    "evaluate",
    "explain",
    "slice",
    "track",
    "train",
    "adapt",
    "tune",
)

# Disk full, over quota, file too large, read-only, forbidden: for the user to mend, not errors of this program.
_NOT_OURS: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES}

app = typer.Typer(
    name="perception",
    help="Perception for ROS 2: from sensors or a rosbag to tracked objects and map elements.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _register(names: tuple[str, ...]) -> None:
    for name in names:
        module: Any = importlib.import_module(f"perception_nodes.cli.{name}")
        app.command(name, epilog=getattr(module, "EXAMPLES", None))(getattr(module, name))


@app.callback()
def _root() -> None:
    """Perception for ROS 2: from sensors or a rosbag to tracked objects and map elements."""


def main() -> None:
    """Run the command line; an error about input is one sentence and exit status 2."""
    from perception_nodes.datatypes import PerceptionError

    # Importing all sub-commands costs 0.5 s; the one that is asked for is enough.
    wanted = tuple(a for a in sys.argv[1:2] if a in COMMANDS)
    _register(wanted or COMMANDS)
    try:
        app()
    except PerceptionError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(2)
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
