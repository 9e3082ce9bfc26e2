"""What a drive was like, from the truth of every step, and whether it is what its scenario asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError
from perception_nodes.datatypes.checks import check_shape

from .schema import MustHold, Scenario

if TYPE_CHECKING:
    from perception_nodes.simulation.traffic.states import EgoState
    from perception_nodes.simulation.traffic.traffic import Traffic

F64 = npt.NDArray[np.float64]

HARD_BRAKE_MPS2: Final = 4.0
FALSE_BRAKE_MPS2: Final = 2.5
REASON_TTC_S: Final = 3.0
REASON_BESIDE_M: Final = 0.7  # who is so near to the way of the ego is a reason to brake
_REACTION_S: Final = 1.0  # a reason that was there so long ago still explains a brake
_PAUSE_S: Final = 0.5  # brakes that follow each other faster are one
_STILL_MPS, _UNDER_WAY_MPS = 0.1, 1.0


@dataclass(frozen=True)
class Contact:
    """The first time the ego touched an actor; name: of a scripted one, else ""; struck: the actor came from behind, or
    moved while the ego stood.
    """

    time_s: float
    actor_id: int
    name: str
    ego_speed_mps: float
    struck: bool = False

    def __str__(self) -> str:
        who = self.name or f"id {self.actor_id}"
        return f"{who} {'ran into the ego ' if self.struck else ''}at {self.time_s:.1f} s"


@dataclass(frozen=True)
class Brake:
    """One braking: from when to when, and its hardest deceleration, m/s2."""

    start_s: float
    end_s: float
    hardest_mps2: float


@dataclass(frozen=True, eq=False)
class DriveLog:
    """T steps of a drive as they truly were.

    time_s (T,) ascending; pose (T, 3): x, y, yaw of base_link, odom; speed_mps, acceleration_mps2 (T,) of the ego;
    min_ttc_s (T,): until the ego, at its speed along its way, touches something before it that goes on as it does, inf
    = nothing within 6 s; reason (T,) bool: something true to brake for: a body in the braking corridor or met within
    3 s, or a line at which the ego has to stop; detected: names of the scripted actors that perception reports, None =
    without perception; contacts: one for each actor that was touched.
    """

    time_s: F64
    pose: F64
    speed_mps: F64
    acceleration_mps2: F64
    min_ttc_s: F64
    reason: npt.NDArray[np.bool_]
    detected: tuple[tuple[str, ...] | None, ...]
    contacts: tuple[Contact, ...]

    def __post_init__(self) -> None:
        n = len(self.time_s)
        check_shape("DriveLog", "pose", self.pose, n, 3)
        for name in ("speed_mps", "acceleration_mps2", "min_ttc_s", "reason"):
            check_shape("DriveLog", name, getattr(self, name), n)
        if len(self.detected) != n:
            raise InputError(f"DriveLog: detected: wanted {n} steps, got {len(self.detected)}")
        if not (np.diff(self.time_s) > 0).all():
            raise InputError("DriveLog: time_s: wanted ascending times")

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def hard_brakes(self) -> tuple[Brake, ...]:
        """Brakings harder than 4 m/s2."""
        return tuple(self._brakes(HARD_BRAKE_MPS2))

    @property
    def false_brakes(self) -> tuple[Brake, ...]:
        """Brakings harder than 2.5 m/s2 without a reason while they last and in the second before."""
        return tuple(b for b in self._brakes(FALSE_BRAKE_MPS2) if not self._explained(b))

    def _brakes(self, harder_mps2: float) -> Iterator[Brake]:
        steps = np.flatnonzero(self.acceleration_mps2 < -harder_mps2)
        parts = np.split(steps, np.flatnonzero(np.diff(self.time_s[steps]) > _PAUSE_S) + 1)
        for part in parts if len(steps) else ():
            hardest = float(-self.acceleration_mps2[part].min())
            yield Brake(float(self.time_s[part[0]]), float(self.time_s[part[-1]]), hardest)

    def _explained(self, brake: Brake) -> bool:
        during = (self.time_s >= brake.start_s - _REACTION_S) & (self.time_s <= brake.end_s)
        return bool(self.reason[during].any())

    @property
    def travelled_m(self) -> float:
        """Way of the ego over all steps."""
        return float(np.hypot(*np.diff(self.pose[:, :2], axis=0).T).sum())

    @property
    def halted(self) -> bool:
        """The ego came to a halt after it had been under way."""
        under_way = np.maximum.accumulate(self.speed_mps > _UNDER_WAY_MPS)
        return bool((under_way & (self.speed_mps < _STILL_MPS)).any())

    @property
    def perceived(self) -> frozenset[str] | None:
        """Scripted actors that perception reported at some time; None = there was no perception."""
        steps = [names for names in self.detected if names is not None]
        return frozenset().union(*steps) if steps else None


@dataclass(frozen=True)
class Verdict:
    """The figures of a drive, in the words of `MustHold`; seen None: without perception."""

    collisions: int
    min_ttc_s: float
    hard_brakes: int
    false_brakes: int
    ego_travels_m: float
    ego_stops: bool
    seen: frozenset[str] | None

    @classmethod
    def of(cls, log: DriveLog) -> Verdict:
        """Of a log. Raises InputError for one without steps."""
        if not len(log):
            raise InputError("Verdict: the drive has no steps")
        return cls(
            len(log.contacts), float(log.min_ttc_s.min()), len(log.hard_brakes), len(log.false_brakes),
            log.travelled_m, log.halted, log.perceived,
        )  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that must hold: the field of `MustHold`, whether it does, what was wanted and what was seen."""

    field: str
    passed: bool
    wanted: str
    seen: str

    def __str__(self) -> str:
        return f"{'pass' if self.passed else 'FAIL'} {self.field}: wanted {self.wanted}, seen {self.seen}"


