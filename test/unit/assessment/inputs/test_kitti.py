"""KITTI text and PointRCNN csv: lines to values, the real files, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perception_nodes.assessment.inputs import (
    is_kitti_tracking,
    kitti_box_frames,
    paired_kitti_frames,
    read_kitti_frames,
    read_kitti_objects,
    read_kitti_sequences,
    read_kitti_tracking,
    read_pointrcnn,
)
from perception_nodes.datatypes import CAR, UNKNOWN, InputError

CAR_LINE = "Car 0.10 2 -1.5 10 20 110 80 1.5 1.6 4.0 2.0 1.7 20.0 0.3"


def write(folder: Path, text: str) -> Path:
    path = folder / "0000.txt"
    path.write_text(text)
    return path


def test_an_object_line(tmp_path: Path) -> None:
    objects = read_kitti_objects(
        write(tmp_path, f"{CAR_LINE}\n\n{CAR_LINE.replace('Car', 'person_sitting')} 0.75\n")
    )
    assert objects.type.tolist() == ["Car", "Person_sitting"]
    assert objects.truncated[0] == 0.1 and objects.occluded[0] == 2 and objects.alpha_rad[0] == -1.5
    assert objects.bbox_px[0].tolist() == [10, 20, 110, 80]
    assert objects.hwl_m[0].tolist() == [1.5, 1.6, 4.0]
    assert objects.bottom_m[0].tolist() == [2.0, 1.7, 20.0] and objects.rotation_y_rad[0] == 0.3
    assert np.isnan(objects.score[0]) and objects.score[1] == 0.75


def test_tracking_lines_come_by_frame(tmp_path: Path) -> None:
    text = f"2 7 {CAR_LINE} 3.5\n0 -1 {CAR_LINE.replace('Car', 'DontCare')}\n"
    frames = read_kitti_tracking(write(tmp_path, text))
    assert [len(f) for f in frames] == [1, 0, 1]
    assert frames[2].track_id.tolist() == [7] and frames[2].score.tolist() == [3.5]
    assert len(read_kitti_tracking(write(tmp_path, text), num_frames=5)) == 5
    assert read_kitti_tracking(write(tmp_path, "")) == []


def test_a_csv_line(tmp_path: Path) -> None:
    frames = read_pointrcnn(write(tmp_path, "1,2,10,20,110,80,9.5,1.5,1.6,4.0,2.0,1.7,20.0,0.3,-1.5\n"))
    one = frames[1]
    assert (len(frames), one.type.tolist(), one.score.tolist()) == (2, ["Car"], [9.5])
    assert one.hwl_m[0].tolist() == [1.5, 1.6, 4.0] and one.bottom_m[0].tolist() == [2.0, 1.7, 20.0]
    assert one.rotation_y_rad[0] == 0.3 and one.alpha_rad[0] == -1.5 and one.track_id[0] == -1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CAR_LINE.rsplit(" ", 1)[0], "0000.txt:1: wanted a type and 14 numbers"),
        (CAR_LINE.replace("4.0", "nan"), "0000.txt:1: wanted a finite number, got 'nan'"),
        (f"{CAR_LINE}\n{CAR_LINE.replace('4.0', 'x')}", "0000.txt:2: wanted a finite number, got 'x'"),
        (CAR_LINE.replace("Car", "Bus"), "type 'Bus' is not one of"),
    ],
)
def test_wrong_object_lines_are_named(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_kitti_objects(write(tmp_path, text))


def test_wrong_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_kitti_objects(tmp_path / "none.txt")
    with pytest.raises(InputError, match="wanted frame, id and an object"):
        read_kitti_tracking(write(tmp_path, "3\n"))
    with pytest.raises(InputError, match=r"wanted a whole number, got '1\.5'"):
        read_kitti_tracking(write(tmp_path, f"1.5 0 {CAR_LINE}"))
    with pytest.raises(InputError, match="frame: wanted a whole number from 0 to 999999, got -1"):
        read_kitti_tracking(write(tmp_path, f"-1 0 {CAR_LINE}"))
    with pytest.raises(InputError, match="frame 9 lies behind the sequence's 5 frames"):
        read_kitti_tracking(write(tmp_path, f"9 0 {CAR_LINE}"), num_frames=5)
    with pytest.raises(InputError, match="wanted 15 values separated by commas, got 3"):
        read_pointrcnn(write(tmp_path, "0,2,3"))
    with pytest.raises(InputError, match=r"type: wanted one of \[1, 2, 3\], got 4"):
        read_pointrcnn(write(tmp_path, "1,4,10,20,110,80,9.5,1.5,1.6,4.0,2.0,1.7,20.0,0.3,-1.5"))


def test_boxes_for_the_own_protocol(tmp_path: Path) -> None:
    """A car 20 m ahead and 2 m to the right; ry runs from right over towards us, so yaw = -90 degrees - ry."""
    line = "Car 0 0 -10 0 0 50 50 1.5 1.6 4.0 2.0 1.7 20.0 0.4"
    text = f"1 5 {line}\n1 6 {line.replace('Car', 'Tram')}\n1 -1 {line.replace('Car', 'DontCare')}\n"
    frames = kitti_box_frames(read_kitti_tracking(write(tmp_path, text)))
    assert [(f.stamp_ns, len(f)) for f in frames] == [(0, 0), (100_000_000, 2)]
    one = frames[1]
    assert one.id.tolist() == [5, 6] and one.label.tolist() == [CAR, UNKNOWN]
    np.testing.assert_allclose(one.center_m[0], [20.0, -2.0, -1.7 + 0.75])
    np.testing.assert_allclose(one.lwh_m[0], [4.0, 1.6, 1.5])
    assert one.yaw_rad[0] == pytest.approx(-np.pi / 2 - 0.4)
    assert one.range_m[0] == pytest.approx(np.hypot(20, 2)) and np.isnan(one.velocity_mps).all()


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no KITTI text files"):
        is_kitti_tracking(tmp_path)
    (tmp_path / "000001.txt").write_text("")
    with pytest.raises(InputError, match="all text files are empty"):
        is_kitti_tracking(tmp_path)
    (tmp_path / "000002.txt").write_text(CAR_LINE)
    assert not is_kitti_tracking(tmp_path)
    assert {name: len(f) for name, f in read_kitti_frames(tmp_path).items()} == {"000001": 0, "000002": 1}
    (tmp_path / "000001.txt").write_text(f"4 0 {CAR_LINE}")
    assert is_kitti_tracking(tmp_path)
    (tmp_path / "000002.txt").unlink()
    assert [len(f) for f in read_kitti_sequences(tmp_path)["000001"]] == [0, 0, 0, 0, 1]


def test_frames_are_paired_by_name(tmp_path: Path) -> None:
    one = read_kitti_objects(write(tmp_path, CAR_LINE))
    truth, results = paired_kitti_frames({"2": one, "1": one}, {"2": one})
    assert [len(t) for t in truth] == [1, 1] and [len(r) for r in results] == [0, 1]
    with pytest.raises(InputError, match="results of frame 3"):
        paired_kitti_frames({"2": one}, {"3": one})


def test_the_real_sequences(shared_data: Path) -> None:
    folder = shared_data / "kitti_tracking"
    labels = read_kitti_tracking(folder / "label_02" / "0002.txt")
    assert sum((f.type == "Car").sum() for f in labels) > 500
    detections = read_pointrcnn(folder / "det3d_pointrcnn_Car" / "0002.txt", num_frames=len(labels))
    assert sum(len(f) for f in detections) == 1255
    assert all((f.type == "Car").all() for f in detections)
    boxes = kitti_box_frames(labels)
    assert all(
        (f.label == CAR).sum() == np.isin(o.type, ["Car", "Van"]).sum()
        for f, o in zip(boxes, labels, strict=True)
    )
