"""Parameters of the evaluation of a run."""

from __future__ import annotations

from dataclasses import dataclass

from perception_nodes.datatypes import check_ranges, param


@dataclass(frozen=True)
class EvaluationConfig:
    """All numbers on which the scores of `evaluate_run` depend; they are printed beside the scores."""

    match_distance_m: float = param(
        2.0, "A pair counts below this distance of the centres seen from above", low=0.1
    )
    max_range_m: float = param(
        50.0, "Truth and predictions beyond this distance from the ego are left out", low=1.0
    )
    min_points: int = param(
        5, "Truth with fewer lidar points is neither asked for nor counted against", low=0
    )
    near_range_m: float = param(40.0, "Range of the block about near, well-seen cars", low=1.0)
    near_min_points: int = param(20, "Points that a well-seen car has at least", low=0)
    stamp_tolerance_s: float = param(
        0.03, "Largest difference of stamps of a prediction and its truth", low=0.0
    )

    def __post_init__(self) -> None:
        check_ranges(self)
