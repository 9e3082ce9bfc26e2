"""`--view`: the graph's topics live to Foxglove, over a WebSocket on this host."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from perception_nodes.datasets.typestore import definition
from perception_nodes.datatypes import ConfigurationError


class LiveView:
    """Serves serialised ROS messages as they come; a topic appears with its first message."""

    def __init__(self, port: int) -> None:
        """Start the server. Raises ConfigurationError if foxglove-sdk is missing or the port is taken."""
        try:
            import foxglove
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "--view needs foxglove-sdk: pip install 'perception_nodes[viz]'"
            ) from error
        self._foxglove = foxglove
        self._context = foxglove.Context()
        try:
            self._server = foxglove.start_server(
                name="perception_nodes", host="127.0.0.1", port=port, context=self._context
            )
        except Exception as error:  # the SDK raises its own error type for a port that is taken
            raise ConfigurationError(f"--view: cannot listen on 127.0.0.1:{port}: {error}") from error
        self.url = f"ws://127.0.0.1:{self._server.port}"
        self._channels: dict[str, Any] = {}

    def __enter__(self) -> LiveView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    def send(self, topic: str, type_name: str, stamp_ns: int, raw: bytes) -> None:
        """Pass one message on."""
        channel = self._channels.get(topic)
        if channel is None:
            schema = self._foxglove.Schema(
                name=type_name, encoding="ros2msg", data=definition(type_name).encode()
            )
            channel = self._foxglove.Channel(
                topic, schema=schema, message_encoding="cdr", context=self._context
            )
            self._channels[topic] = channel
        channel.log(raw, log_time=stamp_ns)
