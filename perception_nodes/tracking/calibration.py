"""Calibrations of the published existence: which one belongs to the detections that come, from a file.

A calibration holds for the detections of one detector (as their FrameInfo names it) and for the tracker's parameters
that decide about existence. `perception tune existence` makes such files; the package's own is `SHIPPED`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.datatypes.existence import ExistenceCalibration, ExistenceTable
from perception_nodes.resources import resource_path

from .config import TrackerConfig

SHIPPED: Final = "config/existence.yaml"
AUTO, NONE = "auto", "none"
# What the published existence, and which tracks are published, depends on.
_DECIDE: Final = (
    "low_score", "birth_existence", "survival_per_s", "detection_probability", "detection_range_m", "sensor_height_m",
    "clutter_ratio", "existence_max", "quality_weight", "fade_time_s", "confirm_existence", "confirm_quality",
    "confirm_hits", "tentative_misses", "delete_existence", "coast_visible_s", "coast_occluded_s", "coast_per_seen",
    "coasting_after_s", "merge_overlap", "birth_overlap", "world_fixed",
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Who made the detections: `model_id` and `model_hash` of their FrameInfo."""

    model_id: str
    model_hash: str = ""

    def __str__(self) -> str:
        return f"{self.model_id} {self.model_hash}".rstrip()


@dataclass(frozen=True)
class KnownCalibration:
    """A calibration, the detections and the tracker that it is of."""

    source: Source
    tracker: str
    calibration: ExistenceCalibration


@dataclass(frozen=True)
class ExistenceCalibrations:
    """All of a file; where: for messages."""

    known: tuple[KnownCalibration, ...]
    where: str

    @classmethod
    def read(cls, which: str) -> ExistenceCalibrations:
        """`auto`: the shipped ones; `none`: none; else a file. Raises ConfigurationError if it is no such file."""
        if which == NONE:
            return cls((), NONE)
        path = resource_path(SHIPPED) if which == AUTO else Path(which)
        try:
            data = yaml.safe_load(path.read_text())
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise ConfigurationError(
                f"existence calibration {which!r}: wanted {AUTO}, {NONE} or a file of perception tune existence: "
                f"{error}"
            ) from error
        rows = data.get("calibrations") if isinstance(data, Mapping) else None
        if not isinstance(rows, list):
            raise ConfigurationError(
                f"existence calibration {path}: wanted a list `calibrations`, got {rows!r}"
            )
        return cls(tuple(_known(row, str(path)) for row in rows), str(path))

    def find(self, source: Source, config: TrackerConfig) -> ExistenceCalibration | None:
        """That of these detections and this tracker, if there is one."""
        wanted = (source, deciding(config))
        return next((k.calibration for k in self.known if (k.source, k.tracker) == wanted), None)

    def named(self, calibration_id: str) -> ExistenceCalibration | None:
        """The one that a message names."""
        return next((k.calibration for k in self.known if k.calibration.id == calibration_id), None)

    def missing(self, source: Source, config: TrackerConfig) -> str:
        """Why `find` has none, for the log."""
        if self.where == NONE:
            return "existence is not calibrated: switched off"
        ours = [k.source for k in self.known if k.tracker == deciding(config)]
        if source not in ours and source in [k.source for k in self.known]:
            return f"existence is not calibrated: {self.where} is for a tracker with other parameters"
        who = str(source) or "an unnamed source"
        return f"existence is not calibrated: {self.where} has nothing for detections of {who}"


def deciding(config: TrackerConfig) -> str:
    """Digest of the parameters that decide about existence."""
    text = ",".join(f"{name}={getattr(config, name)!r}" for name in _DECIDE)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def as_entry(known: KnownCalibration, notes: Mapping[str, Any]) -> dict[str, Any]:
    """As it stands in a file; notes: what else is to be said of it."""
    c = known.calibration
    return {
        "id": c.id,
        "model_id": known.source.model_id,
        "model_hash": known.source.model_hash,
        "tracker": known.tracker,
        "expected_error": c.expected_error,
        **notes,
        "tables": {
            name: {"belief": list(t.belief), "probability": list(t.probability)}
            for name, t in c.tables.items()
        },
    }


def _known(row: Any, where: str) -> KnownCalibration:
    try:
        tables = {
            str(name): ExistenceTable(tuple(map(float, t["belief"])), tuple(map(float, t["probability"])))
            for name, t in row["tables"].items()
        }
        calibration = ExistenceCalibration(str(row["id"]), float(row["expected_error"]), tables)
        source = Source(str(row["model_id"]), str(row["model_hash"]))
        return KnownCalibration(source, str(row["tracker"]), calibration)
    except ConfigurationError as error:
        raise ConfigurationError(f"existence calibration {where}: {error}") from error
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ConfigurationError(
            f"existence calibration {where}: wanted id, model_id, model_hash, tracker, expected_error and tables of "
            f"belief and probability, got {error!r}"
        ) from error
