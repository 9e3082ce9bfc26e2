"""PointCloud2 to and from arrays."""

from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2, PointField
from sensor_msgs_py import point_cloud2
from std_msgs.msg import Header

XYZ = np.arange(12, dtype=np.float32).reshape(4, 3)


def cloud_of(records: Any, kinds: dict[str, int]) -> PointCloud2:
    fields = [
        PointField(name=name, offset=records.dtype.fields[name][1], datatype=kind, count=1)
        for name, kind in kinds.items()
    ]
    return point_cloud2.create_cloud(Header(frame_id="lidar"), fields, records, records.dtype.itemsize)


@pytest.mark.parametrize("kind", list(point_cloud2._DATATYPES))
def test_every_type_survives_the_way_there_and_back(kind: int) -> None:
    dtype = point_cloud2._DATATYPES[kind]
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    values = np.array([limits.min, 0, 1, limits.max], dtype=dtype)
    fields = [PointField(name="value", offset=0, datatype=kind, count=1)]
    cloud = point_cloud2.create_cloud(Header(), fields, values.reshape(-1, 1))
    np.testing.assert_array_equal(point_cloud2.read_points(cloud)["value"], values)
    assert (cloud.width, cloud.height, cloud.point_step) == (4, 1, dtype.itemsize)


def test_reading_is_a_view_of_the_message() -> None:
    cloud = point_cloud2.create_cloud_xyz32(Header(), XYZ)
    points = point_cloud2.read_points(cloud, ("z", "x"))
    assert points.dtype.names == ("z", "x")
    cloud.data[0:4] = type(cloud.data)("B", np.float32(99.0).tobytes())
    assert points["x"][0] == 99.0


def test_the_other_byte_order_is_read() -> None:
    cloud = point_cloud2.create_cloud_xyz32(Header(), XYZ)
    cloud.data = type(cloud.data)("B", XYZ.byteswap().tobytes())
    cloud.is_bigendian = not cloud.is_bigendian
    np.testing.assert_array_equal(point_cloud2.read_points_numpy(cloud), XYZ)


@pytest.mark.usefixtures("drop_ins_only")
def test_padded_rows_are_skipped() -> None:
    cloud = point_cloud2.create_cloud_xyz32(Header(), XYZ)
    cloud.height, cloud.width, cloud.row_step = 2, 2, 2 * 12 + 5
    rows = XYZ.reshape(2, 6)
    cloud.data = type(cloud.data)("B", b"".join(row.tobytes() + b"12345" for row in rows))
    np.testing.assert_array_equal(point_cloud2.read_points_numpy(cloud), XYZ)


@pytest.mark.usefixtures("drop_ins_only")
def test_truncated_data_is_refused() -> None:
    from geometry_msgs.msg import TransformStamped
    from tf2_sensor_msgs import do_transform_cloud

    cloud = point_cloud2.create_cloud_xyz32(Header(), XYZ)
    cloud.data = cloud.data[:-1]
    with pytest.raises(ValueError, match="1 x 4 points need 48 bytes, data has 47"):
        point_cloud2.read_points(cloud)
    with pytest.raises(ValueError, match="1 x 4 points need 48 bytes, data has 47"):
        do_transform_cloud(cloud, TransformStamped())


def test_nans_are_skipped_in_the_kept_fields_unless_the_cloud_is_dense() -> None:
    holed = XYZ.copy()
    holed[1, 0] = np.nan
    holed[2, 2] = np.nan
    cloud = point_cloud2.create_cloud_xyz32(Header(), holed)
    assert len(point_cloud2.read_points(cloud)) == 4
    assert len(point_cloud2.read_points(cloud, skip_nans=True)) == 2
    assert len(point_cloud2.read_points(cloud, ("x", "y"), skip_nans=True)) == 3
    cloud.is_dense = True
    assert len(point_cloud2.read_points(cloud, skip_nans=True)) == 4


def test_chosen_points_are_read() -> None:
    cloud = point_cloud2.create_cloud_xyz32(Header(), XYZ)
    for uvs in ([3, 0], iter([3, 0]), np.array([3, 0])):
        np.testing.assert_array_equal(point_cloud2.read_points_numpy(cloud, uvs=uvs), XYZ[[3, 0]])


def test_lists_name_their_fields() -> None:
    first = point_cloud2.read_points_list(point_cloud2.create_cloud_xyz32(Header(), XYZ))[1]
    assert (first.x, first.y, first.z) == (3.0, 4.0, 5.0)


def test_mixed_fields_are_kept_apart() -> None:
    records = np.zeros(3, dtype=[("x", "<f4"), ("t", "<f8"), ("ring", "u1")])
    records["x"], records["t"], records["ring"] = [1, 2, 3], [1e9, 2e9, 3e9], [7, 8, 9]
    kinds = {"x": PointField.FLOAT32, "t": PointField.FLOAT64, "ring": PointField.UINT8}
    cloud = cloud_of(records, kinds)
    np.testing.assert_array_equal(point_cloud2.read_points(cloud), records)
    with pytest.raises(AssertionError):
        point_cloud2.read_points_numpy(cloud)
    np.testing.assert_array_equal(point_cloud2.read_points_numpy(cloud, ["x"]), records["x"].reshape(-1, 1))


def test_fields_may_be_nameless_or_repeat() -> None:
    fields = [
        PointField(name="", offset=0, datatype=PointField.FLOAT32, count=1),
        PointField(name="normal", offset=4, datatype=PointField.FLOAT32, count=3),
    ]
    dtype = point_cloud2.dtype_from_fields(fields)
    assert dtype.names == (f"{point_cloud2.DUMMY_FIELD_PREFIX}_0", "normal_0", "normal_1", "normal_2")
    assert [dtype.fields[name][1] for name in dtype.names] == [0, 4, 8, 12]


@pytest.mark.parametrize(
    "fields",
    [
        [PointField(name="x", datatype=99, count=1)],
        [PointField(name="x", datatype=PointField.FLOAT32, count=0)],
        [PointField(name="x", datatype=PointField.FLOAT32, count=1)] * 2,
    ],
)
@pytest.mark.usefixtures("drop_ins_only")
def test_bad_fields_are_refused(fields: list[PointField]) -> None:
    with pytest.raises(AssertionError, match="'x'"):
        point_cloud2.dtype_from_fields(fields)


@pytest.mark.usefixtures("drop_ins_only")
def test_mismatches_are_refused_by_name() -> None:
    cloud = point_cloud2.create_cloud_xyz32(Header(), XYZ)
    with pytest.raises(AssertionError, match=r"\['intensity'\] are not in the cloud"):
        point_cloud2.read_points(cloud, ["x", "intensity"])
    with pytest.raises(AssertionError, match="2 values each, the fields 3"):
        point_cloud2.create_cloud_xyz32(Header(), XYZ[:, :2])
    with pytest.raises(AssertionError, match="do not fit the fields"):
        point_cloud2.create_cloud(Header(), cloud.fields, np.zeros(2, dtype=[("x", "<f8")]))


def test_a_cloud_may_be_empty() -> None:
    cloud = point_cloud2.create_cloud_xyz32(Header(), np.empty((0, 3), np.float32))
    assert (cloud.width, len(cloud.data)) == (0, 0)
    assert point_cloud2.read_points_numpy(cloud).shape == (0, 3)
