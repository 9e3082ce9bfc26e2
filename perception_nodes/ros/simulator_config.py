"""Parameters of the simulator node."""

from __future__ import annotations

from dataclasses import dataclass

from perception_nodes.datatypes import ConfigurationError, check_ranges, param

MODES = ("lock_step", "real_time")


@dataclass(frozen=True)
class SimulatorConfig:
    """What is driven, and how time goes on."""

    scenario: str = param("", "scenario: name (see config/scenarios) or path of a YAML file")
    seed: int = param(1, "of streets, traffic and noise", low=0)
    mode: str = param(
        "lock_step", "lock_step: waits for the answers to each step; real_time: steps by the clock"
    )
    sensors: tuple[str, ...] = param((), "names of sensors of the rig, inertial too; empty = all of them")
    looped: bool = param(False, "lock-step: waits for the command of a planner too")
    rate: float = param(1.0, "real time: simulated seconds per second", low=0.01, high=100.0)
    timeout_s: float = param(1.0, "lock-step: longest wait for an answer, s", low=0.01)
    wait_timeout_s: float = param(60.0, "longest wait for subscribers of the lidars, s", low=0.1)
    exit_at_end: bool = param(True, "end the process after the last step")
    output: str = param("", "file for the record of the drive (JSON); empty = none")

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.mode not in MODES:
            raise ConfigurationError(f"parameter mode: wanted one of {list(MODES)}, got {self.mode!r}")
