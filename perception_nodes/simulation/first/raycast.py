"""Rays against meshes: one embree scene a mesh. A moving mesh keeps its scene; the rays come into its frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.simulation.assets.meshes import Mesh

try:
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene
except ImportError as error:
    raise ConfigurationError(
        "the simulated street needs embreex, which is absent: pip install embreex"
    ) from error

F32 = npt.NDArray[np.float32]


class Caster:
    """First hits on one mesh."""

    def __init__(self, mesh: Mesh) -> None:
        self._scene: Any = EmbreeScene()
        vertices = np.ascontiguousarray(mesh.vertices, np.float32)
        triangles = np.ascontiguousarray(mesh.triangles, np.int32)
        self._keep = TriangleMesh(self._scene, vertices, triangles)
        v = mesh.vertices[mesh.triangles]
        normal = np.cross(v[:, 1] - v[:, 0], v[:, 2] - v[:, 0])
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        self.normals = (normal / np.where(length > 0, length, 1.0)).astype(np.float32)
        self.material = mesh.material

    def cast(self, origins_m: F32, directions: F32, limit_m: float) -> tuple[F32, npt.NDArray[np.int64]]:
        """Range (N,) m (inf = nothing) and triangle (N,) of unit rays."""
        hit = self._scene.run(origins_m, directions, output=1)
        triangle = np.asarray(hit["primID"], np.int64)
        range_m = np.asarray(hit["tfar"], np.float32)
        missed = (triangle < 0) | (range_m > limit_m)
        return np.where(missed, np.float32(np.inf), range_m), np.where(missed, 0, triangle)

    def surface(self, triangle: npt.NDArray[np.int64], directions: F32) -> tuple[npt.NDArray[np.uint8], F32]:
        """Material and cosine of incidence (both faces alike) of hits."""
        cosine = np.abs(np.einsum("ij,ij->i", self.normals[triangle], directions))
        return self.material[triangle], cosine.astype(np.float32)
