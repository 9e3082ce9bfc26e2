"""Plays a bag into the graph: stored bytes as they are, /clock, and the state that maps stamps to the wall clock."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from perception_nodes import msg
from perception_nodes.datasets import BagReader, Player, PlayerConfig, Timeline
from perception_nodes.datatypes import ConfigurationError, InputError, Modality
from perception_nodes.ros import warmup
from perception_nodes.ros.main import run_node
from perception_nodes.ros.node import PerceptionNode
from perception_nodes.ros.parameters import declare, declare_config
from perception_nodes.ros.playback import ClockPublisher, message_class, playback_qos, playback_state

_SETTLE_S = 0.3
_POLL_S = 0.02
_WATCH_S = 0.05
_STATE_PERIOD_S = 1.0


class BagPlayer(PerceptionNode):
    """Publishes what a `Player` hands it, from a thread of its own beside the executor (it is the player's sink)."""

    def __init__(self, **options: Any) -> None:
        super().__init__("bag_player", **options)
        self._player: Player | None = None
        self._thread = threading.Thread(target=self._play, name="play")
        self._failure: Exception | None = None
        self._now: tuple[Timeline, int, bool] | None = None
        self._state_lock = threading.Lock()

    def setup(self) -> None:
        """Open the bag, make a publisher for each topic to play, publish the static transforms."""
        bag = str(declare(self, "bag", "", {"help": "rosbag2: folder, .mcap or .db3"}))
        if not bag:
            raise ConfigurationError("parameter bag: wanted the path of a rosbag2, got none")
        self._exit = bool(
            declare(self, "exit_at_end", True, {"help": "end the process after the last message"})
        )
        self._config = declare_config(self, PlayerConfig)
        self._reader = BagReader(Path(bag))
        self._player = Player(self._reader, self._config, self.rig)
        for note in self._reader.info.notes:
            self.get_logger().warning(note)
        self._clock_output = ClockPublisher(self)
        self._state_output = self.add_output(
            msg.PlaybackState, "/perception/playback", playback_qos(latched=True)
        )
        self._outputs = self._make_outputs(self._player)
        self._wanted = self._subscribers_to_wait_for()
        warmup.touch_memory()

    def start(self) -> None:
        """Begin to play (once the topics of `wait_for` have subscribers)."""
        self._thread.start()
        self.create_timer(_WATCH_S, self._watch, clock=self.wall)
        self.create_timer(_STATE_PERIOD_S, self._publish_state, clock=self.wall)

    def drain(self) -> None:
        """Stop playing; the last state holds the counts so far."""
        if self._player is not None:
            self._player.stop()
        if self._thread.is_alive():
            self._thread.join()
        self._reader.close()

    # ------------------------------------------------------------------ the player's sink
    def clock(self, stamp_ns: int) -> None:
        """Publish /clock."""
        self._clock_output.publish(stamp_ns)

    def publish(self, topic: str, raw: bytes) -> bool:
        """Publish stored bytes; False if the type is not installed."""
        publisher = self._outputs.get(topic)
        if publisher is None:
            return False
        publisher.publish(raw)
        return True

    def state(self, timeline: Timeline, loop: int, finished: bool) -> None:
        """Publish the latched PlaybackState."""
        self._now = timeline, loop, finished
        self._publish_state()

    # ------------------------------------------------------------------ inside
    def _make_outputs(self, player: Player) -> dict[str, Any]:
        out = {}
        for name, topic in player.topics.items():
            cls = message_class(topic.typename)
            if cls is None:
                reason = f"type {topic.typename} is not installed: {topic.count} messages are not played"
                self.get_logger().warning(f"{name}: {reason}")
            else:
                out[name] = self.add_output(cls, name, playback_qos(topic.latched, name))
        cls = message_class("tf2_msgs/msg/TFMessage")
        if player.static is not None and cls is not None:
            self._static_output = self.add_output(cls, "/tf_static", playback_qos(latched=True))
            self._static_output.publish(player.static)
        return out

    def _subscribers_to_wait_for(self) -> dict[str, tuple[Any, int]]:
        """Publisher and number of subscribers by topic."""
        publishers = {**self._outputs, "/clock": self._clock_output.publisher}
        out = {topic: (publishers[topic], 1) for topic in self._topics_to_wait_for()}
        for text in filter(None, self._config.subscribers):
            topic, _, number = text.partition("=")
            if not number.isdecimal():
                raise ConfigurationError(f"parameter subscribers: wanted topic=number, got {text!r}")
            if topic in publishers:
                out[topic] = publishers[topic], int(number)
        return out

    def _topics_to_wait_for(self) -> list[str]:
        """Topics of `wait_for`; the word "lidars" stands for the lidar topics of the rig that the bag has."""
        out: list[str] = []
        for word in filter(None, self._config.wait_for):
            if word == "lidars":
                out += [s.topic for s in self.rig.of(Modality.LIDAR) if s.topic in self._outputs]
            elif word in self._outputs:
                out.append(word)
            else:
                wanted = f"'lidars' or one of {sorted(self._outputs)}"
                raise ConfigurationError(f"parameter wait_for: {word!r} is not played: wanted {wanted}")
        return out

    def _play(self) -> None:
        player = self._player
        if player is None:
            return
        try:
            self._wait_for_subscribers(player)
            player.play(self)
        except Exception as error:  # noqa: BLE001  raised again in the executor, where it ends the process
            self._failure = error
            return
        p50, p99, high = player.lateness_ms()
        count = sum(player.published.values())
        late = f"late p50 {p50:.2f}, p99 {p99:.2f}, max {high:.2f} ms"
        self.get_logger().info(f"played {count} messages; {late}")

    def _wait_for_subscribers(self, player: Player) -> None:
        """Until every wanted topic has as many as it should, and then until no more appear for a moment."""
        limit_s = self._config.wait_timeout_s
        deadline = time.monotonic() + limit_s
        while missing := self._missing_subscribers():
            if time.monotonic() > deadline:
                said = f"too few subscribers within {limit_s:g} s: {missing}"
                if any(not self._outputs[t].get_subscription_count() for t in self._topics_to_wait_for()):
                    raise InputError(f"{said} (parameters wait_for and subscribers)")
                self.get_logger().warning(f"{said} (parameter subscribers); played without them")
                break
            if player.stopped.wait(_POLL_S):
                return
        seen, since = -1, time.monotonic()
        while self._wanted and time.monotonic() - since < _SETTLE_S:
            count = sum(p.get_subscription_count() for p in self._outputs.values())
            if count != seen:
                seen, since = count, time.monotonic()
            if player.stopped.wait(_POLL_S):
                return

    def _missing_subscribers(self) -> dict[str, str]:
        """What this end knows, which decides whether a message is sent: the others may know of it earlier."""
        there = {t: (p.get_subscription_count(), wanted) for t, (p, wanted) in self._wanted.items()}
        return {t: f"{now} of {wanted}" for t, (now, wanted) in there.items() if now < wanted}

    def _watch(self) -> None:
        """In the executor: raise what ended the playing thread, account for lateness, end the process at the end."""
        if self._failure is not None:
            raise self._failure
        player = self._player
        while player is not None and player.fresh:
            stamp_ns, late_s = player.fresh.popleft()
            self.vitals.output(stamp_ns, late_s * 1e3)
        if self._exit and not self._thread.is_alive():
            # The handler in run_node ends the loop as for any other end.
            os.kill(os.getpid(), signal.SIGTERM)

    def _publish_state(self) -> None:
        with self._state_lock:
            if self._now is not None and self._player is not None:
                self._state_output.publish(playback_state(self._player, *self._now))


def main() -> int:
    """Entry point."""
    # The reading thread must not hold the interpreter for the usual 5 ms when a message is due.
    sys.setswitchinterval(0.0005)
    return run_node(BagPlayer)


if __name__ == "__main__":
    sys.exit(main())
