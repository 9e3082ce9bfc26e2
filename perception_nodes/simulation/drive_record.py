"""What a drive of an ego that is driven from outside was like: verdict, findings, and what was decided when."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .detected import detected_actors
from .scenarios import Scenario
from .scenarios.verdict import Recorder, Verdict, judge
from .simulation import SimFrame
from .traffic.traffic import Traffic

F64 = npt.NDArray[np.float64]
COLUMNS: Final = (
    "time_s", "x_m", "y_m", "yaw_rad", "speed_mps", "acceleration_mps2", "wanted_mps2", "steering_rad", "mode",
    "reason", "ttc_s", "objects",
)  # fmt: skip


@dataclass(frozen=True)
class Decided:
    """What stood between this step and the next: wanted acceleration and steering, why, and perception's mode."""

    acceleration_mps2: float
    steering_rad: float
    reason: str = ""
    ttc_s: float = math.inf
    mode: str = ""


class DriveRecord:
    """One call a step; then the result as plain values, for a file. tell: is told when the ego no longer gets on."""

    def __init__(
        self, scenario: Scenario, seed: int, traffic: Traffic, tell: Callable[[str], object] = lambda _: None
    ) -> None:
        self._scenario, self._seed, self._traffic = scenario, seed, traffic
        self._recorder = Recorder()
        self._rows: list[list[Any]] = []
        self._held_up: list[tuple[float, str]] = []
        self._was_held_up, self._tell = False, tell

    def step(self, frame: SimFrame, reported_xy_m: F64 | None, decided: Decided | None) -> None:
        """After a step. reported_xy_m (M, 2): centres of the objects that perception reports, odom; None: none came."""
        reported = np.zeros((0, 2)) if reported_xy_m is None else reported_xy_m
        self._recorder.step(self._traffic, frame.ego, detected_actors(frame.truth, reported))
        if (text := self._traffic.held_up) and not self._was_held_up:
            self._held_up.append((frame.time_s, text))
            self._tell(f"{frame.time_s:.1f} s: {text}")
        self._was_held_up = bool(text)
        x, y, _, yaw, _, _ = frame.ego.pose
        row: list[Any] = [frame.time_s, x, y, yaw, frame.ego.speed_mps, frame.ego.acceleration_mps2]
        if decided is None:
            row += [None, None, "", "", None]
        else:
            ttc = decided.ttc_s if math.isfinite(decided.ttc_s) else None
            row += [decided.acceleration_mps2, decided.steering_rad, decided.mode, decided.reason, ttc]
        self._rows.append([*(round(v, 3) if isinstance(v, float) else v for v in row), len(reported)])

    def result(self) -> dict[str, Any]:
        """Plain values: verdict, findings, contacts, when an ego that drove by itself was held up for long and behind
        whom, and a row for each step (`COLUMNS`).
        """
        log = self._recorder.log()
        was = Verdict.of(log)
        findings = judge(self._scenario, log)
        return {
            "scenario": self._scenario.name,
            "seed": self._seed,
            "duration_s": round(float(log.time_s[-1]), 3),
            "passed": all(f.passed for f in findings),
            "collisions": was.collisions,
            "min_ttc_s": was.min_ttc_s if math.isfinite(was.min_ttc_s) else None,
            "hard_brakes": was.hard_brakes,
            "false_brakes": was.false_brakes,
            "travelled_m": round(was.ego_travels_m, 1),
            "stopped": was.ego_stops,
            "final_speed_mps": round(float(log.speed_mps[-1]), 2),
            "findings": [str(f) for f in findings],
            "contacts": [
                [c.time_s, c.actor_id, c.name, round(c.ego_speed_mps, 2), c.struck] for c in log.contacts
            ],
            "held_up": self._held_up,
            "columns": list(COLUMNS),
            "steps": self._rows,
        }

    def write(self, path: Path, **more: Any) -> None:
        """The result and whatever else is given as JSON."""
        path.write_text(json.dumps({**self.result(), **more}, allow_nan=False) + "\n")
