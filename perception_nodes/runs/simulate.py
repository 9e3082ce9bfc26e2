"""`perception simulate`: from what a person types to a simulation, and what is done with it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from perception_nodes.datasets import find_rig
from perception_nodes.datatypes import ConfigurationError, PerceptionError, Rig
from perception_nodes.detection.learned_choice import GEOMETRIC, check_choice
from perception_nodes.simulation.faults import Fault
from perception_nodes.simulation.scenarios import Scenario, WeatherEffect, find_scenario, scenario_names
from perception_nodes.simulation.weather import KINDS

from .progress import RunProgress
from .yaml_lines import rig_lines, scenario_lines

if TYPE_CHECKING:
    from perception_nodes.datasets import BagInfo
    from perception_nodes.simulation.simulation import Simulation

MAX_SEED: Final = 2**63 - 1
DURATION_S: Final = (0.5, 3600.0)
_REFUSAL: Final = re.compile(
    r"node \w+ cannot be configured: (?P<copy>\S*/scenario\.yaml: )?(?P<words>.*) \(log: .*\)", re.DOTALL
)


@dataclass(frozen=True)
class SimulateOptions:
    """What `perception simulate` asks for; see its --help for the meaning.

    weather: KIND:SEVERITY, or clear; faults: SENSOR:KIND[:START[:DURATION]][:KEY=VALUE...]; sensors: empty = all.
    """

    scenario: str
    rig: str = "default"
    seed: int = 1
    duration_s: float | None = None
    sensors: tuple[str, ...] = ()
    weather: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= MAX_SEED:
            raise ConfigurationError(f"--seed {self.seed}: wanted a whole number from 0 to {MAX_SEED}")
        low, high = DURATION_S
        if self.duration_s is not None and not low <= self.duration_s <= high:
            raise ConfigurationError(f"--duration {self.duration_s}: wanted {low:g} to {high:g} s")


def chosen_scenario(options: SimulateOptions) -> Scenario:
    """The scenario with the duration, weather and faults of the command line."""
    scenario = find_scenario(options.scenario)
    if options.duration_s is not None:
        scenario = replace(scenario, duration_s=options.duration_s)
    weather = scenario.weather
    for text in options.weather:
        weather = () if text == "clear" else (*weather, weather_effect(text))
    faults = (*scenario.faults, *(fault(text) for text in options.faults))
    return replace(scenario, weather=weather, faults=faults)


def weather_effect(text: str) -> WeatherEffect:
    """`rain:3` or `rain`; raises ConfigurationError for another kind or severity."""
    kind, _, number = text.partition(":")
    severity = int(number) if number.isdecimal() else 0 if number else 3
    if kind not in KINDS or not 1 <= severity <= 5:
        raise ConfigurationError(
            f"--weather {text}: wanted KIND:SEVERITY with 1 to 5, KIND one of {list(KINDS)}, or clear"
        )
    return WeatherEffect(kind, severity)  # type: ignore[arg-type]  # checked above


def fault(text: str) -> Fault:
    """`top:off:5:2` or `top:slow:every=4`; raises ConfigurationError naming what is wrong in it."""
    where = f"--fault {text}"
    plain = [p for p in text.split(":") if "=" not in p]
    if not 2 <= len(plain) <= 4:
        raise ConfigurationError(
            f"{where}: wanted SENSOR:KIND[:START[:DURATION]][:KEY=VALUE], as top:off:5:2"
        )
    data: dict[str, Any] = {"sensor": plain[0], "kind": plain[1]}
    data |= dict(zip(("start_s", "duration_s"), plain[2:], strict=False))
    for key, value in (p.split("=", 1) for p in text.split(":") if "=" in p):
        if key in data:
            raise ConfigurationError(f"{where}: {key} is given twice")
        data[key] = value
    for key in set(data) - {"sensor", "kind"}:
        try:
            data[key] = int(data[key]) if key == "every" else float(data[key])
        except ValueError:
            raise ConfigurationError(f"{where}: {key}: wanted a number, got {data[key]!r}") from None
    return Fault.from_dict(data, where)


def open_simulation(options: SimulateOptions) -> Simulation:
    """The drive that the options ask for.

    Raises ConfigurationError naming file, line and field of a scenario or rig that cannot be had.
    """
    # Late: its kernels take seconds to load, and embreex may be absent, which it says.
    from perception_nodes.simulation.simulation import Simulation

    scenario = chosen_scenario(options)
    with rig_lines(options.rig):
        rig = find_rig(options.rig)
    sensors = chosen_sensors(rig, options.sensors)
    check_faults(options.faults, rig, sensors)
    with rig_lines(options.rig), scenario_lines(options.scenario, scenario.world.osm):
        return Simulation(scenario, rig, options.seed, sensors=sensors, threads=0)


def chosen_sensors(rig: Rig, names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Checked names, None = all."""
    known = [*(s.name for s in rig.sensors), "inertial"]
    if unknown := [n for n in names if n not in known]:
        raise ConfigurationError(f"--sensors {unknown[0] or '(no name)'}: rig {rig.name!r} has {known}")
    return names or None


