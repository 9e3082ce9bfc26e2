"""What a receiver knows about a stream of perception outputs. No ROS, no clock: times come in as arguments."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from perception_nodes.datatypes import ConfigurationError, Mode
from perception_nodes.datatypes.config import check_ranges, param


@dataclass(frozen=True)
class ReceptionConfig:
    """When silence is what. At the default 10 Hz: late at 150 ms, DEGRADED at 200 ms, FAULT at 500 ms."""

    rate_hz: float = param(10.0, "rate that the publisher promises, in wall time, Hz", low=0.01, high=1000.0)
    late_periods: float = param(1.5, "silence after which one frame counts as missed", low=1.0)
    degraded_periods: float = param(2.0, "silence after which the mode is at least DEGRADED", low=1.0)
    fault_periods: float = param(5.0, "silence after which the mode is FAULT", low=1.0)
    max_age_s: float = param(0.3, "content older than this is not fresh, s", low=0.0)
    min_rate_ratio: float = param(
        0.8, "observed rate below this share of rate_hz is not ok", low=0.0, high=1.0
    )
    start_s: float = param(10.0, "time for the first message; then STARTING turns into FAULT, s", low=0.0)

    def __post_init__(self) -> None:
        check_ranges(self)
        order = (self.late_periods, self.degraded_periods, self.fault_periods)
        if list(order) != sorted(order):
            raise ConfigurationError(
                f"ReceptionConfig: late, degraded, fault periods {order}: wanted rising values"
            )


@dataclass(frozen=True)
class ReceptionStatus:
    """State of a stream at one moment.

    alive: messages come and the publisher asserts its liveliness. freq_ok: none is overdue and the rate is kept.
    fresh: the newest content is not older than `max_age_s`. valid: alive, and the publisher says that the content may
    be used. late: at least one frame is overdue. mode: what the publisher says, or worse by silence. lost: messages
    missing in this session. silence_s since the last message, age_s of its content, rate_hz observed; NaN = unknown.
    """

    alive: bool
    freq_ok: bool
    fresh: bool
    valid: bool
    late: bool
    mode: Mode
    lost: int
    session_id: int
    silence_s: float
    age_s: float
    rate_hz: float


class Reception:
    """Fed with each message's `FrameInfo`; answers `status` at any time. `now_ns` is a monotonic clock."""

    def __init__(self, config: ReceptionConfig, now_ns: int) -> None:
        self.config = config
        self._since_ns = now_ns
        # One second, and at least two periods.
        self._arrivals_ns: deque[int] = deque(maxlen=max(3, round(config.rate_hz) + 1))
        self._session_id = 0
        self._sequence = -1
        self._stamp_ns = 0
        self._mode = Mode.STARTING
        self._valid = False
        self._asserted = True
        self.lost = 0

    def receive(
        self, session_id: int, sequence: int, mode: Mode, valid: bool, stamp_ns: int, now_ns: int
    ) -> bool:
        """A message has come; True if it begins a session: ids of objects start over."""
        begins = self._sequence < 0 or session_id != self._session_id
        if begins:
            self._session_id, self._sequence, self.lost = session_id, sequence, 0
            self._arrivals_ns.clear()
        else:
            self.lost += max(0, sequence - self._sequence - 1)
            self._sequence = max(self._sequence, sequence)
        self._arrivals_ns.append(now_ns)
        self._mode, self._valid, self._stamp_ns = mode, valid, stamp_ns
        self._asserted = True
        return begins

    def liveliness(self, publishers_alive: int) -> None:
        """The middleware has counted the publishers that assert their liveliness."""
        self._asserted = publishers_alive > 0

    def status(self, now_ns: int, ros_ns: int) -> ReceptionStatus:
        """State at `now_ns`; `ros_ns` is the same moment in the clock of the stamps."""
        config = self.config
        if not self._arrivals_ns:
            waited_s = (now_ns - self._since_ns) * 1e-9
            mode = Mode.STARTING if waited_s < config.start_s else Mode.FAULT
            nan = float("nan")
            return ReceptionStatus(False, False, False, False, False, mode, 0, 0, nan, nan, nan)
        silence_s = (now_ns - self._arrivals_ns[-1]) * 1e-9
        age_s = (ros_ns - self._stamp_ns) * 1e-9
        periods = silence_s * config.rate_hz
        late = periods > config.late_periods
        # The lease may be shorter than a slow publisher's period: it counts once a message is overdue.
        alive = periods < config.fault_periods and (self._asserted or not late)
        rate_hz = self._rate_hz()
        keeps_rate = not rate_hz < config.min_rate_ratio * config.rate_hz
        return ReceptionStatus(
            alive=alive,
            freq_ok=alive and not late and keeps_rate,
            fresh=abs(age_s) <= config.max_age_s,
            valid=alive and self._valid,
            late=late,
            mode=max(self._mode, self._mode_by_silence(periods, alive)),
            lost=self.lost,
            session_id=self._session_id,
            silence_s=silence_s,
            age_s=age_s,
            rate_hz=rate_hz,
        )

    def _mode_by_silence(self, periods: float, alive: bool) -> Mode:
        if periods >= self.config.fault_periods:
            return Mode.FAULT
        return Mode.DEGRADED if periods >= self.config.degraded_periods or not alive else Mode.STARTING

    def _rate_hz(self) -> float:
        """Over the last second or so, NaN before the second message."""
        if len(self._arrivals_ns) < 2:
            return float("nan")
        span_s = (self._arrivals_ns[-1] - self._arrivals_ns[0]) * 1e-9
        return (len(self._arrivals_ns) - 1) / span_s if span_s > 0 else float("inf")
