"""What can be asked of a street, and the parts of drawing one that all kinds share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError

from .drawing import Surroundings, plan_of
from .markings import Style
from .network import Network
from .plan import SETTINGS, Plan, Relief
from .profile import Place, Profile

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Options:
    """What can be asked of every kind; None = drawn from the generator or as usual for the kind.

    slope: largest of the terrain (0.06 = 6 %); wear: share of the paint that is gone; length_m of a road or of an arm;
    lanes in each direction; parking on both sides; lane_m: width of a lane; setting: town, suburb, open or none;
    overgrown: how much grows and lies about off the pavements, as usual nothing; wooded: share of the roads' sides that
    woods, banks and hedges line, as usual none.
    """

    slope: float | None = None
    wear: float | None = None
    kerb_m: float | None = None
    length_m: float | None = None
    lanes: int | None = None
    parking: bool | None = None
    bicycle: bool | None = None
    median_m: float | None = None
    lane_m: float | None = None
    setting: str | None = None
    blocks: int | None = None
    radius_m: float | None = None
    overgrown: float | None = None
    wooded: float | None = None


_LIMITS: Final[dict[str, tuple[float, float]]] = {
    "slope": (0.0, 0.06),
    "wear": (0.0, 1.0),
    "kerb_m": (0.0, 0.2),
    "length_m": (60.0, 1500.0),
    "lanes": (1, 4),
    "median_m": (0.0, 12.0),
    "lane_m": (2.5, 4.0),
    "blocks": (1, 5),
    "radius_m": (25.0, 1000.0),
    "overgrown": (0.0, 1.0),
    "wooded": (0.0, 1.0),
}


def checked_options(kind: str, options: Mapping[str, Any]) -> Options:
    """Options of a world as values; see `build_world`."""
    known = [f.name for f in fields(Options)]
    for name, value in options.items():
        where = f"world {kind}: {name}"
        if name not in known:
            raise ConfigurationError(f"{where}: no such option: wanted one of {known}")
        if name in ("parking", "bicycle"):
            if not isinstance(value, bool):
                raise ConfigurationError(f"{where}: wanted true or false, got {value!r}")
        elif name == "setting":
            if value not in SETTINGS:
                raise ConfigurationError(f"{where}: wanted one of {SETTINGS}, got {value!r}")
        else:
            low, high = _LIMITS[name]
            whole = name in ("lanes", "blocks")
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not low <= value <= high or (whole and value != int(value)):
                raise ConfigurationError(
                    f"{where}: wanted a{' whole' * whole} number {low} to {high}, got {value!r}"
                )
    return Options(**options)


def either(value: Any, usual: Any) -> Any:
    """What was asked for, else what is usual."""
    return usual if value is None else value


def relief_of(
    o: Options, rng: np.random.Generator, crown: float = 0.02, kerb_m: float | None = None
) -> Relief:
    """Of the ground: as asked for, else drawn."""
    drawn = float(rng.uniform(0.0, 0.045)), float(rng.uniform(0.10, 0.15))
    kerb = either(o.kerb_m, drawn[1] if kerb_m is None else kerb_m)
    return Relief(kerb, either(o.slope, drawn[0]), crown)


def style_of(o: Options, rng: np.random.Generator) -> Style:
    """Of the paint: as asked for, else drawn."""
    return Style(
        either(o.wear, float(rng.choice([0.02, 0.1, 0.25, 0.45]))), yellow_centre=bool(rng.random() < 0.3)
    )


def profile_of(o: Options, rng: np.random.Generator, **usual: Any) -> Profile:
    """A town road as asked for, with the rest drawn."""
    lanes = either(o.lanes, 1)
    park = bool(rng.random() < 0.6), bool(rng.random() < 0.6)
    values: dict[str, Any] = {
        "forward": lanes,
        "backward": lanes,
        "lane_m": either(o.lane_m, float(rng.uniform(3.1, 3.6))),
        "parking": park if o.parking is None else (o.parking, o.parking),
        "bicycle": either(o.bicycle, bool(rng.random() < 0.3)),
        "median_m": either(o.median_m, 0.0),
        "pavement_m": float(rng.uniform(2.4, 4.0)),
    }
    return Profile(**{**values, **usual})


def open_end(xy: F64) -> Place:
    """Where the world ends."""
    return Place(float(xy[0]), float(xy[1]), "open")


def ego_start(net: Network, road: int, s_m: float) -> tuple[int, float]:
    """On the rightmost driving lane of a road."""
    slots = net.roads[road].profile.slots
    own = [
        i for i, slot in zip(net.of_road[road], slots, strict=True) if slot.kind == "driving" and slot.forward
    ]
    return own[-1], float(np.clip(s_m, 2.0, net.lanes[own[-1]].length_m - 2.0))


def finished(
    name: str,
    o: Options,
    net: Network,
    rng: np.random.Generator,
    ego: tuple[int, float],
    setting: str = "town",
) -> Plan:
    """The plan of a network with town-like surroundings."""
    return plan_of(name, net, relief_of(o, rng), Surroundings(setting=either(o.setting, setting)), rng, ego)
