"""Pre-training: what is hidden, what is asked, that it is learned, and that a kill changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [train]")

from rich.console import Console  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from perception_nodes.cli.main import app  # noqa: E402
from perception_nodes.cli.train import train  # noqa: E402
from perception_nodes.datasets.rigs import known_rig  # noqa: E402
from perception_nodes.datatypes import ConfigurationError, PointCloud  # noqa: E402
from perception_nodes.detection.config import GeometricConfig  # noqa: E402
from perception_nodes.geometry import Transform  # noqa: E402
from perception_nodes.simulation.iterator import Drives  # noqa: E402
from perception_nodes.training import lidar  # noqa: E402
from perception_nodes.training import pretrain as stage  # noqa: E402
from perception_nodes.training.adapt_sweeps import Sweep  # noqa: E402
from perception_nodes.training.config import AugmentConfig, LossConfig  # noqa: E402
from perception_nodes.training.export import Parity  # noqa: E402
from perception_nodes.training.lidar import LidarOptions  # noqa: E402
from perception_nodes.training.loop import CHECKPOINT, Place, State  # noqa: E402
from perception_nodes.training.report import card  # noqa: E402
from perception_nodes.training.store import FrameStore, JoinedStore  # noqa: E402

from . import streets  # noqa: E402
from .jobs import CONFIG, RASTER  # noqa: E402

AS_THEY_ARE = AugmentConfig(
    flip=0.0, turn_rad=0.0, scale=0.0, shift_m=0.0, object_share=0.0, clutter=0, range_std_m=0.0, tilt_rad=0.0,
    height_m=0.0, no_intensity=0.0, scramble=0.0,
)  # fmt: skip
PLACE = Place(torch.device("cpu"))


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    torch.set_num_threads(1)
    return streets.store(tmp_path_factory.mktemp("frames") / "s", np.random.default_rng(3), 5)


def ground(frames: FrameStore, folder: Path) -> stage.Ground:
    joined = JoinedStore([frames])
    return stage.Ground(joined, joined, CONFIG, RASTER, folder, console=Console(quiet=True))


def test_points_of_hidden_patches_are_gone_and_all_others_shown(
    frames: FrameStore, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "_FEWER_BEAMS", 0.0)
    points = frames[0].points
    # Off the borders of the cells, on which a point may fall to either side.
    frame = replace(frames[0], points=replace(points, xyh_m=points.xyh_m + np.float32(0.0013)))
    shown, hidden = stage.hide(frame, RASTER, rng)
    wanted = []
    for x, y, _ in frame.points.xyh_m.astype(np.float64):
        i, j = int(np.floor((x + 25.6) / 1.6)), int(np.floor((y + 25.6) / 1.6))
        wanted.append(not (0 <= i < 32 and 0 <= j < 32 and hidden[i, j]))
    np.testing.assert_array_equal(shown.points.xyh_m, frame.points.xyh_m[wanted])
    assert 0.15 < hidden.mean() < 0.75
    # Whole patches of 3.2 m, which are two cells of two by two of this raster.
    assert (hidden[::2, ::2] == hidden[1::2, 1::2]).all()


def test_with_fewer_beams_everything_is_asked(
    frames: FrameStore, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "_FEWER_BEAMS", 1.0)
    shown, hidden = stage.hide(frames[0], RASTER, rng)
    assert hidden.all()
    assert len(shown.points) < len(frames[0].points)


def test_what_is_asked_is_what_the_whole_sweep_shows(frames: FrameStore) -> None:
    config = replace(CONFIG, augment=AS_THEY_ARE)
    samples = stage.Masked(frames, config, RASTER, 4)
    sample, frame = samples[1], frames[samples.frame_of(1)]
    body, top = np.zeros((32, 32)), np.zeros((32, 32))
    for x, y, h in frame.points.xyh_m:
        i, j = int((x + 25.6) // 1.6), int((y + 25.6) // 1.6)
        if 0 <= i < 32 and 0 <= j < 32:
            # Noise of a centimetre is part of every sweep that is trained on.
            body[i, j] = max(body[i, j], 0.63 < h < 1.07)
            top[i, j] = max(top[i, j], h if h < 2.6 else 0.0)
    said = sample["slices"][stage.SLICES.index("body")].numpy()
    assert (said >= body).all()
    assert said.sum() < 1.3 * body.sum()
    np.testing.assert_allclose(3.0 * sample["top"][0].numpy(), top, atol=0.05)
    assert sample["raster"].shape == (16, 64, 64)
    # What is shown is less than the whole.
    assert (sample["raster"][3].float() > 0).sum() < 4 * (sample["slices"][0] > 0).sum()
    assert set(np.unique(sample["weight"].numpy().astype(float)).round(3)) <= {0.2, 1.0}


def test_the_loss_of_one_cell_by_hand() -> None:
    wanted = torch.zeros(1, 6, 1, 2)
    wanted[0, :, 0, 0] = 1.0
    batch = {"slices": wanted, "top": torch.tensor([[[[0.5, 0.0]]]]), "weight": torch.tensor([[[1.0, 0.2]]])}
    logits = torch.tensor([2.0, -1.0]).expand(1, 6, 1, 2)
    loss, parts = stage.completion_loss((logits, torch.tensor([[[[0.2, 7.0]]]])), batch, LossConfig())
    filled, free = np.log1p(np.exp(-2.0)), 0.2 * 6 * np.log1p(np.exp(-1.0)) / 1.2
    assert float(parts["filled"]) == pytest.approx(filled, rel=1e-5)
    assert float(parts["free"]) == pytest.approx(free, rel=1e-5)
    assert float(parts["top"]) == pytest.approx(0.3, rel=1e-5)
    assert float(loss) == pytest.approx(0.5 * (filled + free) + 2.0 * 0.3, rel=1e-5)


def test_it_learns_and_says_how_it_went(frames: FrameStore, tmp_path: Path) -> None:
    stage.pretrain(stage.Pretraining(60), ground(frames, tmp_path), PLACE)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    loss = [r["held_out/loss"] for r in rows if "held_out/loss" in r]
    print(f"held-out loss: {loss}")
    assert loss[-1] < 0.9 * loss[0]
    assert "<polyline" in (tmp_path / "curves.svg").read_text()


def killed_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    calls: list[int] = []
    true = stage.held_out_loss

    def loss(*args: Any) -> Any:
        calls.append(0)
        if len(calls) == call:
            raise KeyboardInterrupt
        return true(*args)

    monkeypatch.setattr(stage, "held_out_loss", loss)


def test_a_kill_changes_nothing(frames: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = stage.Pretraining(8)
    whole = stage.pretrain(plan, ground(frames, tmp_path / "whole"), PLACE)
    with monkeypatch.context() as patch:
        killed_at(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            stage.pretrain(plan, ground(frames, tmp_path / "killed"), PLACE)
    assert torch.load(tmp_path / "killed" / CHECKPOINT, weights_only=True)["step"] == 4
    again = stage.pretrain(plan, ground(frames, tmp_path / "killed"), PLACE)
    one, two = (torch.load(p, weights_only=True) for p in (whole, again))
    assert all(torch.equal(one[k], two[k]) for k in two)
    monkeypatch.setattr(stage, "train", lambda *_: pytest.fail("done again"))
    assert stage.pretrain(plan, ground(frames, tmp_path / "whole"), PLACE) == whole


def test_backbone_goes_on_and_heads_are_fresh(frames: FrameStore, tmp_path: Path) -> None:
    path = stage.pretrain(stage.Pretraining(4), ground(frames, tmp_path), PLACE)
    state, fresh = State.fresh(CONFIG, PLACE), State.fresh(CONFIG, PLACE).model.state_dict()
    state.begin_with(path)
    for name, value in state.model.state_dict().items():
        same = torch.equal(value, fresh[name])
        assert same == name.startswith(("classes.", "boxes.")) or "num_batches" in name, name


def recording(rng: np.random.Generator, sweeps: int) -> stage.Recording:
    def read() -> Any:
        xyz = [streets.frame(rng).points.xyh_m for _ in range(sweeps)]
        origin = np.array([[0.2, 0.1, 1.8]])
        made = [Sweep(PointCloud(k, "base_link", x), origin, Transform.identity()) for k, x in enumerate(xyz)]
        return made, GeometricConfig()

    return stage.Recording("drive", read)


def test_recordings_are_read_once_and_shown_as_often_as_simulated_frames(
    frames: FrameStore, rng: np.random.Generator, tmp_path: Path
) -> None:
    plan = stage.Pretraining(2, (recording(rng, 2),))
    stage.pretrain(plan, ground(frames, tmp_path), PLACE)
    stored = FrameStore(tmp_path / "sweeps_0_drive")
    assert (len(stored), len(stored.boxes(0))) == (2, 0)
    mixed = stage._mixed(JoinedStore([frames]), [stored])
    assert len(mixed) == 5 + 2 * 2
    (tmp_path / stage.WEIGHTS).unlink()
    refused = stage.Recording("drive", lambda: pytest.fail("read again"))
    stage.pretrain(stage.Pretraining(2, (refused,)), ground(frames, tmp_path), PLACE)
    assert plan.asked() == {"steps": 2, "recordings": ["drive"]}


@pytest.mark.slow
def test_a_run_begins_with_it_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill in the first supervised steps, a resume that begins with neither stage again, and another run refused."""
    torch.set_num_threads(1)
    drives = Drives(frames=3, stride=3, street="straight", weather_share=0.0)
    config = replace(CONFIG, steps=4, evaluate_every=2, checkpoint_every=2)
    options = LidarOptions(
        (known_rig("vlp16"),), tmp_path / "run", config, drives, streets=1, held_out=2,
        pretraining=stage.Pretraining(2),
    )  # fmt: skip
    begun = []
    begin_with = State.begin_with
    monkeypatch.setattr(State, "begin_with", lambda self, path: (begun.append(path), begin_with(self, path)))
    monkeypatch.setattr(lidar, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        lidar.train_lidar(options, Console(quiet=True))
    assert begun == [tmp_path / "run" / "pretrain" / "weights.pt"]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["pretraining"]["steps"] == 2
    with pytest.raises(KeyboardInterrupt):
        lidar.train_lidar(replace(options, resume=True), Console(quiet=True))
    assert len(begun) == 1
    other = replace(options, resume=True, pretraining=stage.Pretraining())
    with pytest.raises(ConfigurationError, match="other settings"):
        lidar.train_lidar(other, Console(quiet=True))


@pytest.mark.parametrize(
    "words",
    [
        ["--pretrain", "5", "--weights", "w.pt"],
        ["--pretrain", "5", "--from", "m.onnx"],
        ["--pretrain-data", "d"],
    ],
)
def test_what_it_does_not_go_with(words: list[str]) -> None:
    if "train" not in [c.name for c in app.registered_commands]:
        app.command("train")(train)
    result = CliRunner().invoke(app, ["train", "lidar", "--rig", "vlp16", *words])
    assert isinstance(result.exception, ConfigurationError)
    assert "--pretrain" in str(result.exception)


def test_the_card_names_recordings_that_the_weights_have_seen() -> None:
    """Its own, and those of the model that it was fine-tuned from; without any the weights are ours to give away."""
    parity = Parity(1, 1, 0, 0.0, 0.0)
    figures: Any = {"fp32": {"scores": {}, "rigs": {}, "ms": 1.0, "ece": None}}
    data = {"frames": 1, "rigs": ["vlp16"]}
    about: dict[str, Any] = {
        "data": "d", "config": "c", "commit": "", "calibration": {"id": "i", "boxes": 1},
        "second_look": {"id": "look", "frames": 3},
    }  # fmt: skip

    def text(**more: Any) -> str:
        return card("m", {**about, **more}, CONFIG, figures, parity, data)

    assert "| second look | look, 3 frames of held-out streets |" in text(
        pretraining=stage.Pretraining().asked()
    )
    assert "no data of others was used" in text(pretraining=stage.Pretraining().asked())
    own = {"steps": 7, "recordings": ["drive.mcap"]}
    before = {"name": "b", "digest": "e", "rigs": [], "data": "", "config": "", "pretraining": own}
    for said in (text(pretraining=own), text(**{"from": [before]})):
        assert "sweeps without labels of drive.mcap" in said
        assert "no data of others" not in said
    assert "| pre-trained | 7 steps without labels |" in text(pretraining=own)
