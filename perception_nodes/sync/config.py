"""Parameters of the synchroniser."""

from __future__ import annotations

from dataclasses import dataclass, replace

from perception_nodes.datatypes import check_ranges, param


@dataclass(frozen=True)
class AlignerConfig:
    """Windows and patience."""

    timeout_s: float = param(
        0.06, "wait for missing sensors after the reference has arrived, s", low=0.0, high=5.0
    )
    window_s: float = param(
        0.06, "largest distance of an offset-corrected stamp from the reference's, s", low=0.001, high=5.0
    )
    offset_samples: int = param(30, "residuals over which an offset is the median", low=3, high=1000)
    offset_min_samples: int = param(5, "residuals before an estimated offset is used", low=1, high=1000)
    queue_size: int = param(20, "messages kept per sensor", low=2, high=1000)
    jump_s: float = param(1.0, "a reference stamp further back than this is a jump of the clock, s", low=0.01)
    silence_periods: float = param(
        1.5, "after so many periods without the reference, frames go on without it", low=1.0, high=100.0
    )

    def __post_init__(self) -> None:
        check_ranges(self)

    def slowed(self, factor: float) -> AlignerConfig:
        """For sensors whose recording is played so many times as slowly: silence between two sweeps is not theirs."""
        timeout_s = min(self.timeout_s * factor, 5.0)
        return replace(self, timeout_s=timeout_s, silence_periods=min(self.silence_periods * factor, 100.0))
