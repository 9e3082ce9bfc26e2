"""QoS profiles as rosbag2 stores them beside a topic."""

from __future__ import annotations

from typing import Any, Final

import yaml

_FOREVER: Final = {"sec": 9223372036, "nsec": 854775807}
_TRANSIENT_LOCAL: Final = ("transient_local", 1)


def profile_text(latched: bool, depth: int) -> str:
    """YAML of one reliable profile; latched = transient local."""
    profile: dict[str, Any] = {
        "history": "keep_last",
        "depth": depth,
        "reliability": "reliable",
        "durability": "transient_local" if latched else "volatile",
        "deadline": dict(_FOREVER),
        "lifespan": dict(_FOREVER),
        "liveliness": "automatic",
        "liveliness_lease_duration": dict(_FOREVER),
        "avoid_ros_namespace_conventions": False,
    }
    return yaml.safe_dump([profile], sort_keys=False)


def is_latched(text: str) -> bool:
    """Whether any of the profiles in rosbag2's YAML (words since Iron, numbers before) is transient local."""
    try:
        profiles = yaml.safe_load(text) if text else []
    except yaml.YAMLError:
        return False
    if not isinstance(profiles, list):
        return False
    words = [p.get("durability") for p in profiles if isinstance(p, dict)]
    return any(word in _TRANSIENT_LOCAL for word in words)
