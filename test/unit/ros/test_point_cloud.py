"""PointCloud2 of any layout: the same points come out."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2, PointField

from perception_nodes.datatypes import MalformedMessage
from perception_nodes.ros.convert import from_msg, to_msg

CODES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}
XYZ = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [10.0, 11.0, 12.0]])


def message(
    columns: dict[str, tuple[str, np.ndarray]],
    *,
    padding: int = 0,
    big: bool = False,
    height: int = 1,
    row_padding: int = 0,
) -> PointCloud2:
    """A cloud with these columns in this order, `padding` unused bytes after each field."""
    order = ">" if big else "<"
    formats = [order + code for code, _ in columns.values()]
    offsets, at = [], 0
    for text in formats:
        offsets.append(at)
        at += np.dtype(text).itemsize + padding
    dtype = np.dtype({"names": list(columns), "formats": formats, "offsets": offsets, "itemsize": at})
    n = len(next(iter(columns.values()))[1])
    rows = np.zeros(n, dtype)
    for name, (_, values) in columns.items():
        rows[name] = values
    width = n // height
    raw = rows.view(np.uint8).reshape(height, width * at)
    raw = np.concatenate([raw, np.zeros((height, row_padding), np.uint8)], axis=1)
    out = PointCloud2(
        header=to_msg.header(5, "top"), height=height, width=width, is_bigendian=big, point_step=at
    )
    out.row_step = width * at + row_padding
    out.fields = [
        PointField(name=n, offset=o, datatype=CODES[c], count=1)
        for (n, (c, _)), o in zip(columns.items(), offsets, strict=True)
    ]
    out.data.frombytes(raw.tobytes())
    return out


def xyz(code: str = "f4", order: str = "xyz") -> dict[str, tuple[str, np.ndarray]]:
    return {name: (code, XYZ[:, "xyz".index(name)]) for name in order}


@pytest.mark.parametrize("code", ["f4", "f8", "i2", "u1", "i4"])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("shape", [(1, 0), (2, 0), (2, 5)])
def test_layouts(code: str, padding: int, big: bool, shape: tuple[int, int]) -> None:
    cloud = from_msg.point_cloud(
        message(xyz(code, "zxy"), padding=padding, big=big, height=shape[0], row_padding=shape[1])
    )
    np.testing.assert_array_equal(cloud.xyz_m, XYZ.astype(np.float32))
    assert (cloud.stamp_ns, cloud.frame_id, cloud.intensity, cloud.time_s) == (5, "top", None, None)


@pytest.mark.parametrize("name", ["intensity", "i", "reflectivity"])
def test_intensity_names_and_types(name: str) -> None:
    cloud = from_msg.point_cloud(message({**xyz(), name: ("u2", np.array([0, 1, 255, 65535]))}))
    assert cloud.intensity is not None
    assert cloud.intensity.tolist() == [0.0, 1.0, 255.0, 65535.0]


def test_ring() -> None:
    cloud = from_msg.point_cloud(message({**xyz(), "ring": ("u1", np.arange(4))}))
    assert cloud.ring is not None and cloud.ring.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("name", "code", "values", "expected"),
    [
        ("t", "u4", [0, 10_000_000, 20_000_000, 100_000_000], [0.0, 0.01, 0.02, 0.1]),
        ("time", "f4", [-0.1, -0.05, -0.01, 0.0], [-0.1, -0.05, -0.01, 0.0]),
        ("timestamp", "f8", [1e9 + 0.1, 1e9 + 0.2, 1e9 + 0.3, 1e9 + 0.4], [0.1, 0.2, 0.3, 0.4]),
        ("timestamp", "f8", [1e18 + 1e8, 1e18 + 2e8, 1e18 + 3e8, 1e18 + 4e8], [0.1, 0.2, 0.3, 0.4]),
    ],
)
def test_times(name: str, code: str, values: list[float], expected: list[float]) -> None:
    made = message({**xyz(), name: (code, np.array(values))})
    made.header = to_msg.header(1_000_000_000 * 10**9 if code == "f8" else 5, "top")
    cloud = from_msg.point_cloud(made)
    assert cloud.time_s is not None
    np.testing.assert_allclose(cloud.time_s, expected, atol=1e-6)


def test_points_that_are_not_finite_are_removed_and_counted() -> None:
    bad = XYZ.copy()
    bad[1, 2], bad[3, 0] = np.nan, np.inf
    columns = {n: ("f4", bad[:, k]) for k, n in enumerate("xyz")} | {"intensity": ("f4", np.arange(4))}
    cloud = from_msg.point_cloud(message(columns))
    assert cloud.invalid_points == 2
    np.testing.assert_array_equal(cloud.xyz_m, XYZ[[0, 2]].astype(np.float32))
    assert cloud.intensity is not None and cloud.intensity.tolist() == [0.0, 2.0]


def test_empty_cloud() -> None:
    empty = {n: ("f4", np.zeros(0)) for n in "xyz"}
    assert len(from_msg.point_cloud(message(empty))) == 0


def test_missing_coordinate_is_named() -> None:
    with pytest.raises(MalformedMessage, match=r"no field \['z'\]: it has \['x', 'y'\]"):
        from_msg.point_cloud(message(xyz(order="xy")))


def test_truncated_data_is_named() -> None:
    made = message(xyz())
    made.data = made.data[:-1]
    with pytest.raises(MalformedMessage, match="wanted 48 bytes of data, got 47"):
        from_msg.point_cloud(made)


def test_impossible_fields_are_named() -> None:
    made = message(xyz())
    made.fields[0].datatype = 99
    with pytest.raises(MalformedMessage, match="unknown datatype 99"):
        from_msg.point_cloud(made)
    made = message(xyz())
    made.fields[2].offset = 10
    with pytest.raises(MalformedMessage, match="'z' at offset 10 does not fit into a point of 12 bytes"):
        from_msg.point_cloud(made)
    made = message(xyz())
    made.fields[2].name = "x"
    with pytest.raises(MalformedMessage, match=r"field name occurs twice|no field"):
        from_msg.point_cloud(made)


def test_a_coordinate_of_several_values_is_named() -> None:
    made = message(xyz())
    made.fields[0].count = 2
    with pytest.raises(MalformedMessage, match="'x' has 2 values a point: wanted 1"):
        from_msg.point_cloud(made)


@pytest.mark.parametrize("step", [1 << 17, 1 << 31])
def test_points_of_impossible_size_are_named(step: int) -> None:
    made = message(xyz())
    made.point_step, made.width = step, 0
    with pytest.raises(MalformedMessage, match=f"points of {step} bytes"):
        from_msg.point_cloud(made)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_a_time_that_is_none_moves_no_point(bad: float) -> None:
    times = np.array([-0.1, bad, -0.02, 0.0])
    cloud = from_msg.point_cloud(message(xyz() | {"time": ("f8", times)}))
    assert cloud.time_s is not None and cloud.time_s[1] == 0.0
    assert np.isfinite(cloud.time_s).all()


def test_a_coordinate_too_large_for_float32_is_not_finite() -> None:
    columns = {n: ("f8", np.array([1.0, 1e300])) for n in "xyz"}
    assert from_msg.point_cloud(message(columns)).invalid_points == 1
