"""How much of its AP a detector keeps in bad weather and with a broken lidar: severities 1 to 5 of each, same streets.

Weather changes what the lidar measures of the very same moment, with the same noise. Faults change what is sent when:
the detector works on the newest sweep that has come, and is judged by where everything is now.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from perception_nodes.datasets.rigs import mount
from perception_nodes.datatypes import UNKNOWN, Detections3D, Modality, PointCloud, Rig
from perception_nodes.detection.learned import LearnedLidarDetector
from perception_nodes.detection.learned_config import LearnedConfig, RuntimeConfig
from perception_nodes.evaluation import BoxFrame
from perception_nodes.geometry import Transform, merge_clouds, transform_detections
from perception_nodes.simulation.faults import Emission, Fault, FaultKind, FaultSchedule
from perception_nodes.simulation.iterator import Drives, random_drive
from perception_nodes.simulation.scenarios import WeatherEffect
from perception_nodes.simulation.simulation import STEP_S, SimFrame, Simulation
from perception_nodes.simulation.weather import Weather

from .frames import compensated_rig, points_config
from .real import Detector, geometric
from .score import ClassScore, score_frames
from .score_real import boxes_of
from .simulate import WEATHER_SEED

CLEAN: Final = "clean"
# Weather that a lidar notices.
WEATHER: Final = ("rain", "snow", "fog", "dust", "wet", "dirt", "blocked")
# By severity 1 to 5: angle by which the mount has shifted; how late sweeps come; every how many-th comes; share of the
# sweeps that is lost; share that is garbage. A lidar that is off or stuck for good gives nothing to be scored.
TURN_RAD: Final = (0.01, 0.02, 0.05, 0.1, 0.2)
DELAY_S: Final = (0.1, 0.2, 0.3, 0.5, 0.8)
EVERY: Final = (2, 3, 4, 6, 10)
LOSS: Final = (0.1, 0.2, 0.35, 0.5, 0.8)
GARBAGE: Final = (0.1, 0.2, 0.35, 0.5, 0.8)
FAULTS: Final = ("wrong", "delayed", "slow", "intermittent", "garbage")
SEVERITIES: Final = (1, 2, 3, 4, 5)
# A sweep older than this is no longer held for the present.
_STALE_S: Final = 1.0
Scores = dict[str, dict[str, ClassScore]]


@dataclass(frozen=True)
class Suite:
    """streets that serve nothing else, frames of each, steps of 0.1 s between them (about)."""

    streets: int = 6
    frames: int = 4
    stride: int = 12


@dataclass(frozen=True, eq=False)
class _Seen:
    """A sweep in the lidar's frame, and where the vehicle was then."""

    cloud: PointCloud
    odom_from_base: Transform


def faults(kind: str, severity: int, lidar: str, steps: int, rng: np.random.Generator) -> list[Fault]:
    """The faults of a kind and a severity over a drive of `steps` steps."""
    s = severity - 1
    match kind:
        case "wrong":
            return [Fault(lidar, FaultKind.WRONG, turn_rad=TURN_RAD[s])]
        case "delayed":
            return [Fault(lidar, FaultKind.DELAYED, delay_s=DELAY_S[s])]
        case "slow":
            return [Fault(lidar, FaultKind.SLOW, every=EVERY[s])]
        case "intermittent":
            return [Fault(lidar, FaultKind.INTERMITTENT, loss_probability=LOSS[s])]
        case _:
            hit = np.flatnonzero(rng.random(steps + 1) < GARBAGE[s])
            begin = (hit - 0.5) * STEP_S
            return [Fault(lidar, FaultKind.GARBAGE, max(float(t), 0.0), STEP_S) for t in begin]


def conditions() -> list[tuple[str, int]]:
    """(name, severity) of the clean drive and of all others."""
    return [(CLEAN, 0), *((name, s) for name in (*WEATHER, *FAULTS) for s in SEVERITIES)]


def robustness(
    detectors: Mapping[str, Detector], rig: Rig, suite: Suite, tick: Callable[[], None] = lambda: None
) -> dict[str, Scores]:
    """By detector, by condition (`rain 3`): scores by class. `tick` is called after each frame of all conditions."""
    rig = compensated_rig(rig)
    found: dict[str, dict[str, list[BoxFrame]]] = {d: {_name(c): [] for c in conditions()} for d in detectors}
    truth: list[BoxFrame] = []
    for street in range(suite.streets):
        for true, seen, pose in _street(rig, WEATHER_SEED + street, suite):
            number = len(truth)
            truth.append(_frame(true, number, scored=False))
            for name, detector in detectors.items():
                known: dict[int, Detections3D] = {}
                for condition, one in seen.items():
                    boxes = _detect(detector, one, pose, rig, known)
                    found[name][condition].append(_frame(boxes, number, scored=True))
            tick()
    return {d: {c: score_frames(truth, frames) for c, frames in by.items()} for d, by in found.items()}


