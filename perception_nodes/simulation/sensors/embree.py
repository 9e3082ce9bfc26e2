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
_ORIGIN, _WAY, _FAR, _MASK, RAY_COLUMNS = 0, 4, 8, 9, 12
_TRIANGLE, _GEOMETRY, HIT_COLUMNS = 17, 18, 20
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
    """What rays can meet: vertices (V, 3), triangles (T, 3); both sides of a triangle stop rays. scene: for kernels."""

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
        self.scene = int(scene)
        finalize(self, _EMBREE.rtcReleaseScene, scene)

    def cast(self, origins: F32, directions: F32) -> tuple[F32, I32]:
        """Range (N,), inf = nothing, and triangle (N,), -1 = nothing, of rays (N, 3)."""
        range_m, triangle = np.empty(len(origins), np.float32), np.empty(len(origins), np.int32)
        _cast(self.scene, origins, directions, range_m, triangle)
        return range_m, triangle

    def stops(self, origins: F32, directions: F32) -> npt.NDArray[np.bool_]:
        """(N,) whether anything lies along the ray; directions (N, 3), or (1, 3) of all."""
        out = np.empty(len(origins), np.bool_)
        _stops(self.scene, origins, directions, out)
        return out


def _fill(geometry: int, kind: int, layout: int, rows: npt.NDArray[Any]) -> None:
    place = _EMBREE.rtcSetNewGeometryBuffer(geometry, kind, 0, layout, rows.strides[0], len(rows))
    if len(rows):
        ctypes.memmove(place, rows.ctypes.data, rows.nbytes)


_KERNEL: Final = {"cache": True, "nogil": True, "error_model": "numpy"}


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _cast(scene: int, origins: Any, directions: Any, range_m: Any, triangle: Any) -> None:
    packet = room(HIT_COLUMNS)
    for first in range(0, len(origins), PACKET):
        count = min(PACKET, len(origins) - first)
        for i in range(count):
            load(packet[0], i, origins[first + i], directions[first + i])
        meet(scene, packet, count)
        for i in range(count):
            range_m[first + i], triangle[first + i] = met(packet, i)


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _stops(scene: int, origins: Any, directions: Any, out: Any) -> None:
    packet = room(RAY_COLUMNS)
    step = 1 if len(directions) > 1 else 0
    for first in range(0, len(origins), PACKET):
        count = min(PACKET, len(origins) - first)
        for i in range(count):
            load(packet[0], i, origins[first + i], directions[step * (first + i)])
        stop(scene, packet, count)
        for i in range(count):
            out[first + i] = stopped(packet, i)


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def room(columns: int) -> Any:
    """Memory for a packet, on 64-byte borders: rays, the same as numbers, which count, RTCIntersectArguments."""
    memory = np.zeros((columns + 2) * PACKET + 16, np.float32)
    at = (-(memory.ctypes.data // 4)) % 16
    rays = memory[at : at + columns * PACKET]
    at += columns * PACKET
    valid, arguments = memory[at : at + PACKET].view(np.int32), memory[at + PACKET :].view(np.uint32)
    arguments[0], arguments[1] = _COHERENT, _NONE
    numbers = rays.view(np.uint32)
    numbers[_MASK * PACKET : (_MASK + 1) * PACKET] = _NONE
    return rays, numbers, valid, arguments


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def load(rays: Any, i: int, origin: Any, direction: Any) -> None:
    """The ray with a number in the packet."""
    for c in range(3):
        rays[(_ORIGIN + c) * PACKET + i] = origin[c]
        rays[(_WAY + c) * PACKET + i] = direction[c]


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _begin(packet: Any, count: int) -> None:
    rays, _, valid, _ = packet
    for i in range(PACKET):
        valid[i] = -1 if i < count else 0
        rays[_FAR * PACKET + i] = np.inf


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def meet(scene: int, packet: Any, count: int) -> None:
    """Let the first rays of a packet of HIT_COLUMNS meet what they can."""
    rays, numbers, valid, arguments = packet
    _begin(packet, count)
    for i in range(PACKET):
        numbers[_GEOMETRY * PACKET + i] = _NONE
    _intersect(valid.ctypes.data, scene, rays.ctypes.data, arguments.ctypes.data)


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def met(packet: Any, i: int) -> Any:
    """Range and triangle of a ray; inf and -1 if it met nothing."""
    rays, numbers, _, _ = packet
    hit = numbers[_GEOMETRY * PACKET + i] != _NONE
    return rays[_FAR * PACKET + i], np.int64(numbers[_TRIANGLE * PACKET + i]) if hit else -1


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def stop(scene: int, packet: Any, count: int) -> None:
    """Ask whether anything stops the first rays of a packet of RAY_COLUMNS."""
    rays, _, valid, arguments = packet
    _begin(packet, count)
    _occluded(valid.ctypes.data, scene, rays.ctypes.data, arguments.ctypes.data)


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def stopped(packet: Any, i: int) -> bool:
    """Whether something stops a ray."""
    return packet[0][_FAR * PACKET + i] < 0  # type: ignore[no-any-return]
