"""One page with pictures of scenarios: every camera and the sweep at three times, and one scenario in all weathers."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console

from perception_nodes.datatypes import LABELS, Rig, SensorSpec
from perception_nodes.geometry import Transform, corners_3d, deskew, transform_detections
from perception_nodes.reporting import write_gallery
from perception_nodes.simulation.scenarios import MustHold, Scenario, WeatherEffect
from perception_nodes.simulation.simulation import STEP_S, SimFrame, Simulation

from .gallery_pictures import BOX_BGR, LINE_BGR, MomentView, seen_from_above, seen_from_behind
from .progress import RunProgress
from .yaml_lines import scenario_lines

Json = dict[str, Any]
WHEN: Final = (0.15, 0.5, 0.85)
WEATHER: Final[tuple[tuple[str, int], ...]] = (
    ("clear", 0), ("rain", 3), ("snow", 3), ("fog", 3), ("low_sun", 3), ("night", 3),
)  # fmt: skip
WEATHER_SCENARIO: Final = "straight_traffic"
CAMERA_ORDER: Final = ("front_left", "front", "front_right", "back_left", "back", "back_right")
_LINES_WITHIN_M: Final = 90.0
Open = Callable[[Scenario], Simulation]


def gallery(
    folder: Path,
    scenarios: Sequence[Scenario],
    rig: Rig,
    seed: int,
    console: Console,
    sensors: Sequence[str] | None = None,
) -> Path:
    """Write `index.html` in `folder`; the same arguments give the same page. sensors: of the rig, None = all."""
    folder.mkdir(parents=True, exist_ok=True)

    shown_sensors = [s.name for s in rig.sensors] if sensors is None else sensors

    def opened(scenario: Scenario) -> Simulation:
        # Inertial sensors have nothing to show.
        with scenario_lines(scenario.file, scenario.world.osm):
            return Simulation(scenario, rig, seed, sensors=shown_sensors, threads=0)

    total = len(scenarios) + len(WEATHER)
    with RunProgress(console) as progress:
        progress.stage("rendering scenarios")
        entries = []
        for done, scenario in enumerate(scenarios):
            progress.update(done, total, scenario.name)
            entries.append(_scenario(opened, scenario))
        parts = []
        shown = next((s for s in scenarios if s.name == WEATHER_SCENARIO), scenarios[0])
        for done, part in enumerate(_weather(opened, shown), len(scenarios)):
            progress.update(done, total, f"weather: {part['name']}")
            parts.append(part)
    sky = {"scenario": shown.name, "time_s": _times(shown)[1], "items": parts}
    data = {
        "title": "Simulated scenarios",
        "words": f"rig {rig.name}, seed {seed}; boxes that no lidar pulse met are grey",
        "colours": {name: _hex(bgr) for name, bgr in zip(LABELS, BOX_BGR, strict=True)},
        "lines": {kind.name.lower(): _hex(bgr) for kind, bgr in LINE_BGR.items()},
        "scenarios": entries,
        "weather": sky,
    }
    write_gallery(data, folder / "index.html")
    return folder / "index.html"


def _times(scenario: Scenario) -> list[float]:
    """Ends of the steps that are shown, s."""
    last = int(scenario.duration_s / STEP_S + 1e-9)
    return [max(1, round(share * last)) * STEP_S for share in WHEN]


def _scenario(opened: Open, scenario: Scenario) -> Json:
    simulation = opened(scenario)
    states = simulation.traffic.states(0.0)
    effects = ", ".join(f"{e.kind} {e.severity}" for e in scenario.weather) or "clear"
    world = scenario.world.kind or scenario.world.osm
    words = f"world: {world}; {len(states)} actors; weather: {effects}; {scenario.duration_s:g} s"
    return {
        "name": scenario.name,
        "purpose": scenario.purpose,
        "must": scenario.must,
        "limits": _limits(scenario.must_hold),
        "words": words,
        "moments": [_moment(simulation, time_s) for time_s in _times(scenario)],
    }


def _limits(must: MustHold) -> str:
    kept = {k: v for k, v in asdict(must).items() if v is not None and v != ()}
    return ", ".join(f"{k} {', '.join(v) if isinstance(v, tuple) else v}" for k, v in kept.items())


def _weather(opened: Open, scenario: Scenario) -> Iterator[Json]:
    for kind, severity in WEATHER:
        effects = (WeatherEffect(kind, severity),) if severity else ()  # type: ignore[arg-type]
        simulation = opened(replace(scenario, weather=effects))
        frame, before = moment_at(simulation, _times(scenario)[1])
        view = moment_view(simulation, frame, before)
        front = next(iter(_cameras(frame)), None)
        pictures = [] if front is None else [front]
        pictures += [
            packed("from behind, by instance", seen_from_behind(view)),
            packed("from above, by height", seen_from_above(view, 500, 80.0)),
        ]
        name = f"{kind} {severity}" if severity else kind
        yield {"name": name, "words": _counts(frame), "pictures": pictures}


def _moment(simulation: Simulation, time_s: float) -> Json:
    frame, before = moment_at(simulation, time_s)
    view = moment_view(simulation, frame, before)
    return {
        "time_s": frame.time_s,
        "words": _counts(frame),
        "cameras": sorted(_cameras(frame), key=_place),
        "sweeps": [
            packed("sweep from above, by height, with true boxes, map and radar", seen_from_above(view)),
            packed("sweep from behind, by instance", seen_from_behind(view)),
        ],
    }


def _place(picture: Json) -> int:
    return CAMERA_ORDER.index(picture["name"]) if picture["name"] in CAMERA_ORDER else len(CAMERA_ORDER)


def moment_at(simulation: Simulation, time_s: float) -> tuple[SimFrame, Transform]:
    """The step that ends at a time, and odom_from_base at its beginning."""
    for _ in range(round((time_s - simulation.time_s) / STEP_S) - 1):
        simulation.skip()
    before = simulation.traffic.ego.odom_from_base
    return simulation.tick(), before


def _counts(frame: SimFrame) -> str:
    points = sum(len(s.cloud) for s in frame.lidars.values())
    echoes = sum(len(r.scan.xyz_m) for r in frame.radars.values())
    seen = int((frame.truth.num_points > 0).sum())
    words = (
        f"ego {frame.ego.speed_mps:.1f} m/s; {len(frame.truth)} objects within 120 m, {seen} met by the lidar"
    )
    return f"{words}; {points} points; {echoes} radar detections"


def _cameras(frame: SimFrame) -> Iterator[Json]:
    for name, camera in frame.cameras.items():
        boxes = [
            {
                "x": round(float(x), 1),
                "y": round(float(y), 1),
                "w": round(float(x2 - x), 1),
                "h": round(float(y2 - y), 1),
                "label": LABELS[int(label)],
                "id": int(number),
            }
            for (x, y, x2, y2), label, number in zip(
                camera.boxes.box_px, camera.boxes.label, camera.boxes.detection_id, strict=True
            )
        ]
        yield {**packed(name, camera.image.bgr), "boxes": boxes}


def moment_view(simulation: Simulation, frame: SimFrame, before: Transform) -> MomentView:
    """What the sensors met and what is true, in the base frame at the frame's stamp.

    before: odom_from_base at the beginning of the step; points are moved to where they were at its end.
    """
    rig, mounts = simulation.rig, simulation.mounts
    base_from_odom = frame.odom_from_base.inverse()
    clouds = [(rig.sensor(n), s, mounts[n]) for n, s in frame.lidars.items()]
    xyz = [_at_end(spec, sweep, mount, (before, frame.odom_from_base)) for spec, sweep, mount in clouds]
    none = np.zeros(0, np.float32)
    boxes = transform_detections(frame.truth, rig.base_frame, base_from_odom)
    return MomentView(
        np.concatenate([np.zeros((0, 3), np.float32), *xyz]),
        np.concatenate([np.zeros(0, np.int64), *(s.owner for _, s, _ in clouds)]),
        np.concatenate([none, *(s.cloud.intensity for _, s, _ in clouds if s.cloud.intensity is not None)]),
        corners_3d(boxes.center_m, boxes.lwh_m, boxes.yaw_rad),
        boxes.label,
        boxes.num_points > 0,
        _lines(simulation, base_from_odom),
        *_radar(simulation, frame),
    )


def _at_end(
    spec: SensorSpec, sweep: Any, mount: Transform, ends: tuple[Transform, Transform]
) -> npt.NDArray[np.float32]:
    start, end = (odom_from_base @ mount for odom_from_base in ends)
    cloud = sweep.cloud
    if not spec.motion_compensated:
        cloud = deskew(cloud, end.inverse() @ start, -STEP_S, 0.0)
    return np.asarray(mount.apply(cloud.xyz_m), np.float32)


def _lines(simulation: Simulation, base_from_odom: Transform) -> list[tuple[Any, npt.NDArray[np.float64]]]:
    out = []
    for element in simulation.world.elements:
        points = base_from_odom.apply(element.points_m)
        if np.hypot(points[:, 0], points[:, 1]).min() < _LINES_WITHIN_M:
            out.append((element.type, points))
    return out


def _radar(
    simulation: Simulation, frame: SimFrame
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Positions (R, 3) and radial speeds over ground (R,), base frame."""
    at, speed = [np.zeros((0, 3))], [np.zeros(0)]
    turn = np.array([0.0, 0.0, frame.ego.yaw_rate_rps])
    ahead = np.array([frame.ego.speed_mps, 0.0, 0.0])
    for name, radar in frame.radars.items():
        mount, scan = simulation.mounts[name], radar.scan
        xyz = scan.xyz_m.astype(np.float64)
        towards = mount.rotate(xyz / np.maximum(np.linalg.norm(xyz, axis=1, keepdims=True), 1e-6))
        own = ahead + np.cross(turn, mount.translation_m)
        at.append(mount.apply(xyz))
        speed.append(scan.radial_speed_mps + towards @ own)
    return np.concatenate(at), np.concatenate(speed)


def packed(name: str, bgr: npt.NDArray[np.uint8]) -> Json:
    """A picture as it goes into the page."""
    ok, raw = cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, 88])
    if not ok:
        raise ValueError(f"picture {name}: {bgr.shape} could not be encoded")
    text = base64.b64encode(raw.tobytes()).decode("ascii")
    return {"name": name, "src": f"data:image/webp;base64,{text}", "w": bgr.shape[1], "h": bgr.shape[0]}


def _hex(bgr: tuple[int, int, int]) -> str:
    b, g, r = bgr
    return f"#{r:02x}{g:02x}{b:02x}"
