"""Plays a bag into the graph: stored bytes as they are, /clock, and the state that maps stamps to the wall clock."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from perception_nodes.datasets import BagReader, Player, PlayerConfig, Timeline
from perception_nodes.datatypes import InputError, Modality, PerceptionError, Rig, load_rig
from perception_nodes.msg import PlaybackState
from perception_nodes.ros import transport
from perception_nodes.ros.playback import ClockPublisher, message_class, playback_qos, playback_state

_NAME = "bag_player"
_SETTLE_S = 0.5
_POLL_S = 0.05


class BagPlayer(Node):
    """Publishes what a `Player` hands it. `play` runs in a thread of its own beside the executor."""

    def __init__(self, **options: Any) -> None:
        super().__init__(_NAME, **options)
        for name, default in {"bag": "", "rig": "", "exit_at_end": True, **_defaults()}.items():
            kind = Parameter.Type.STRING_ARRAY if isinstance(default, list) else None
            self.declare_parameter(name, default if kind is None else kind)
        self._reader = BagReader(Path(self._text("bag")))
        rig = load_rig(Path(self._text("rig"))) if self._text("rig") else None
        self.config = PlayerConfig(**{k: self._value(k, v) for k, v in _defaults().items()})
        self.player = Player(self._reader, self.config, rig)
        for note in self._reader.info.notes:
            self.get_logger().warning(note)
        self._clock_out = ClockPublisher(self)
        self._state_out = self.create_publisher(
            PlaybackState, "/perception/playback", playback_qos(latched=True)
        )
        self._outputs = self._make_publishers()
        self._wanted = _wanted_topics(self.config.wait_for, rig, self._outputs)

    def play(self) -> None:
        """Wait for subscribers, then play to the end; raises InputError if a topic of `wait_for` gets none."""
        self._publish_static()
        self._wait_for_subscribers()
        self.player.play(self)
        p50, p99, high = self.player.lateness_ms()
        count = sum(self.player.published.values())
        self.get_logger().info(
            f"played {count} messages; late p50 {p50:.2f}, p99 {p99:.2f}, max {high:.2f} ms"
        )

    def clock(self, stamp_ns: int) -> None:
        """Publish /clock."""
        self._clock_out.publish(stamp_ns)

    def publish(self, topic: str, raw: bytes) -> bool:
        """Publish stored bytes; False if the type is not installed."""
        publisher = self._outputs.get(topic)
        if publisher is None:
            return False
        publisher.publish(raw)
        return True

    def state(self, timeline: Timeline, loop: int, finished: bool) -> None:
        """Publish the latched PlaybackState."""
        self._state_out.publish(playback_state(self.player, timeline, loop, finished))

    def close(self) -> None:
        """Stop playing, close the bag."""
        self.player.stop()
        self._reader.close()

    def _make_publishers(self) -> dict[str, Any]:
        out = {}
        for name, topic in self.player.topics.items():
            cls = message_class(topic.typename)
            if cls is None:
                self.get_logger().warning(
                    f"{name}: type {topic.typename} is not installed: {topic.count} not played"
                )
                continue
            out[name] = self.create_publisher(cls, name, playback_qos(topic.latched, name))
        return out

    def _publish_static(self) -> None:
        cls = message_class("tf2_msgs/msg/TFMessage")
        if self.player.static is not None and cls is not None:
            self._static_out = self.create_publisher(cls, "/tf_static", playback_qos(latched=True))
            self._static_out.publish(self.player.static)

    def _wait_for_subscribers(self) -> None:
        """Until every wanted topic has one, and then until no more appear for half a second."""
        deadline = time.monotonic() + self.config.wait_timeout_s
        while missing := [t for t in self._wanted if not self._outputs[t].get_subscription_count()]:
            if time.monotonic() > deadline:
                raise InputError(
                    f"no subscriber on {missing} within {self.config.wait_timeout_s:g} s (wait_for)"
                )
            self._pause()
        seen, since = -1, time.monotonic()
        while self._wanted and time.monotonic() - since < _SETTLE_S:
            count = sum(p.get_subscription_count() for p in self._outputs.values())
            if count != seen:
                seen, since = count, time.monotonic()
            self._pause()

    def _pause(self) -> None:
        if not self.context.ok():
            raise ExternalShutdownException
        time.sleep(_POLL_S)

    def _text(self, name: str) -> str:
        return str(self.get_parameter(name).value)

    def _value(self, name: str, default: Any) -> Any:
        value = self.get_parameter_or(name, Parameter(name, value=default)).value
        return tuple(v for v in value if v) if isinstance(default, list) else value


def _defaults() -> dict[str, Any]:
    values = vars(PlayerConfig())
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _wanted_topics(words: tuple[str, ...], rig: Rig | None, publishers: dict[str, Any]) -> list[str]:
    """Topics of `wait_for`; the word "lidars" stands for the lidar topics of the rig that the bag has."""
    out: list[str] = []
    for word in words:
        if word == "lidars":
            out += [s.topic for s in rig.of(Modality.LIDAR) if s.topic in publishers] if rig else []
        elif word in publishers:
            out.append(word)
        else:
            raise InputError(
                f"wait_for: {word!r} is not played: wanted 'lidars' or one of {sorted(publishers)}"
            )
    return out


def main(args: list[str] | None = None) -> None:
    """Run the player as a process: exit code 0 at the end, 2 on an input that cannot be played."""
    # The reader thread must not hold the interpreter for 5 ms when a message is due.
    sys.setswitchinterval(0.0005)
    transport.configure()
    rclpy.init(args=args)
    failed: list[BaseException] = []
    node: BagPlayer | None = None
    try:
        node = BagPlayer()
        _run(node, failed)
    except PerceptionError as error:
        failed.append(error)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    if failed:
        sys.stderr.write(f"{_NAME}: {failed[0]}\n")
        sys.exit(2)


def _run(node: BagPlayer, failed: list[BaseException]) -> None:
    """Spin while the player plays in a thread; its errors are collected in `failed`."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def work() -> None:
        try:
            node.play()
        except PerceptionError as error:
            failed.append(error)
        except ExternalShutdownException:
            return

    thread = threading.Thread(target=work, name="play")
    thread.start()
    try:
        while rclpy.ok() and (thread.is_alive() or not (failed or node.get_parameter("exit_at_end").value)):
            executor.spin_once(timeout_sec=0.1)
    finally:
        node.player.stop()
        thread.join()


if __name__ == "__main__":
    main()