def _street(
    rig: Rig, seed: int, suite: Suite
) -> Iterator[tuple[Detections3D, dict[str, _Seen | None], Transform]]:
    """Truth in the base frame, what each condition leaves of the sweeps, and the pose, at the frames of one street."""
    lidar = rig.of(Modality.LIDAR)[0]
    steps = (suite.frames + 1) * suite.stride
    # Anywhere in a stretch, or what comes every n-th time would always be met at the same place of its turn.
    scored = {
        k * suite.stride + int(offset)
        for k, offset in enumerate(
            np.random.default_rng([seed, 8]).integers(suite.stride, size=suite.frames), 1
        )
    }
    drives = Drives(frames=suite.frames + 1, stride=suite.stride, weather_share=0.0)
    simulation = Simulation(random_drive(seed, drives), rig, seed, sensors=[lidar.name])
    # The same draws for every severity: what is garbage at one is so at the next.
    schedules = {
        (kind, s): FaultSchedule(
            simulation.start_ns,
            [lidar.name],
            faults(kind, s, lidar.name, steps, np.random.default_rng([seed, 7])),
            seed,
        )
        for kind in FAULTS
        for s in SEVERITIES
    }
    newest: dict[tuple[str, int], Emission] = {}
    held: dict[tuple[str, int], list[Emission]] = {key: [] for key in schedules}
    clean: dict[int, _Seen] = {}
    for step in range(1, steps + 1):
        frame = simulation.tick()
        now, cloud = frame.stamp_ns, frame.lidars[lidar.name].cloud
        clean[now] = _Seen(cloud, frame.odom_from_base)
        for key, schedule in schedules.items():
            held[key] += schedule.apply([Emission(lidar.name, now, now, cloud)])
            come = [e for e in held[key] if e.publish_ns <= now]
            if come:
                newest[key] = come[-1]
                held[key] = [e for e in held[key] if e.publish_ns > now]
        if step not in scored:
            continue
        seen: dict[str, _Seen | None] = {CLEAN: clean[now]}
        for kind in WEATHER:
            for s in SEVERITIES:
                other = simulation.sweep_in(Weather.of([WeatherEffect(kind, s)]), lidar.name)
                seen[_name((kind, s))] = _Seen(other.cloud, frame.odom_from_base)
        for key in schedules:
            seen[_name(key)] = _present(newest.get(key), now, clean)
        yield _truth(frame, rig), seen, frame.odom_from_base


def _present(emission: Emission | None, now_ns: int, clean: Mapping[int, _Seen]) -> _Seen | None:
    """The newest sweep that has come, None where it is too old."""
    if emission is None or now_ns - emission.stamp_ns > _STALE_S * 1e9:
        return None
    whole = clean[emission.stamp_ns]
    return whole if emission.value is whole.cloud else _Seen(emission.value, whole.odom_from_base)


def _truth(frame: SimFrame, rig: Rig) -> Detections3D:
    return transform_detections(frame.truth, rig.base_frame, frame.odom_from_base.inverse())


def _detect(
    detector: Detector, seen: _Seen | None, now: Transform, rig: Rig, known: dict[int, Detections3D]
) -> Detections3D:
    """Boxes in the base frame of now; what several conditions show is looked at once."""
    if seen is None:
        return Detections3D.empty(0, rig.base_frame, "lidar")
    if id(seen) not in known:
        pose = mount(rig.of(Modality.LIDAR)[0])
        cloud, origins = merge_clouds([(seen.cloud, pose)], seen.cloud.stamp_ns, rig.base_frame)
        boxes = detector(cloud, origins)
        known[id(seen)] = transform_detections(boxes, rig.base_frame, now.inverse() @ seen.odom_from_base)
    return known[id(seen)]


def _frame(boxes: Detections3D, number: int, scored: bool) -> BoxFrame:
    boxes = boxes.select(np.flatnonzero(boxes.label != UNKNOWN))
    n = len(boxes)
    return BoxFrame(
        number, np.arange(n), boxes.label.astype(np.int64), boxes.score if scored else np.full(n, np.nan),
        boxes.center_m, boxes.lwh_m, boxes.yaw_rad, boxes.velocity_mps,
        np.full(n, -1) if scored else boxes.num_points.astype(np.int64), np.zeros(2),
    )  # fmt: skip


def _name(condition: tuple[str, int]) -> str:
    kind, severity = condition
    return f"{kind} {severity}" if severity else kind


def table(scores: Mapping[str, Scores], label: str) -> list[str]:
    """A table in Markdown: AP of one class by severity and, in brackets, relative to clean."""
    clean = {d: by[CLEAN][label] for d, by in scores.items() if label in by[CLEAN]}
    if not clean:
        return []
    objects = next(iter(clean.values())).objects
    head = ", ".join(f"{d} {one.ap:.3f}" for d, one in clean.items())
    lines = [
        f"{label}, {objects} objects; clean: {head}",
        "",
        "| what | detector | 1 | 2 | 3 | 4 | 5 |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in (*WEATHER, *FAULTS):
        for d, one in clean.items():
            aps = [scores[d][_name((kind, s))][label].ap for s in SEVERITIES]
            cells = [f"{ap:.2f} ({100 * ap / max(one.ap, 1e-9):.0f} %)" for ap in aps]
            lines.append(f"| {kind} | {d} | {' | '.join(cells)} |")
    return [*lines, ""]


def robustness_and_tell(
    model: Path, rig: Rig, suite: Suite, output: Path, console: Console
) -> dict[str, Scores]:
    """Both detectors through all conditions; writes `robustness.json` and `robustness.md` into `output`."""
    points = points_config(rig)
    config = LearnedConfig(points, runtime=RuntimeConfig(probe_runs=2))
    learned = LearnedLidarDetector(model, config)
    console.print(learned.model.describe(), highlight=False)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(
            f"frames, {len(conditions())} conditions each", total=suite.streets * suite.frames
        )
        detectors = {"learned": boxes_of(learned), "geometric": geometric(points)}
        scores = robustness(detectors, rig, suite, lambda: progress.advance(task))
    lines = [line for label in ("car", "pedestrian") for line in table(scores, label)]
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
    output.mkdir(parents=True, exist_ok=True)
    (output / "robustness.md").write_text("\n".join(lines) + "\n")
    (output / "robustness.json").write_text(json.dumps(_plain(scores), indent=1))
    return scores


def _plain(scores: Mapping[str, Scores]) -> dict[str, Any]:
    return {d: {c: {n: asdict(s) for n, s in of.items()} for c, of in by.items()} for d, by in scores.items()}
