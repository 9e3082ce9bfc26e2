"""What the classes are called, and what the existence of objects is worth: latched, for who reads objects."""

from __future__ import annotations

from perception_nodes import msg
from perception_nodes.datatypes import LABELS, PARENTS, TAXONOMY
from perception_nodes.datatypes.existence import ExistenceCalibration

from . import qos
from .node import PerceptionNode


class Labels:
    """Publishes LabelInfo of what `node` makes."""

    def __init__(self, node: PerceptionNode, range_max_m: float) -> None:
        self._node, self._range_max_m = node, range_max_m
        self._out = node.add_output(msg.LabelInfo, "/perception/labels", qos.latched())

    def tell(self, calibration: ExistenceCalibration | None) -> None:
        """calibration: of the published existence; None: it is no probability."""
        labels = msg.LabelInfo(taxonomy=TAXONOMY, names=list(LABELS), parent=list(PARENTS))
        labels.model_id, labels.range_max_m = self._node.model_id, self._range_max_m
        labels.calibration_id = "" if calibration is None else calibration.id
        error = float("nan") if calibration is None else calibration.expected_error
        labels.expected_calibration_error = error
        self._out.publish(labels)
