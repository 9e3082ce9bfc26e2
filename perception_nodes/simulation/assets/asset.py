"""One shape with its exact box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_nodes.datatypes import LABEL_INDEX, ConfigurationError

from .meshes import Mesh


@dataclass(frozen=True, eq=False)
class Asset:
    """A thing that stands on z = 0, looks along +x, and whose box is centred on x = y = 0.

    kind: what it is (catalogue word); label: class of the taxonomy; poses: one mesh, or one for each phase of a cycle
    (walking); lwh_m: box around all poses, of cars without mirrors as the public datasets label them; wheelbase_m: 0
    without wheels; rcs_dbsm: median radar cross section.
    """

    name: str
    kind: str
    label: str
    poses: tuple[Mesh, ...]
    lwh_m: tuple[float, float, float]
    wheelbase_m: float = 0.0
    rcs_dbsm: float = 0.0

    def __post_init__(self) -> None:
        if self.label not in LABEL_INDEX:
            raise ConfigurationError(
                f"asset {self.name}: label {self.label!r}: wanted one of {list(LABEL_INDEX)}"
            )

    @property
    def radius_m(self) -> float:
        """Of the sphere around the middle of the box that holds it."""
        return 0.5 * float(np.linalg.norm(self.lwh_m))

    @classmethod
    def standing(
        cls,
        name: str,
        kind: str,
        label: str,
        poses: Sequence[Mesh],
        *,
        lwh_m: tuple[float, float, float] | None = None,
        wheelbase_m: float = 0.0,
        rcs_dbsm: float = 0.0,
    ) -> Asset:
        """Centre all poses on the box around them and put them on the ground; lwh_m: box as people label it."""
        low = np.min([m.vertices.min(axis=0) for m in poses], axis=0)
        high = np.max([m.vertices.max(axis=0) for m in poses], axis=0)
        shift = -np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
        size = high - low
        lwh = lwh_m or (float(size[0]), float(size[1]), float(size[2]))
        return cls(name, kind, label, tuple(m.moved(shift) for m in poses), lwh, wheelbase_m, rcs_dbsm)
