"""Rays against triangles by Intel's embree 4, whose library comes with the package embreex.

The package itself asks for one ray after the other. Rays that follow each other here look the same way, so kernels hand
them over in packets, which takes a third of the time. Found in `rtcore_ray.h` and `rtcore_common.h` of embree 4.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from importlib import metadata
from typing import Any, Final
from weakref import finalize

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt
from numba import njit, types

from perception_nodes.datatypes import ConfigurationError

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]

# Rays of a packet: what the library takes as RTCRayHit16 and RTCRay16, columns of so many 4-byte values.
PACKET: Final = 16
_ORIGIN, _NEAR, _WAY, _TIME, _FAR, _MASK, _ID, _FLAGS, _RAY_COLUMNS = 0, 3, 4, 7, 8, 9, 10, 11, 12
_TRIANGLE, _GEOMETRY, _HIT_COLUMNS = 17, 18, 20
_NONE: Final = 0xFFFFFFFF
_COHERENT: Final = 1 << 16
_TRIANGLES, _INDEX, _VERTEX, _UINT3, _FLOAT3 = 0, 0, 1, 0x5003, 0x9003


def _library() -> ctypes.CDLL:
    try:
        files = metadata.files("embreex") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name.startswith("libembree4"):
            path = str(file.locate())
            llvm.load_library_permanently(path)
            return _declared(ctypes.CDLL(path))
    raise ConfigurationError(
        "the simulator needs embree 4, which the package embreex brings: pip install 'embreex>=4.4'"
    )


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    handle, number, size = ctypes.c_void_p, ctypes.c_uint, ctypes.c_size_t
    for name, result, arguments in (
        ("rtcNewDevice", handle, (ctypes.c_char_p,)),
        ("rtcGetDeviceError", ctypes.c_int, (handle,)),
        ("rtcNewScene", handle, (handle,)),
        ("rtcNewGeometry", handle, (handle, ctypes.c_int)),
        ("rtcSetNewGeometryBuffer", handle, (handle, ctypes.c_int, number, ctypes.c_int, size, size)),
        ("rtcCommitGeometry", None, (handle,)),
        ("rtcAttachGeometry", number, (handle, handle)),
        ("rtcReleaseGeometry", None, (handle,)),
        ("rtcCommitScene", None, (handle,)),
        ("rtcReleaseScene", None, (handle,)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


_EMBREE: Final = _library()
_call = types.void, types.intp
_intersect = types.ExternalFunction(f"rtcIntersect{PACKET}", _call[0](*4 * [_call[1]]))
_occluded = types.ExternalFunction(f"rtcOccluded{PACKET}", _call[0](*4 * [_call[1]]))


@lru_cache(maxsize=1)
def _device() -> int:
    """One for all; it builds with one thread, so that a scene is the same whatever the machine."""
    device = _EMBREE.rtcNewDevice(b"threads=1,set_affinity=0")
    if not device:
        raise ConfigurationError(f"embree: no device, error {_EMBREE.rtcGetDeviceError(None)}")
    return int(device)


class Triangles:
    """What rays can meet: vertices (V, 3), triangles (T, 3). Both sides of a triangle stop rays."""

    def __init__(self, vertices: F32, triangles: I32) -> None:
        device = _device()
        scene, geometry = _EMBREE.rtcNewScene(device), _EMBREE.rtcNewGeometry(device, _TRIANGLES)
        _fill(geometry, _VERTEX, _FLOAT3, np.ascontiguousarray(vertices, np.float32))
        _fill(geometry, _INDEX, _UINT3, np.ascontiguousarray(triangles, np.uint32))
        _EMBREE.rtcCommitGeometry(geometry)
        _EMBREE.rtcAttachGeometry(scene, geometry)
        _EMBREE.rtcReleaseGeometry(geometry)
        _EMBREE.rtcCommitScene(scene)
        if error := _EMBREE.rtcGetDeviceError(device):
            raise ConfigurationError(f"embree: {len(triangles)} triangles cannot be built, error {error}")
        self._scene = int(scene)
        finalize(self, _EMBREE.rtcReleaseScene, scene)

    def cast(self, origins: F32, directions: F32) -> tuple[F32, I32]:
        """Range (N,), inf = nothing, and triangle (N,), -1 = nothing, of rays (N, 3)."""
        range_m, triangle = np.empty(len(origins), np.float32), np.empty(len(origins), np.int32)
        _cast(self._scene, origins, directions, range_m, triangle)
        return range_m, triangle

    def stops(self, origins: F32, directions: F32) -> npt.NDArray[np.bool_]:
        """(N,) whether anything lies along the ray."""
        out = np.empty(len(origins), np.bool_)
        _stops(self._scene, origins, directions, out)
        return out


def _fill(geometry: int, kind: int, layout: int, rows: npt.NDArray[Any]) -> None:
    place = _EMBREE.rtcSetNewGeometryBuffer(geometry, kind, 0, layout, rows.strides[0], len(rows))
    if len(rows):
        ctypes.memmove(place, rows.ctypes.data, rows.nbytes)


_KERNEL: Final = {"cache": True, "nogil": True, "error_model": "numpy"}


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _cast(scene: int, origins: Any, directions: Any, range_m: Any, triangle: Any) -> None:
    rays, valid, arguments = _room(_HIT_COLUMNS)
    numbers = rays.view(np.uint32)
    for first in range(0, len(origins), PACKET):
        count = min(PACKET, len(origins) - first)
        _load(origins[first : first + count], directions[first : first + count], rays, numbers, valid)
        for i in range(PACKET):
            numbers[_GEOMETRY * PACKET + i] = _NONE
        _intersect(valid.ctypes.data, scene, rays.ctypes.data, arguments.ctypes.data)
        for i in range(count):
            met = numbers[_GEOMETRY * PACKET + i] != _NONE
            range_m[first + i] = rays[_FAR * PACKET + i]
            triangle[first + i] = numbers[_TRIANGLE * PACKET + i] if met else -1


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _stops(scene: int, origins: Any, directions: Any, out: Any) -> None:
    rays, valid, arguments = _room(_RAY_COLUMNS)
    numbers = rays.view(np.uint32)
    for first in range(0, len(origins), PACKET):
        count = min(PACKET, len(origins) - first)
        _load(origins[first : first + count], directions[first : first + count], rays, numbers, valid)
        _occluded(valid.ctypes.data, scene, rays.ctypes.data, arguments.ctypes.data)
        for i in range(count):
            out[first + i] = rays[_FAR * PACKET + i] < 0


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _room(columns: int) -> Any:
    """Memory on 64-byte borders: a packet of some columns, which of its rays count, and RTCIntersectArguments."""
    memory = np.zeros((columns + 2) * PACKET + 16, np.float32)
    at = (-(memory.ctypes.data // 4)) % 16
    rays = memory[at : at + columns * PACKET]
    at += columns * PACKET
    valid, arguments = memory[at : at + PACKET].view(np.int32), memory[at + PACKET :].view(np.uint32)
    arguments[0], arguments[1] = _COHERENT, _NONE
    return rays, valid, arguments


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _load(origins: Any, directions: Any, rays: Any, numbers: Any, valid: Any) -> None:
    count = len(origins)
    for i in range(PACKET):
        valid[i] = -1 if i < count else 0
        rays[_NEAR * PACKET + i], rays[_TIME * PACKET + i] = 0.0, 0.0
        rays[_FAR * PACKET + i] = np.inf
        numbers[_MASK * PACKET + i], numbers[_ID * PACKET + i], numbers[_FLAGS * PACKET + i] = _NONE, 0, 0
    for i in range(count):
        for c in range(3):
            rays[(_ORIGIN + c) * PACKET + i] = origins[i, c]
            rays[(_WAY + c) * PACKET + i] = directions[i, c]
