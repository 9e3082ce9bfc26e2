"""Run one node as a process."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.signals import SignalHandlerOptions

from perception_nodes.datatypes import PerceptionError

from . import transport


def run_node(make: Callable[[], Any], args: list[str] | None = None) -> int:
    """Spin a node until SIGINT or SIGTERM; 0 after a clean end, 2 for a configuration that cannot work.

    A bug ends the process with its traceback and status 1. Signals only set a flag: rclpy's own handler would close
    the context at once, and the last counts could not be sent. A second signal during the clean-up changes nothing.
    """
    transport.configure()
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except (_rclpy.RCLError, _rclpy.RCLInvalidROSArgsError, _rclpy.UnknownROSArgsError) as error:
        sys.stderr.write(
            f"ConfigurationError: {error}\n"
        )  # a parameter file that is not there or cannot be read
        return 2
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})  # the runner has blocked them
    node, status = None, 0
    try:
        if stopping:
            raise ExternalShutdownException  # asked to end during the imports
        node = make()
        # Half the latency of SingleThreadedExecutor here. Its spin() hangs; spin_once() does not.
        executor = EventsExecutor()
        executor.add_node(node)
        while not stopping and rclpy.ok():
            try:
                executor.spin_once(timeout_sec=0.1)
            except _rclpy.InvalidHandle:
                # An event of a subscription that was destroyed (deactivated, or made anew) while the event waited.
                continue
        node.finish()
    except ExternalShutdownException:
        pass
    except PerceptionError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        status = 2
    except Exception:  # noqa: BLE001  a bug: said in full, and the process ends
        traceback.print_exc()
        status = 1
    if node is not None:
        node.destroy_node()
    rclpy.try_shutdown()
    # Python gives up its handlers before it has ended: a signal would then end the process as if it had been killed.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return status
