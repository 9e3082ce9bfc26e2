"""What `perception train` checks of its options before anything is loaded or simulated."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from perception_nodes.datatypes import ConfigurationError, Modality, Rig

# What the extra [train] brings; the last two only the end of a run needs.
_EXTRA: Final = ("torch", "onnx", "onnxscript")
_BEGINNING: Final = ("--weights", "--from", "--pretrain", "--pretrain-data")
_TRAINING: Final = (*_BEGINNING, "--street-seed", "--patience", "--set")
# Options that mean something, by what is asked for; of those that have no other default than nothing.
USED: Final[Mapping[str, Collection[str]]] = {
    "lidar": {"--rig", "--data", "--budget", "--resume", "--log", *_TRAINING},
    "score": {"--model", "--rig", "--data", "--pictures", "--wooded"},
    "robustness": {"--model", "--rig"},
    "calibrate": {"--model", "--data"},
    "second-look": {"--model", "--rig", "--data"},
}
# Recordings may be several, a folder for simulated frames is one.
_RECORDINGS: Final = ("score", "calibrate")


def check_extra(command: str) -> None:
    """Raises ConfigurationError if a package of the extra is missing: not after hours, when the model is written."""
    import importlib.util

    for package in _EXTRA:
        if importlib.util.find_spec(package) is None:
            raise ConfigurationError(
                f"{command}: {package} is not installed: pip install 'perception_nodes[train]'"
            )


def check_options(what: str, given: Mapping[str, Any]) -> None:
    """Raises ConfigurationError for an unknown word, and for options that would have no effect or not all of it.

    given: values of the options by name, as `USED` names them.
    """
    if what not in USED:
        raise ConfigurationError(f"perception train: wanted {' or '.join(USED)}, got {what!r}")
    idle = [name for name, value in given.items() if value and name not in USED[what]]
    if idle:
        near = ": wanted --from, to go on from a model" if (what, idle[0]) == ("lidar", "--model") else ""
        raise ConfigurationError(f"perception train {what}: {idle[0]} would have no effect{near}")
    if given["--budget"] and any(s.startswith("evaluate_every:=") for s in given["--set"] or ()):
        raise ConfigurationError("--set evaluate_every would have no effect: --budget looks five times")
    if given["--pictures"] and not given["--data"]:
        raise ConfigurationError("perception train score: --pictures are of recordings: wanted --data too")
    if given["--wooded"] and not given["--rig"]:
        raise ConfigurationError("perception train score: --wooded is of simulated streets: wanted --rig too")
    if what not in _RECORDINGS and len(given["--data"] or ()) > 1:
        raise ConfigurationError(
            f"perception train {what}: --data: wanted one folder, got {len(given['--data'])}"
        )
    _check_rigs(given["--rig"] or ())


def check_there(option: str, path: Path | None) -> None:
    """Raises InputError for what is not there: before minutes of simulation."""
    from perception_nodes.datatypes import InputError

    if path is not None and not path.exists():
        raise InputError(f"{option} {path}: no such file")


def check_folder(option: str, path: Path) -> None:
    """Raises InputError for a file where a folder is to be made."""
    from perception_nodes.datatypes import InputError

    if path.exists() and not path.is_dir():
        raise InputError(f"{option} {path}: wanted a folder, found a file")


def check_lidars(rigs: Sequence[Rig], console: Console) -> None:
    """Say where a rig leaves open which lidar is to be simulated, before minutes of it.

    Raises ConfigurationError for a rig without a lidar, and for a lidar that the simulator does not know.
    """
    from perception_nodes.simulation.sensors.beams import DEFAULT_LIDAR, LIDARS, lidar_spec
    from perception_nodes.simulation.sensors.specs import Mounting

    for rig in rigs:
        if not rig.of(Modality.LIDAR):
            raise ConfigurationError(f"rig {rig.name}: wanted a lidar to simulate, got none")
        sensor = rig.of(Modality.LIDAR)[0]
        where = f"rig {rig.name}: sensor {sensor.name}: model"
        _, model = Mounting.split(sensor.model, where)
        lidar_spec(model, where)
        if "type" not in model and "elevation_deg" not in model:
            console.print(
                f"[yellow]{where}: names no lidar, so {DEFAULT_LIDAR} is simulated, which may not be yours; known:"
                f" {', '.join(sorted(LIDARS))}; write e.g. {'{type: vlp16}'}, or its beams as elevation_deg[/yellow]",
                highlight=False,
            )


def _check_rigs(rigs: Sequence[str]) -> None:
    twice = [name for name in rigs if list(rigs).count(name) > 1]
    if twice:
        raise ConfigurationError(f"--rig {twice[0]}: given twice")
