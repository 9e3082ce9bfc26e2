"""`perception train lidar --from`: a model's weights go on in a run of their own."""

from __future__ import annotations

import json
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
from rich.console import Console

torch = pytest.importorskip("torch", reason="needs the extra [train]")
pytest.importorskip("onnxscript", reason="needs the extra [train]")

from perception_nodes.datasets.rigs import known_rig  # noqa: E402
from perception_nodes.datatypes import ConfigurationError, InputError  # noqa: E402
from perception_nodes.detection.raster import CHANNELS, RasterConfig  # noqa: E402
from perception_nodes.detection.runtime import int8_path  # noqa: E402
from perception_nodes.networks.bev import BevDetector, network_config  # noqa: E402
from perception_nodes.simulation.iterator import Drives  # noqa: E402
from perception_nodes.training import copies, lidar, weights  # noqa: E402
from perception_nodes.training.config import TrainConfig, file_digest, fine_tuning  # noqa: E402
from perception_nodes.training.export import rewrite_metadata  # noqa: E402
from perception_nodes.training.lidar import LidarOptions, train_lidar  # noqa: E402

DRIVES = Drives(frames=3, stride=3, street="straight", weather_share=0.0)
CONFIG = TrainConfig(size="tiny", steps=4, batch=2, workers=0, evaluate_every=2, checkpoint_every=1)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> LidarOptions:
    """A run from nothing, done."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run")
    options = LidarOptions(
        (known_rig("vlp16"),), folder / "first", CONFIG, DRIVES, streets=1, held_out=2, data=folder / "data"
    )
    train_lidar(options, Console(quiet=True))
    return options


def tuned(first: LidarOptions, name: str) -> LidarOptions:
    model = first.output / "lidar_tiny.onnx"
    return replace(first, output=first.output.parent / name, config=fine_tuning(CONFIG), models=(model,))


def test_normalisations_that_measure_again_change_nothing_at_first() -> None:
    torch.manual_seed(1)
    folded = BevDetector(network_config("tiny"))
    seen = [torch.rand(2, 16, 64, 64) for _ in range(3)]
    with torch.no_grad():
        for norm in (m for m in folded.modules() if isinstance(m, torch.nn.BatchNorm2d)):
            norm.bias.uniform_(-0.5, 0.5)
            norm.running_var.uniform_(0.5, 2.0)
    model = weights.measuring(folded, seen).eval()
    with torch.no_grad():
        for a, b in zip(folded.eval()(seen[0]), model(seen[0]), strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
        # What was measured is what a normalisation in training measures.
        stem = model.stem[0]
        wanted = stem[0](torch.cat(seen))
    np.testing.assert_allclose(stem[1].running_mean, wanted.mean((0, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(stem[1].running_var, wanted.var((0, 2, 3)), rtol=1e-3)


def test_a_mean_of_models_has_the_mean_of_every_weight() -> None:
    models = [weights.SteadyDetector(network_config("tiny")) for _ in range(3)]
    a, b, c = (m.state_dict() for m in models)
    for name, value in weights.mean_of(models).state_dict().items():
        np.testing.assert_allclose(value, (a[name] + b[name] + c[name]) / 3, atol=1e-6)
    assert all(
        torch.equal(value, a[name]) for name, value in weights.mean_of(models[:1]).state_dict().items()
    )
    assert not torch.equal(a["classes.weight"], b["classes.weight"])


def test_fine_tuning_is_slower_and_sooner_there() -> None:
    config = fine_tuning(CONFIG)
    assert config.learning_rate < 0.5 * CONFIG.learning_rate
    assert config.warm_up < CONFIG.warm_up
    assert replace(config, learning_rate=CONFIG.learning_rate, warm_up=CONFIG.warm_up) == CONFIG


@pytest.mark.slow
def test_it_begins_with_what_the_model_says(first: LidarOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its first step the run finds what the model finds."""
    begun = []
    begin = lidar._begin
    monkeypatch.setattr(lidar, "_begin", lambda *a: begun.append(begin(*a)) or begun[-1])
    monkeypatch.setattr(lidar, "train", lambda *_: None)
    monkeypatch.setattr(lidar, "finish", lambda *_: None)
    train_lidar(tuned(first, "begun"), Console(quiet=True))
    network, _ = weights.network_of(first.output / "lidar_tiny.onnx")
    raster = torch.rand(1, 16, 256, 256)
    with torch.no_grad():
        for a, b in zip(network(raster), begun[0].average(raster), strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


@pytest.mark.slow
def test_resumed_equals_uninterrupted_and_the_chain_is_written_down(
    first: LidarOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_lidar(tuned(first, "whole"), Console(quiet=True))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("perception_nodes.training.loop.judge", stop)
        with pytest.raises(KeyboardInterrupt):
            train_lidar(tuned(first, "killed"), Console(quiet=True))
    again = train_lidar(replace(tuned(first, "killed"), resume=True), Console(quiet=True))
    for name in ("weights.pt", "checkpoint.pt"):
        one, two, begun = (
            torch.load(folder / name, weights_only=True)
            for folder in (again.parent, whole.parent, first.output)
        )
        one, two, begun = (v.get("average", v) for v in (one, two, begun))
        assert all(torch.equal(one[k], two[k]) for k in two)
    # What was trained on: weights.pt may be those that were begun with.
    assert not torch.equal(one["classes.bias"], begun["classes.bias"])
    model = first.output / "lidar_tiny.onnx"
    chain = json.loads((whole.parent / "run.json").read_text())["from"]
    assert [(m["name"], m["digest"]) for m in chain] == [("lidar_tiny", file_digest(model))]
    assert chain[0]["data"] == json.loads((first.output / "run.json").read_text())["data"]
    assert f"| begun with | lidar_tiny {file_digest(model)}" in (whole.parent / "lidar_tiny.md").read_text()
    other = first.output.parent / "other.onnx"
    rewrite_metadata(model, other, {"name": "other"})
    with pytest.raises(ConfigurationError, match="other settings"):
        train_lidar(replace(tuned(first, "whole"), resume=True, models=(other,)), Console(quiet=True))


@pytest.mark.slow
def test_a_mean_of_models_without_a_step(first: LidarOptions, capsys: pytest.CaptureFixture[str]) -> None:
    """Averaged, normalised, scored, calibrated, exported; goes on to the same file; its parents are written down."""
    model = first.output / "lidar_tiny.onnx"
    whole = train_lidar(replace(tuned(first, "child"), config=replace(CONFIG, seed=3)), Console(quiet=True))
    options = replace(tuned(first, "mean"), config=replace(CONFIG, steps=0), models=(model, whole))
    mean = train_lidar(options, Console())
    assert "no file is known" not in capsys.readouterr().out
    run = json.loads((options.output / "run.json").read_text())
    digests = [file_digest(model), file_digest(whole)]
    assert [m["digest"] for m in run["from"]] == run["mean_of"] == digests
    assert (
        f"| begun with | mean of the weights of {', '.join(digests)} |" in mean.with_suffix(".md").read_text()
    )
    assert '"step": 0, "ap' in (options.output / "metrics.jsonl").read_text()
    before = mean.read_bytes()
    assert train_lidar(replace(options, resume=True), Console(quiet=True)).read_bytes() == before
    assert copies.chain(mean)[-1]["mean_of"] == digests
    one, two, three = (weights.network_of(m)[0].classes.weight for m in (model, whole, mean))
    assert not torch.equal(one, two)
    torch.testing.assert_close(three, 0.5 * (one + two))


@pytest.mark.slow
def test_models_that_have_nothing_in_common_are_told_of(
    first: LidarOptions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = first.output / "lidar_tiny.onnx"
    other = first.output.parent / "stranger.onnx"
    rewrite_metadata(model, other, {"name": "stranger"})
    monkeypatch.setattr(lidar, "_data", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train_lidar(replace(tuned(first, "strange"), models=(model, other)), Console(width=1000))
    assert "no file is known that all of them go on from" in capsys.readouterr().out


def test_no_steps_are_for_models_only(first: LidarOptions) -> None:
    with pytest.raises(ConfigurationError, match="steps 0: wanted 1 or more, or the weights"):
        train_lidar(
            replace(first, config=replace(CONFIG, steps=0), output=first.output / "n"), Console(quiet=True)
        )


@pytest.mark.slow
def test_only_models_of_the_same_network_are_gone_on_from(first: LidarOptions) -> None:
    model, raster = first.output / "lidar_tiny.onnx", RasterConfig()
    with pytest.raises(InputError, match=r"size tiny: wanted small"):
        weights.network_for(model, "small", raster)
    with pytest.raises(InputError, match=r"cells 256: wanted 128"):
        weights.network_for(model, "tiny", RasterConfig(cells=128))
    with pytest.raises(InputError, match="wanted the float32 file, not int8"):
        weights.network_for(int8_path(model), "tiny", raster)
    other = replace(tuned(first, "other"), config=replace(CONFIG, size="small"))
    with pytest.raises(InputError, match="size tiny"):
        train_lidar(other, Console(quiet=True))
    assert not other.output.exists()
    assert weights.network_for(model, "tiny", raster)[1]["channels"] == list(CHANNELS)
