"""A late watcher waits longer; a punctual one does not."""

from __future__ import annotations

from perception_nodes.ros.patience import Patience

MS = 1_000_000
LIMIT, PERIOD = 230 * MS, 20 * MS


def limits(*times_ms: float) -> list[float]:
    """Limit at each check, ms."""
    patience = Patience(LIMIT, PERIOD)
    return [patience.checked(round(t * MS)) / MS for t in times_ms]


def test_a_punctual_watcher_keeps_the_limit() -> None:
    assert limits(*range(0, 2000, 20)) == [230.0] * 100


def test_the_limit_grows_by_the_lateness_at_once() -> None:
    assert limits(0, 20, 440)[-1] == 230 + 400


def test_the_worst_lateness_counts_and_is_not_added_up() -> None:
    assert limits(0, 120, 170, 190)[1:] == [330.0, 330.0, 330.0]


def test_the_allowance_ends_one_limit_after_the_late_check() -> None:
    times = [0, 400, *range(420, 700, 20)]
    by_time = dict(zip(times, limits(*times), strict=True))
    assert by_time[620] == 230 + 380
    assert by_time[640] == 230


def test_a_check_that_is_early_gives_nothing() -> None:
    assert limits(0, 5, 10) == [230.0, 230.0, 230.0]