def judge(scenario: Scenario, log: DriveLog) -> tuple[Finding, ...]:
    """One finding for each thing that the scenario asks for.

    What it does not ask for gives none; nor does `seen` where there was no perception. Raises InputError for a log
    without steps.
    """
    return tuple(_findings(scenario.must_hold, Verdict.of(log), log))


def _findings(must: MustHold, was: Verdict, log: DriveLog) -> Iterator[Finding]:
    if must.collisions is not None:
        with_whom = _listed(str(c) for c in log.contacts)
        yield _at_most("collisions", must.collisions, was.collisions, with_whom)
    if must.min_ttc_s is not None:
        when = f" at {log.time_s[int(np.argmin(log.min_ttc_s))]:.1f} s" if np.isfinite(was.min_ttc_s) else ""
        yield _at_least("min_ttc_s", must.min_ttc_s, was.min_ttc_s, "s", when)
    if must.hard_brakes is not None:
        yield _at_most("hard_brakes", must.hard_brakes, was.hard_brakes, _when(log.hard_brakes))
    if must.false_brakes is not None:
        yield _at_most("false_brakes", must.false_brakes, was.false_brakes, _when(log.false_brakes))
    if must.ego_travels_m is not None:
        yield _at_least("ego_travels_m", must.ego_travels_m, was.ego_travels_m, "m")
    if must.ego_stops is not None:
        words = {True: "a halt", False: "no halt"}
        yield Finding(
            "ego_stops", was.ego_stops == must.ego_stops, words[must.ego_stops], words[was.ego_stops]
        )
    if must.seen and was.seen is not None:
        found = [name for name in must.seen if name in was.seen]
        yield Finding("seen", len(found) == len(must.seen), ", ".join(must.seen), ", ".join(found) or "none")


def _at_most(field: str, most: int, was: int, details: str) -> Finding:
    return Finding(field, was <= most, f"at most {most}", f"{was}{details}")


def _at_least(field: str, least: float, was: float, unit: str, details: str = "") -> Finding:
    return Finding(field, was >= least, f"at least {least:g} {unit}", f"{was:.2f} {unit}{details}")


def _when(brakes: Iterable[Brake]) -> str:
    return _listed(f"{b.hardest_mps2:.1f} m/s2 at {b.start_s:.1f} s" for b in brakes)


def _listed(parts: Iterable[str]) -> str:
    text = ", ".join(parts)
    return f" ({text})" if text else ""


class Recorder:
    """Takes down a drive, one call after each step of the traffic; a further one before the first step is welcome."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, ...]] = []
        self._reason: list[bool] = []
        self._detected: list[tuple[str, ...] | None] = []
        self._contacts: dict[int, Contact] = {}

    def step(self, traffic: Traffic, ego: EgoState, detected_ids: Collection[int] | None) -> None:
        """Where everybody is now. detected_ids: of the actors that perception reports now; None: there is none.

        Raises InputError if the time is not later than at the last call, or the ego is not where the traffic has it.
        """
        time_s = traffic.time_s
        if self._rows and time_s <= self._rows[-1][0]:
            raise InputError(f"Recorder: {time_s} s: wanted a time after {self._rows[-1][0]} s")
        away = float(np.hypot(*(np.subtract(ego.pose[:2], traffic.ego.pose[:2]))))
        if not away < 0.05:
            raise InputError(f"Recorder: the ego is {away:.2f} m from where the traffic has it")
        outlook = traffic.outlook(REASON_BESIDE_M, FALSE_BRAKE_MPS2)
        self._reason.append(
            outlook.corridor or outlook.wide_ttc_s < REASON_TTC_S or outlook.stop_m < outlook.braking_m
        )
        x, y, _, yaw, _, _ = ego.pose
        self._rows.append((time_s, x, y, yaw, ego.speed_mps, ego.acceleration_mps2, outlook.ttc_s))
        named = {number: name for name, number in traffic.names.items()}
        if detected_ids is None:
            self._detected.append(None)
        else:
            self._detected.append(tuple(sorted(named[i] for i in detected_ids if i in named)))
        for one, other in traffic.contacts():
            if one == 0:
                if other in self._contacts:
                    continue
                struck = traffic.ran_into_ego(other)
                self._contacts[other] = Contact(time_s, other, named.get(other, ""), ego.speed_mps, struck)

    def log(self) -> DriveLog:
        """All steps so far."""
        columns = np.array(self._rows, np.float64).reshape(-1, 7)
        return DriveLog(
            columns[:, 0], columns[:, 1:4], columns[:, 4], columns[:, 5], columns[:, 6],
            np.array(self._reason, bool), tuple(self._detected), tuple(self._contacts.values()),
        )  # fmt: skip
