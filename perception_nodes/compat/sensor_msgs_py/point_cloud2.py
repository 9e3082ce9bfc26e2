"""PointCloud2 to and from numpy arrays.

Argument errors are AssertionErrors, as upstream, for callers rely on it.
"""

import array
import sys
from collections import namedtuple
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.lib.recfunctions import structured_to_unstructured
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

DUMMY_FIELD_PREFIX = "unnamed_field"

_DATATYPES: dict[int, "np.dtype[Any]"] = {
    PointField.INT8: np.dtype(np.int8),
    PointField.UINT8: np.dtype(np.uint8),
    PointField.INT16: np.dtype(np.int16),
    PointField.UINT16: np.dtype(np.uint16),
    PointField.INT32: np.dtype(np.int32),
    PointField.UINT32: np.dtype(np.uint32),
    PointField.FLOAT32: np.dtype(np.float32),
    PointField.FLOAT64: np.dtype(np.float64),
}

_BIG_ENDIAN_HOST = sys.byteorder != "little"


def read_points(
    cloud: PointCloud2,
    field_names: Sequence[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable[int] | NDArray[Any] | None = None,
    reshape_organized_cloud: bool = False,
) -> NDArray[Any]:
    """The points as a structured array, a view of the message where the layout allows it.

    Args:
        cloud: the message; padded rows and either byte order are understood.
        field_names: fields to keep, in this order; all where None.
        skip_nans: leave out points with a NaN in a kept field, unless the cloud says that it is dense.
        uvs: indices of the points to keep, into the flat array (after `skip_nans`).
        reshape_organized_cloud: shape an organised cloud as (width, height), which is upstream's order.

    Raises:
        AssertionError: a name in `field_names` is not a field of the cloud.
        ValueError: the data is shorter than the size of the cloud says.
    """
    dtype = dtype_from_fields(cloud.fields, point_step=cloud.point_step)
    points = _flat_points(cloud, dtype)
    if field_names is not None:
        missing = [name for name in field_names if name not in (dtype.names or ())]
        if missing:
            raise AssertionError(
                f"fields {missing} are not in the cloud, which has {list(dtype.names or ())}"
            )
        points = points[list(field_names)]
    if bool(cloud.is_bigendian) != _BIG_ENDIAN_HOST:
        points = points.byteswap()
    if skip_nans and not cloud.is_dense:
        valid = np.ones(len(points), dtype=bool)
        for name in points.dtype.names or ():
            if points.dtype[name].kind == "f":
                valid &= ~np.isnan(points[name])
        points = points[valid]
    if uvs is not None:
        points = points[uvs if isinstance(uvs, np.ndarray) else np.fromiter(uvs, dtype=np.intp)]
    if reshape_organized_cloud and cloud.height > 1:
        points = points.reshape(cloud.width, cloud.height)
    return points


def _flat_points(cloud: PointCloud2, dtype: "np.dtype[Any]") -> NDArray[Any]:
    packed_row = cloud.width * cloud.point_step
    padded = cloud.height > 1 and cloud.row_step not in (0, packed_row)
    row_step = cloud.row_step if padded else packed_row
    needed = (cloud.height - 1) * row_step + packed_row if cloud.height else 0
    if len(cloud.data) < needed:
        raise ValueError(
            f"{cloud.height} x {cloud.width} points need {needed} bytes, data has {len(cloud.data)}"
        )
    points: NDArray[Any]
    if padded:
        strides = (row_step, cloud.point_step)
        rows: NDArray[Any] = np.ndarray(
            (cloud.height, cloud.width), dtype, buffer=cloud.data, strides=strides
        )
        points = rows.reshape(-1)
    else:
        points = np.ndarray((cloud.width * cloud.height,), dtype, buffer=cloud.data)
    return points


def read_points_numpy(
    cloud: PointCloud2,
    field_names: Sequence[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable[int] | NDArray[Any] | None = None,
    reshape_organized_cloud: bool = False,
) -> NDArray[Any]:
    """The points as (N, fields); arguments as `read_points`.

    Raises:
        AssertionError: a field is missing, or the fields kept differ in type.
    """
    types = {field.datatype for field in cloud.fields if field_names is None or field.name in field_names}
    if len(types) > 1:
        raise AssertionError("fields differ in type, which one array cannot hold: use read_points")
    points = read_points(cloud, field_names, skip_nans, uvs, reshape_organized_cloud)
    table: NDArray[Any] = structured_to_unstructured(points)
    return table


def read_points_list(
    cloud: PointCloud2,
    field_names: Sequence[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable[int] | NDArray[Any] | None = None,
) -> list[Any]:
    """The points as named tuples: a hundred times slower than an array. Arguments as `read_points`."""
    points = read_points(cloud, field_names, skip_nans, uvs)
    point_type = namedtuple("Point", points.dtype.names or (), rename=True)  # type: ignore[misc]  # noqa: PYI024
    return [point_type._make(point) for point in points.tolist()]


def dtype_from_fields(fields: Iterable[PointField], point_step: int | None = None) -> "np.dtype[Any]":
    """The structured type of a point; a field of several elements becomes `name_0`, `name_1`, ...

    Args:
        fields: with their offsets; one without a name is called `unnamed_field_<index>`.
        point_step: bytes of a point, the sum of the fields where None.

    Raises:
        AssertionError: a field has an unknown type or no elements, or two have the same name.
    """
    names: list[str] = []
    formats: list[np.dtype[Any]] = []
    offsets: list[int] = []
    for index, field in enumerate(fields):
        element = _DATATYPES.get(field.datatype)
        if element is None or field.count < 1:
            raise AssertionError(f"field {field.name!r}: datatype {field.datatype}, count {field.count}")
        name = field.name or f"{DUMMY_FIELD_PREFIX}_{index}"
        for number in range(field.count):
            names.append(name if field.count == 1 else f"{name}_{number}")
            formats.append(element)
            offsets.append(field.offset + number * element.itemsize)
    if len(set(names)) != len(names):
        raise AssertionError(f"two fields have the same name: {names}")
    if point_step is None:
        return np.dtype({"names": names, "formats": formats, "offsets": offsets})
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": point_step})


def create_cloud(
    header: Header,
    fields: Sequence[PointField],
    points: Iterable[Any],
    point_step: int | None = None,
) -> PointCloud2:
    """A cloud of points.

    Args:
        header: of the message.
        fields: with their offsets.
        points: a structured array of exactly the type of the fields, or anything of shape (N, elements of a point),
            or (A, B, elements), which gives an organised cloud of width A and height B (upstream's order).
        point_step: bytes of a point, the sum of the fields where None.

    Raises:
        AssertionError: the points do not fit the fields.
    """
    dtype = dtype_from_fields(fields, point_step)
    table = points if isinstance(points, np.ndarray) else np.array(list(points))
    records = table if table.dtype.names else _records(table, dtype)
    if records.dtype != dtype:
        raise AssertionError(f"points of type {records.dtype} do not fit the fields, which are {dtype}")
    width, height = (records.shape[0], records.shape[1]) if records.ndim > 1 else (records.size, 1)
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(records).reshape(-1).view(np.uint8).data if records.size else b"")
    cloud = PointCloud2(
        header=header,
        height=height,
        width=width,
        is_dense=False,
        is_bigendian=_BIG_ENDIAN_HOST,
        fields=fields,
        point_step=dtype.itemsize,
        row_step=dtype.itemsize * width,
    )
    cloud.data = data
    return cloud


def _records(table: NDArray[Any], dtype: "np.dtype[Any]") -> NDArray[Any]:
    names = dtype.names or ()
    if table.size == 0:
        return np.empty(0, dtype)
    if table.shape[-1] != len(names):
        raise AssertionError(
            f"points have {table.shape[-1]} values each, the fields {len(names)}: {list(names)}"
        )
    records = np.zeros(table.shape[:-1], dtype)
    for column, name in enumerate(names):
        records[name] = table[..., column]
    return records


def create_cloud_xyz32(header: Header, points: Iterable[Any]) -> PointCloud2:
    """A cloud of (N, 3) points in float32."""
    fields = [
        PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
        for index, name in enumerate("xyz")
    ]
    return create_cloud(header, fields, points)
