"""Point clouds into another frame."""

import array
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import Transform, TransformStamped
from numpy.typing import NDArray
from perception_compat.rigid import rotation_matrix
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import dtype_from_fields
from tf2_ros import ConvertRegistration, TransformRegistration

_AXES = ("x", "y", "z")


def transform_points(point_cloud: NDArray[Any], transform: Transform) -> NDArray[np.float64]:
    """(N, 3) points in the source frame -> (N, 3) in the target frame."""
    points = np.asarray(point_cloud)
    moved = np.empty((len(points), 3))
    for row, values in enumerate(_moved_axes([points[:, axis] for axis in range(3)], transform)):
        moved[:, row] = values
    return moved


def _moved_axes(axes: Sequence[NDArray[Any]], transform: Transform) -> Iterator[NDArray[np.float64]]:
    """x, y and z in the target frame. No matrix product: BLAS threads cost more than they give on busy cores."""
    q, t = transform.rotation, transform.translation
    sources = [np.asarray(axis, dtype=np.float64) for axis in axes]
    term = np.empty_like(sources[0])
    for row, shift in zip(rotation_matrix((q.x, q.y, q.z, q.w)), (t.x, t.y, t.z), strict=True):
        moved = np.full_like(term, shift)
        for factor, source in zip(row, sources, strict=True):
            moved += np.multiply(source, factor, out=term)
        yield moved


def do_transform_cloud(cloud: PointCloud2, transform: TransformStamped | Transform) -> PointCloud2:
    """The cloud with x, y, z in the target frame; other fields, padding and layout are kept as they are.

    The result carries the header of the transform, or of the cloud where a bare `Transform` is given.

    Raises:
        ValueError: the cloud has no x, y and z, or its data is shorter than its size says.
    """
    header, bare = cloud.header, transform
    if hasattr(transform, "header"):
        header, bare = transform.header, transform.transform
    dtype = dtype_from_fields(cloud.fields, point_step=cloud.point_step)
    missing = [axis for axis in _AXES if axis not in (dtype.names or ())]
    if missing:
        raise ValueError(f"cloud has no field {', '.join(missing)}; it has {list(dtype.names or ())}")
    if cloud.is_bigendian:
        dtype = dtype.newbyteorder(">")
    needed = max(cloud.height - 1, 0) * cloud.row_step + cloud.width * cloud.point_step
    if len(cloud.data) < needed:
        raise ValueError(
            f"{cloud.height} x {cloud.width} points need {needed} bytes, data has {len(cloud.data)}"
        )
    data = array.array("B")
    data.frombytes(memoryview(cloud.data))
    points = np.ndarray(
        (cloud.height, cloud.width), dtype, buffer=data, strides=(cloud.row_step, cloud.point_step)
    )
    for axis, values in zip(_AXES, list(_moved_axes([points[axis] for axis in _AXES], bare)), strict=True):
        points[axis] = values
    result = PointCloud2(
        header=header,
        height=cloud.height,
        width=cloud.width,
        fields=cloud.fields,
        is_bigendian=cloud.is_bigendian,
        point_step=cloud.point_step,
        row_step=cloud.row_step,
        is_dense=cloud.is_dense,
    )
    result.data = data
    return result


def _itself(message: Any) -> Any:
    return message


TransformRegistration().add(PointCloud2, do_transform_cloud)
ConvertRegistration().add_to_msg(PointCloud2, _itself)
ConvertRegistration().add_from_msg(PointCloud2, _itself)