def check_faults(texts: tuple[str, ...], rig: Rig, sensors: tuple[str, ...] | None) -> None:
    """Raises ConfigurationError if an option breaks a sensor that is not simulated."""
    known = [*(s.name for s in rig.sensors), "inertial"] if sensors is None else list(sensors)
    for text in texts:
        if fault(text).sensor not in known:
            raise ConfigurationError(f"--fault {text}: sensor {fault(text).sensor!r}: wanted one of {known}")


def make_folder(folder: Path, option: str) -> None:
    """Raises ConfigurationError if there cannot be such a folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{option}: cannot make the folder {folder}: {error.strerror}") from error


def record(
    options: SimulateOptions,
    output: Path,
    console: Console,
    *,
    force: bool = False,
    truth_images: bool = False,
) -> BagInfo:
    """Write the drive as a bag, with a bar, and say what was written and how fast."""
    from .sim_bag import simulate_to_bag

    if output.suffix != ".mcap":
        raise ConfigurationError(f"--output {output}: wanted a name that ends in .mcap")
    if output.is_dir() or (output.exists() and not force):
        raise ConfigurationError(f"--output {output} exists: give another name, or --force")
    simulation = open_simulation(options)
    make_folder(output.parent, f"--output {output}")
    told = _HeldUp(simulation, console)
    with RunProgress(console) as bar:
        bar.stage(f"simulating {simulation.scenario.name}, seed {options.seed}")
        begin = time.perf_counter()

        def tell(done: int, total: int) -> None:
            told.tell(0.1 * done)
            rate = done / max(time.perf_counter() - begin, 1e-9)
            bar.update(done, total, f"{done} of {total} frames, {rate:.1f} frames/s")

        info = simulate_to_bag(simulation, output, tell, truth_images=truth_images)
        took_s = time.perf_counter() - begin
    _tell_topics(console, info)
    frames, drive_s = len(simulation), len(simulation) * 0.1
    console.print(
        f"{frames} frames in {took_s:.1f} s: {frames / took_s:.1f} frames/s, {drive_s / took_s:.2f} of real time",
        highlight=False,
    )
    return info


class _HeldUp:
    """Says once, each time, that the ego of a drive no longer gets on."""

    def __init__(self, simulation: Simulation, console: Console) -> None:
        self._traffic, self._console, self._said = simulation.traffic, console, False

    def tell(self, time_s: float) -> None:
        """After a step."""
        if (text := self._traffic.held_up) and not self._said:
            self._console.print(f"[yellow]{time_s:.1f} s: {text}[/yellow]", highlight=False)
        self._said = bool(text)


def _tell_topics(console: Console, info: BagInfo) -> None:
    for topic in info.topics:
        console.print(
            f"  {topic.count:6} {topic.name}  [dim]{topic.typename}[/dim]", highlight=False, soft_wrap=True
        )
    size_mb = info.path.stat().st_size * 1e-6
    console.print(
        f"{info.path}: {info.count} messages, {info.duration_s:.2f} s, {size_mb:.1f} MB", highlight=False
    )


def list_scenarios(console: Console) -> None:
    """A table of the scenarios that come with the package."""
    table = Table("scenario", "purpose", "what must hold", box=None, pad_edge=False)
    for name in scenario_names():
        scenario = find_scenario(name)
        table.add_row(f"[b]{name}[/b]", scenario.purpose, scenario.must)
    console.print(table)


def make_gallery(names: tuple[str, ...], options: SimulateOptions, folder: Path, console: Console) -> Path:
    """Write the gallery page of some scenarios (none named: all)."""
    from .gallery import gallery

    if options.faults:
        raise ConfigurationError(
            "--fault: not with --gallery, which shows what sensors measure before it is spoiled"
        )
    wanted = names or scenario_names()
    scenarios = [chosen_scenario(replace(options, scenario=name)) for name in wanted]
    make_folder(folder, f"--gallery {folder}")
    with rig_lines(options.rig):
        rig = find_rig(options.rig)
        sensors = chosen_sensors(rig, options.sensors)
        page = gallery(folder, scenarios, rig, options.seed, console, sensors)
    console.print(f"{page}: {len(scenarios)} scenarios", highlight=False)
    return page


def drive_loop(
    options: SimulateOptions, out: Path, console: Console, *, online: bool, lidar_model: str = GEOMETRIC
) -> bool:
    """Simulator, perception and planner in a closed loop; whether all held that the scenario asks for."""
    from .loop import run_loop
    from .loop_drive import lidar_rig

    scenario = chosen_scenario(options)
    with rig_lines(options.rig):
        rig = find_rig(options.rig)
    rig = lidar_rig(rig, chosen_sensors(rig, options.sensors))
    check_faults(options.faults, rig, None)
    make_folder(out, f"--output {out}")
    with rig_lines(options.rig), scenario_lines(options.scenario, scenario.world.osm), _refusals(scenario):
        result = run_loop(
            scenario, rig, options.seed, out, console=console, online=online, lidar_model=lidar_model
        )  # fmt: skip
    console.print(f"{out}: summary.json, drive.json (every step)", highlight=False)
    return result.passed


def drive_live(options: SimulateOptions, console: Console) -> None:
    """The drive on ROS topics in real time, until it ends or Ctrl-C."""
    from .live import run_live

    scenario = chosen_scenario(options)
    with rig_lines(options.rig):
        rig = find_rig(options.rig)
    sensors = chosen_sensors(rig, options.sensors)
    check_faults(options.faults, rig, sensors)
    with rig_lines(options.rig), scenario_lines(options.scenario, scenario.world.osm), _refusals(scenario):
        run_live(scenario, rig, options.seed, sensors, console)


@contextmanager
def _refusals(scenario: Scenario) -> Iterator[None]:
    """Raises what a node refused in its copy of a scenario as an error about the scenario itself."""
    try:
        yield
    except PerceptionError as error:
        if (said := _REFUSAL.fullmatch(str(error))) is None:
            raise
        where = f"{scenario.file}: " if said["copy"] else ""
        raise ConfigurationError(where + said["words"]) from error


@dataclass(frozen=True)
class Targets:
    """What is to be made of the drives: at most one of a bag, a page, a closed loop, a list; nothing given = live.

    output: the bag, or the folder of the loop; offline: the loop without nodes; lidar_model: of the loop, empty =
    geometric.
    """

    scenarios: tuple[str, ...] = ()
    output: Path | None = None
    force: bool = False
    truth_images: bool = False
    gallery: Path | None = None
    loop: bool = False
    offline: bool = False
    lidar_model: str = ""
    list: bool = False
    bench: bool = False

    def __post_init__(self) -> None:
        given = {
            "--output": self.output is not None and not self.loop,
            "--gallery": self.gallery is not None,
            "--loop": self.loop,
            "--list": self.list,
            "--bench": self.bench,
        }
        named = [name for name, is_given in given.items() if is_given]
        if len(named) > 1:
            raise ConfigurationError(f"{' and '.join(named)}: wanted one of them at a time")
        if self.truth_images and (self.output is None or self.loop):
            raise ConfigurationError("--truth-images: only with --output BAG")
        if self.offline and not self.loop:
            raise ConfigurationError("--offline: only with --loop")
        if self.lidar_model:
            if not self.loop:
                raise ConfigurationError("--lidar-model: only with --loop, nothing else of it perceives")
            check_choice(self.lidar_model, "--lidar-model")
        if named not in (["--list"], ["--gallery"], ["--bench"]) and len(self.scenarios) != 1:
            got = f"got {len(self.scenarios)}: {', '.join(self.scenarios)}" if self.scenarios else "got none"
            raise ConfigurationError(f"SCENARIO: wanted one name or file, {got} (--list shows the names)")


def carry_out(options: SimulateOptions, targets: Targets, console: Console) -> bool:
    """The command; False if a closed loop did not hold what it must."""
    if targets.list:
        list_scenarios(console)
    elif targets.bench:
        bench(options, console)
    elif targets.gallery is not None:
        make_gallery(targets.scenarios, options, targets.gallery, console)
    else:
        options = replace(options, scenario=targets.scenarios[0])
        if targets.loop:
            out = targets.output or Path("perception_loop")
            model = targets.lidar_model or GEOMETRIC
            return drive_loop(options, out, console, online=not targets.offline, lidar_model=model)
        if targets.output is None:
            drive_live(options, console)
        else:
            record(options, targets.output, console, force=targets.force, truth_images=targets.truth_images)
    return True


def bench(options: SimulateOptions, console: Console) -> None:
    """How fast it is here."""
    from .sim_bench import show_speeds

    with rig_lines(options.rig):
        show_speeds(find_rig(options.rig), console)
