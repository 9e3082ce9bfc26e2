"""Words shared by all stages; the numbers equal the constants in `msg/*.msg` (a test compares them)."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Mode(IntEnum):
    """State of an output or a node (`FrameInfo.mode`)."""

    STARTING = 0
    NOMINAL = 1
    DEGRADED = 2
    BLIND = 3
    FAULT = 4


class Modality(IntEnum):
    """Kind of a sensor."""

    UNKNOWN = 0
    LIDAR = 1
    CAMERA = 2
    RADAR = 3
    ODOMETRY = 4


class Qualifier(IntEnum):
    """OSI DataQualifier words for a sensor (`SensorStatus.qualifier`)."""

    UNKNOWN = 0
    AVAILABLE = 1
    AVAILABLE_REDUCED = 2
    NOT_AVAILABLE = 3
    BLINDNESS = 4
    INVALID = 5


class SensorReason(IntEnum):
    """Why a sensor has its qualifier (`SensorStatus.reason`)."""

    NORMAL = 0
    STARTING = 1
    NOT_CALIBRATED = 2
    BLOCKED = 3
    MISALIGNED = 4
    BAD_ENVIRONMENT = 5
    REDUCED_FOV = 6
    INPUT_MISSING = 7
    INTERNAL = 8
    STALE = 9
    STUCK = 10
    CLOCK_OFFSET = 11
    OUT_OF_SYNC_WINDOW = 12
    MALFORMED = 13
    NO_TRANSFORM = 14


class DropReason(IntEnum):
    """Why a received message was not used (`DropEvent.reason`)."""

    STALE = 1
    NO_MATCH = 2
    QUEUE_OVERFLOW = 3
    OUT_OF_ORDER = 4
    TIME_JUMP = 5
    NO_TRANSFORM = 6
    MALFORMED = 7
    INFERENCE_BUSY = 8
    DEADLINE = 9
    NOT_ACTIVE = 10
    SHUTDOWN = 11
    INTERNAL = 12


class Trigger(IntEnum):
    """What closed a frame set (`FrameSet.trigger`)."""

    ALL_ARRIVED = 0
    TIMEOUT = 1
    NEXT_REFERENCE = 2
    FLUSH = 3


class Orientation(IntEnum):
    """How much of a yaw is known."""

    UNAVAILABLE = 0
    SIGN_UNKNOWN = 1
    AVAILABLE = 2


class TrackState(IntEnum):
    """Life of a track; DELETED is sent once."""

    TENTATIVE = 0
    CONFIRMED = 1
    COASTING = 2
    DELETED = 3


class EndReason(IntEnum):
    """Why a track ended."""

    NONE = 0
    LEFT_FOV = 1
    OCCLUDED_TIMEOUT = 2
    MISSED = 3
    LOW_EXISTENCE = 4
    MERGED = 5
    FILTERED_BY_MAP = 6
    RESET = 7


class MotionState(IntEnum):
    """Whether a tracked object moves over ground."""

    UNKNOWN = 0
    STATIONARY = 1
    MOVING = 2


class SourceMask(IntFlag):
    """Modalities that contributed."""

    NONE = 0
    LIDAR = 1
    CAMERA = 2
    RADAR = 4


class ElementType(IntEnum):
    """Kind of a map element."""

    UNKNOWN = 0
    LANE_DIVIDER = 1
    ROAD_BOUNDARY = 2
    CENTERLINE = 3
    PED_CROSSING = 4
    STOP_LINE = 5
    TRAFFIC_SIGN = 6
    TRAFFIC_LIGHT = 7


class ElementSource(IntEnum):
    """Where a map element comes from."""

    ONLINE = 0
    MAP_PRIOR = 1
    FUSED = 2


class ElementChange(IntEnum):
    """Result of comparing a map element with the prior map."""

    NOT_EVALUATED = 0
    CONSISTENT = 1
    ADDED = 2
    REMOVED = 3
    MOVED = 4
    ATTRIBUTE = 5
