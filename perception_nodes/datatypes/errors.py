"""The one tree of errors that a stage may raise on bad input; anything else is a bug.

A stage raises; `ros/node.py` is the one place that catches `PerceptionError`: the frame is dropped, counted by
`reason`, and logged. A message names the thing, what was wanted, what came.
"""

from __future__ import annotations

from .enums import DropReason


class PerceptionError(Exception):
    """Base of all errors about input; `reason` is the word under which the drop is counted."""

    reason: DropReason = DropReason.MALFORMED


class MalformedMessage(PerceptionError):
    """A message or a record whose content contradicts itself (lengths, encodings, missing fields)."""

    reason = DropReason.MALFORMED


class TransformUnavailable(PerceptionError):
    """No transform between two frames at the stamp that was asked for."""

    reason = DropReason.NO_TRANSFORM


class StaleData(PerceptionError):
    """Data older than the limit."""

    reason = DropReason.STALE


class OutOfOrder(PerceptionError):
    """A stamp earlier than one already processed."""

    reason = DropReason.OUT_OF_ORDER


class CalibrationError(PerceptionError):
    """A calibration that is missing or impossible (focal length 0, wrong number of coefficients)."""


class ModelError(PerceptionError):
    """A model file that is missing, unreadable or of an unknown layout."""


class InputError(PerceptionError):
    """A bag, dataset or file that cannot be read as what it claims to be."""


class ConfigurationError(PerceptionError):
    """A parameter, rig file or graph file with an unknown key or an impossible value."""
