"""What happens in a drive, written as YAML: world, ego, traffic, scripted actors, weather, faults, what must hold."""

from .library import find_scenario, load_scenario, scenario_names
from .schema import EgoSpec, MustHold, Scenario, ScriptedActor, TrafficSpec, Trigger, WeatherEffect, WorldSpec

__all__ = [
    "EgoSpec",
    "MustHold",
    "Scenario",
    "ScriptedActor",
    "TrafficSpec",
    "Trigger",
    "WeatherEffect",
    "WorldSpec",
    "find_scenario",
    "load_scenario",
    "scenario_names",
]
