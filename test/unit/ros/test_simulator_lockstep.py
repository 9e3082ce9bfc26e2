"""Waiting for the answers to a step: who answers, what is too late, and what is not due."""

from __future__ import annotations

import threading
import time

import pytest

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.ros.simulator_config import SimulatorConfig
from perception_nodes.ros.simulator_lockstep import Lockstep

STAMP_NS = 1_700_000_000_000_000_000


def test_objects_of_the_stamp_are_an_answer_and_older_ones_are_not() -> None:
    step = Lockstep(looped=False, timeout_s=0.05)
    step.objects(STAMP_NS - 100_000_000, "old")
    assert not step.wait_for(STAMP_NS, measured=True)
    step.objects(STAMP_NS, "new")
    assert step.wait_for(STAMP_NS, measured=True)
    assert step.late == 1
    assert step.take_objects() == "new" and step.take_objects() is None


def test_in_a_loop_the_command_is_waited_for_too() -> None:
    step = Lockstep(looped=True, timeout_s=0.05)
    step.objects(STAMP_NS, "objects")
    assert step.wait_for(STAMP_NS, measured=True)  # no planner has begun to drive yet
    step.command(STAMP_NS, "first")
    step.objects(STAMP_NS + 100_000_000, "objects")
    assert not step.wait_for(STAMP_NS + 100_000_000, measured=True)
    step.command(STAMP_NS + 100_000_000, "second")
    assert step.wait_for(STAMP_NS + 100_000_000, measured=True)
    assert step.wanted == "second"


def test_an_answer_from_another_thread_ends_the_waiting() -> None:
    step = Lockstep(looped=False, timeout_s=5.0)
    began = time.monotonic()
    threading.Timer(0.05, step.objects, (STAMP_NS, "objects")).start()
    assert step.wait_for(STAMP_NS, measured=True)
    assert time.monotonic() - began < 4.0


def test_without_a_sweep_no_objects_are_due_but_time_goes_on() -> None:
    step = Lockstep(looped=False, timeout_s=5.0)
    began = time.monotonic()
    assert step.wait_for(STAMP_NS, measured=False)
    assert 0.09 < time.monotonic() - began < 4.0
    assert step.late == 0


def test_closing_lets_everybody_go_on() -> None:
    step = Lockstep(looped=True, timeout_s=60.0)
    threading.Timer(0.05, step.close).start()
    began = time.monotonic()
    assert step.wait_for(STAMP_NS, measured=True)
    step.wait_until(time.monotonic() + 60.0)
    assert time.monotonic() - began < 30.0
    assert step.late == 0 and step.closed


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"mode: wanted one of .*'lock_step'.*got 'fast'"):
        SimulatorConfig(mode="fast")
    with pytest.raises(ConfigurationError, match="timeout_s"):
        SimulatorConfig(timeout_s=0.0)
