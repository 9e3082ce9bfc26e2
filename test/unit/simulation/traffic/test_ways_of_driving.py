"""The ego by route, path, from outside and standing, each for 20 s; and one that cannot get on."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.simulation.assets import Catalogue
from perception_nodes.simulation.scenarios import (
    EgoSpec,
    MustHold,
    Scenario,
    ScriptedActor,
    TrafficSpec,
    WorldSpec,
)
from perception_nodes.simulation.traffic.ego import ExternalEgo
from perception_nodes.simulation.traffic.traffic import Traffic

CATALOGUE = Catalogue()
PATH = ((100.0, 0.0), (60.0, 0.0), (0.0, 20.0), (0.0, 40.0))


def scenario(ego: EgoSpec, *actors: ScriptedActor, vehicles: int = 8, **more: Any) -> Scenario:
    return Scenario(
        "p",
        "m",
        WorldSpec("junction"),
        "made",
        ego=ego,
        actors=actors,
        traffic=TrafficSpec(vehicles=vehicles),
        **more,
    )


def driven(world: Any, plan: Scenario, seed: int = 1) -> tuple[Traffic, np.ndarray]:
    traffic, places = Traffic(world, plan, CATALOGUE, seed), []
    for _ in range(200):
        traffic.step(0.1)
        assert not traffic.contacts()
        places.append((*traffic.ego.pose[:2], traffic.ego.speed_mps))
    return traffic, np.array(places)


def test_a_path_is_followed_at_its_speed_to_its_end(without_signals: Any) -> None:
    path = (*PATH[:3], (0.0, 30.0))  # short enough for 20 s with the stop
    plan = scenario(EgoSpec("path", speed_mps=8.0, path=path), vehicles=0)
    traffic, places = driven(without_signals, plan)
    line = np.concatenate([np.linspace(a, b, 200) for a, b in pairwise(path)])
    off = np.linalg.norm(places[:, None, :2] - line[None], axis=2).min(axis=1)
    assert off.max() < 1.5  # base_link cuts the corners a little
    assert places[:20, 2] == pytest.approx(8.0, abs=0.1)
    assert traffic.ego.pose[:2] == pytest.approx(path[-1], abs=5.0)
    assert traffic.ego.speed_mps < 1.0


def test_an_ego_on_a_path_stops_behind_what_stands_there(without_signals: Any) -> None:
    box = ScriptedActor("box", "car", ((40.0, 6.7),), "odom")
    _, places = driven(without_signals, scenario(EgoSpec("path", speed_mps=8.0, path=PATH), box, vehicles=0))
    assert places[-1, 2] < 0.05
    assert 41.0 < places[-1, 0] < 60.0


@pytest.mark.parametrize("drive", ["still", "external"])
def test_without_commands_it_stands(drive: Any, without_signals: Any) -> None:
    _, places = driven(without_signals, scenario(EgoSpec(drive)))
    assert np.ptp(places[:, :2], axis=0) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert (places[:, 2] == 0.0).all()


def test_from_outside_it_goes_where_it_is_driven_and_traffic_lets_it(without_signals: Any) -> None:
    traffic = Traffic(without_signals, scenario(EgoSpec("external")), CATALOGUE, 1)
    ego = ExternalEgo(without_signals.surface, traffic.ego)
    for _ in range(200):
        ego.command(0.0, 1.0 if ego.state.speed_mps < 6.0 else 0.0)
        traffic.step(0.1, ego.step(0.1))
        assert traffic.ego.pose[:4] == pytest.approx(ego.state.pose[:4], abs=0.02)
        assert not [pair for pair in traffic.contacts() if 0 in pair and ego.state.speed_mps < 0.5]
    assert np.hypot(*np.subtract(traffic.ego.pose[:2], ego.state.pose[:2])) < 0.02
    assert ego.state.speed_mps > 5.5


@pytest.mark.parametrize(
    ("ego", "must", "actor", "said"),
    [
        (
            EgoSpec(),
            MustHold(),
            ScriptedActor("skip", "car", ((7.0, 0.0),)),
            r"5 m, got .* actor 'skip' \(car\)",
        ),
        (
            EgoSpec(),
            MustHold(ego_travels_m=30.0),
            ScriptedActor("skip", "car", ((27.0, 0.0),)),
            "free way of 30 m",
        ),
        (EgoSpec(start_xy_m=(149.0, -1.75)), MustHold(), None, "the end of the road"),
        (EgoSpec("path", path=((100.0, 0.0), (98.0, 0.0))), MustHold(), None, "the end of its path"),
    ],
)
def test_an_ego_that_is_blocked_is_an_error(
    ego: Any, must: Any, actor: Any, said: str, without_signals: Any
) -> None:
    plan = scenario(ego, *((actor,) if actor else ()), vehicles=0, must_hold=must)
    with pytest.raises(ConfigurationError, match=said) as error:
        Traffic(without_signals, replace(plan, file="x.yaml"), CATALOGUE, 7)
    assert str(error.value).startswith("x.yaml: seed 7: the ego is blocked: wanted a free way of")


def test_what_stands_further_away_blocks_nobody(without_signals: Any) -> None:
    far = ScriptedActor("skip", "car", ((27.0, 0.0),))
    Traffic(without_signals, scenario(EgoSpec(), far, vehicles=0), CATALOGUE, 7)
    near = ScriptedActor("skip", "car", ((7.0, 0.0),))
    Traffic(without_signals, scenario(EgoSpec("still"), near, vehicles=0), CATALOGUE, 7)
