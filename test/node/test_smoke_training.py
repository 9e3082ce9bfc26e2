"""A minute of training from nothing: streets, steps, a kill, a resume, export, and the node that runs what came out."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sensor_msgs.msg import PointCloud2, PointField

torch = pytest.importorskip("torch", reason="needs the extra [train]")
pytest.importorskip("onnxscript", reason="needs the extra [train]")

from perception_nodes.datasets.rigs import known_rig  # noqa: E402
from perception_nodes.datatypes import PointCloud, load_rig  # noqa: E402
from perception_nodes.detection.config import GeometricConfig  # noqa: E402
from perception_nodes.detection.learned_choice import open_detector  # noqa: E402
from perception_nodes.detection.learned_config import LearnedConfig, RuntimeConfig  # noqa: E402
from perception_nodes.simulation.iterator import Drives  # noqa: E402
from perception_nodes.training import lidar  # noqa: E402
from perception_nodes.training.config import AugmentConfig, TrainConfig  # noqa: E402
from perception_nodes.training.simulate import HELD_OUT_SEED  # noqa: E402
from perception_nodes.training.store import FrameStore  # noqa: E402

RIG = known_rig("vlp16")
# Few frames, shown as they are: they are soon known by heart, and that is all that a minute is for.
PLAIN = AugmentConfig(
    flip=0.0, turn_rad=0.0, scale=0.0, shift_m=0.0, object_share=0.0, paste=0, clutter=0, drop_beams=0.0,
    drop_points=0.0, range_std_m=0.0, tilt_rad=0.0, height_m=0.0, no_intensity=0.0, scramble=0.0,
)  # fmt: skip
CONFIG = TrainConfig(
    size="tiny", steps=90, batch=2, workers=0, checkpoint_every=20, evaluate_every=25, learning_rate=6e-3,
    augment=PLAIN,
)  # fmt: skip
DRIVES = Drives(frames=3, stride=5, street="straight", weather_share=0.0)


def options(folder: Path, name: str, resume: bool = False) -> lidar.LidarOptions:
    return lidar.LidarOptions(
        (RIG,), folder / name, CONFIG, DRIVES, streets=2, held_out=1, resume=resume, data=folder / "data"
    )


def train_with_a_kill(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """Broken off at the second score, in step 50 with a checkpoint of step 40, then gone on with."""
    calls = []
    score = lidar.score_store

    def killed(*args: Any, **known: Any) -> Any:
        calls.append(0)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return score(*args, **known)

    monkeypatch.setattr(lidar, "score_store", killed)
    with pytest.raises(KeyboardInterrupt):
        lidar.train_lidar(options(folder, "killed"), Console(quiet=True))
    saved = torch.load(folder / "killed" / lidar.CHECKPOINT, weights_only=True)
    assert saved["step"] == 40
    console = Console(record=True, width=200, file=io.StringIO())
    model = lidar.train_lidar(options(folder, "killed", resume=True), console)
    return model, console.export_text()


def losses(folder: Path) -> list[float]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def publish(bench: Any, xyz_m: np.ndarray) -> None:
    fields = [PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate("xyz")]
    message = PointCloud2(height=1, width=len(xyz_m), fields=fields, point_step=12, row_step=12 * len(xyz_m))
    message.data = np.ascontiguousarray(xyz_m, "<f4").tobytes()
    message.header.frame_id = "base_link"
    bench.stamp(message.header.stamp, 0)
    bench.points.publish(message)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_minute_of_training(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    # Of the checkout, which may change between the two runs.
    monkeypatch.setattr(lidar, "commit", lambda: "")
    model, said = train_with_a_kill(tmp_path, monkeypatch)
    whole = lidar.train_lidar(options(tmp_path, "whole"), Console(quiet=True))
    one, two = (torch.load(m.parent / "weights.pt", weights_only=True) for m in (model, whole))
    assert all(torch.equal(one[k], two[k]) for k in two), "resume and uninterrupted differ"
    assert model.read_bytes() == whole.read_bytes()

    fell = losses(whole.parent)
    print(f"losses: {fell}")
    assert fell == losses(model.parent)
    assert np.mean(fell[-3:]) < 0.5 * fell[0]
    parity = next(line for line in said.splitlines() if line.startswith("parity over"))
    print(parity)
    assert parity.endswith("unmatched 0: holds")
    assert " 0 boxes" not in parity

    frame = FrameStore(next((tmp_path / "data").glob(f"vlp16_{HELD_OUT_SEED}_*")))[0]
    bench.start(
        "lidar_detector", tracking_frame="base_link", model=str(model), **{"runtime.precision": "fp32"}
    )
    bench.until(bench.points.get_subscription_count)
    publish(bench, frame.points.xyh_m)
    bench.until(lambda: bench.detections)
    got = bench.detections[0]
    rig = load_rig(bench.rig)
    points = GeometricConfig().with_vehicle(rig.vehicle_lwh_m, rig.base_to_center_m)
    config = LearnedConfig(points, runtime=RuntimeConfig(threads=1, precision="fp32", probe_runs=1))
    detector = open_detector(str(model), config)
    wanted = detector.detect(PointCloud(0, "base_link", frame.points.xyh_m), np.zeros((1, 3))).detections
    assert (got.info.model_id, got.info.model_hash) == ("lidar_tiny", detector.model_hash)
    assert len(wanted)
    place = np.array([(d.x, d.y, d.z, d.score) for d in got.detections])
    np.testing.assert_allclose(place, np.column_stack([wanted.center_m, wanted.score]), atol=1e-4)
