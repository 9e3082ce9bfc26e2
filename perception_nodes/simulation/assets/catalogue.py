"""A finite stock of assets, so that things of one shape share one mesh."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np

from perception_nodes.datatypes import ConfigurationError

from . import cars, heavy, obstacles, people
from .asset import Asset
from .materials import CAR_PAINT_SHARE, CAR_PAINTS, Material

Make = Callable[[np.random.Generator], Asset]

# Shares of shapes on European and North American roads: registrations by segment (ACEA 2023, EPA Trends 2023), rounded.
_CARS: Final = {"mini": 0.06, "hatchback": 0.18, "compact": 0.2, "sedan": 0.26, "large_sedan": 0.1, "wagon": 0.1,
                "coupe": 0.04, "mpv": 0.03, "minivan": 0.03}  # fmt: skip
_SUVS: Final = {"crossover": 0.45, "suv": 0.4, "large_suv": 0.15}
_VANS: Final = {"small_van": 0.25, "van": 0.45, "high_van": 0.3}
_PICKUPS: Final = {"pickup": 0.6, "large_pickup": 0.4}
_CLOTHES: Final = (Material.CLOTH, Material.CLOTH_DARK, Material.CLOTH_LIGHT)
_LOADS: Final = ("", "", "", "backpack", "bag", "umbrella")
_TRUCK_PAINTS: Final = (Material.CAR_WHITE, Material.CAR_RED, Material.CAR_BLUE, Material.CAR_GREY)
_SHEETS: Final = (Material.TARPAULIN, Material.CAR_WHITE, Material.METAL)
# Any vehicle in traffic: kinds by share.
TRAFFIC: Final = {
    "car": 0.52,
    "suv": 0.24,
    "van": 0.08,
    "pickup": 0.05,
    "truck": 0.06,
    "bus": 0.02,
    "motorcycle": 0.03,
}


class Catalogue:
    """`variants` assets of each kind, drawn once from `seed`; the same seed gives the same stock in any process."""

    def __init__(self, seed: int = 0, variants: int = 24) -> None:
        self._seed, self._variants = seed, variants

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds that can be asked for, in order."""
        return tuple(sorted(_MAKERS))

    def random(self, kind: str, rng: np.random.Generator) -> Asset:
        """One of the stock of a kind; "traffic" stands for any vehicle by its share on the road.

        Raises ConfigurationError naming the kinds that there are.
        """
        if kind == "traffic":
            kind = str(rng.choice(list(TRAFFIC), p=list(TRAFFIC.values())))
        return self.stock(kind)[int(rng.integers(self._variants))]

    def stock(self, kind: str) -> tuple[Asset, ...]:
        """All assets of a kind. Raises ConfigurationError naming the kinds that there are."""
        if kind not in _MAKERS:
            raise ConfigurationError(f"catalogue: kind {kind!r}: wanted one of {list(self.kinds)}")
        return _stock(kind, self._seed, self._variants)


@cache
def _stock(kind: str, seed: int, variants: int) -> tuple[Asset, ...]:
    number = sorted(_MAKERS).index(kind)
    rng = np.random.default_rng([seed, number])
    by_name: dict[str, Asset] = {}
    return tuple(by_name.setdefault(a.name, a) for a in (_MAKERS[kind](rng) for _ in range(variants)))


def _any(of: dict[str, float]) -> Make:
    def make(rng: np.random.Generator) -> Asset:
        shape = str(rng.choice(list(of), p=list(of.values())))
        paint = CAR_PAINTS[int(rng.choice(len(CAR_PAINTS), p=CAR_PAINT_SHARE))]
        scale = np.clip(rng.normal(1.0, [0.03, 0.015, 0.02]), 0.92, 1.08).round(3)
        return cars.car(shape, paint, (float(scale[0]), float(scale[1]), float(scale[2])))

    return make


def _clothes(rng: np.random.Generator) -> tuple[Material, Material]:
    return _CLOTHES[int(rng.integers(3))], _CLOTHES[int(rng.integers(3))]


def _height(rng: np.random.Generator, mean_m: float = 1.71, std_m: float = 0.09) -> float:
    return round(float(np.clip(rng.normal(mean_m, std_m), mean_m - 2.2 * std_m, mean_m + 2.2 * std_m)), 2)


def _pedestrian(rng: np.random.Generator) -> Asset:
    return people.pedestrian(_height(rng), *_clothes(rng), load=_LOADS[int(rng.integers(len(_LOADS)))])


def _box_truck(rng: np.random.Generator) -> Asset:
    length, height = round(float(rng.uniform(5.8, 9.8)), 2), round(float(rng.uniform(2.9, 3.8)), 2)
    return heavy.box_truck(length, height, _pick(rng, _TRUCK_PAINTS), _pick(rng, _SHEETS))


def _truck(rng: np.random.Generator) -> Asset:
    return heavy.tractor(_pick(rng, _TRUCK_PAINTS)) if rng.random() < 0.15 else _box_truck(rng)


def _trailer(rng: np.random.Generator) -> Asset:
    return heavy.car_trailer() if rng.random() < 0.25 else heavy.semi_trailer(_pick(rng, _SHEETS))


def _machine(rng: np.random.Generator) -> Asset:
    return heavy.wheel_loader() if rng.random() < 0.5 else heavy.excavator()


def _barrier(rng: np.random.Generator) -> Asset:
    if rng.random() < 0.5:
        return obstacles.barrier_board(float(rng.choice([1.2, 1.6, 2.4])))
    return obstacles.jersey_barrier(float(rng.choice([2.0, 3.0, 4.0])))


def _motorcycle(rng: np.random.Generator) -> Asset:
    paint = CAR_PAINTS[int(rng.integers(len(CAR_PAINTS)))]
    return people.motorcycle(
        _height(rng, 1.76, 0.07), _clothes(rng)[0], paint, scooter=bool(rng.random() < 0.35)
    )


def _pick(rng: np.random.Generator, of: tuple[Material, ...]) -> Material:
    return of[int(rng.integers(len(of)))]


_MAKERS: Final[dict[str, Make]] = {
    "car": _any(_CARS),
    "suv": _any(_SUVS),
    "van": _any(_VANS),
    "pickup": _any(_PICKUPS),
    "truck": _truck,
    "trailer": _trailer,
    "bus": lambda rng: heavy.bus(float(rng.choice([9.0, 10.5, 12.0])), _pick(rng, _TRUCK_PAINTS)),
    "construction_vehicle": _machine,
    "motorcycle": _motorcycle,
    "bicycle": lambda rng: people.bicycle(_height(rng), *_clothes(rng)),
    "parked_bicycle": lambda rng: people.bicycle(1.7, *_clothes(rng), rider=False),
    "pedestrian": _pedestrian,
    "child": lambda rng: people.pedestrian(_height(rng, 1.22, 0.12), *_clothes(rng)),
    "standing_person": lambda rng: people.standing_person(_height(rng), *_clothes(rng)),
    "pushchair": lambda rng: people.pushchair_walker(_height(rng), *_clothes(rng)),
    "cone": lambda rng: obstacles.cone(float(rng.choice([0.5, 0.75, 1.0]))),
    "barrier": _barrier,
    "bin": lambda _: obstacles.wheelie_bin(),
    "carton": lambda rng: obstacles.carton(float(rng.choice([0.4, 0.6, 0.8]))),
    "trolley": lambda _: obstacles.trolley(),
    "wayside": obstacles.wayside,
}
