"""The sentence comes once while something is compiled, and not for what is there already."""

from __future__ import annotations

from numba import njit

from perception_nodes.geometry.compilation import SENTENCE, announced


@njit
def _double(x):
    return 2 * x


@njit
def _four_times(x):
    return _double(_double(x))


def test_it_is_said_once_and_only_when_something_is_compiled():
    told = []
    with announced(told.append):
        assert _four_times(3) == 12
        assert _double(3.5) == 7.0
    assert told == [SENTENCE]
    with announced(told.append):
        assert _four_times(5) == 20
    assert told == [SENTENCE]


def test_nothing_is_said_outside():
    told = []
    with announced(told.append):
        pass
    assert _double(2 + 1j) == 4 + 2j
    assert told == []
