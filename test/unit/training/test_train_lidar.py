"""`perception train lidar` as a whole, as small as can be: from a rig to files that the node runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from rich.console import Console

torch = pytest.importorskip("torch", reason="needs the extra [train]")
pytest.importorskip("onnxscript", reason="needs the extra [train]")

from perception_nodes.cli.train import seconds, train  # noqa: E402
from perception_nodes.datasets.rigs import known_rig  # noqa: E402
from perception_nodes.datatypes import ConfigurationError, InputError, Modality, PerceptionError, PointCloud  # noqa: E402
from perception_nodes.detection.learned_choice import SHIPPED, open_detector  # noqa: E402
from perception_nodes.detection.learned_config import LearnedConfig, RuntimeConfig  # noqa: E402
from perception_nodes.detection.runtime import int8_path  # noqa: E402
from perception_nodes.resources import resource_path  # noqa: E402
from perception_nodes.simulation.iterator import Drives  # noqa: E402
from perception_nodes.training import simulate  # noqa: E402
from perception_nodes.training.compare import plain, score_simulated  # noqa: E402
from perception_nodes.training.config import TrainConfig  # noqa: E402
from perception_nodes.training.lidar import LidarOptions, mean_ap, train_lidar  # noqa: E402
from perception_nodes.training.score import ClassScore  # noqa: E402
from perception_nodes.training.store import FrameStore, write_store  # noqa: E402

from . import streets  # noqa: E402

DRIVES = Drives(frames=3, stride=3, street="straight", weather_share=0.0)
CONFIG = TrainConfig(size="tiny", steps=4, batch=2, workers=0, evaluate_every=2, checkpoint_every=2)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> LidarOptions:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run")
    return LidarOptions(
        (known_rig("vlp16"),), folder / "run", CONFIG, DRIVES, streets=1, held_out=2, data=folder / "data"
    )


@pytest.fixture(scope="module")
def model(options: LidarOptions) -> Path:
    return train_lidar(options, Console(quiet=True))


@pytest.mark.slow
def test_the_run_folder_says_what_was_trained_on_what(model: Path, options: LidarOptions) -> None:
    run = json.loads((options.output / "run.json").read_text())
    assert run["config"]["steps"] == 4
    assert run["frames"] == 3
    assert set(run) >= {"data", "commit", "digest", "rigs", "drives", "versions", "held_out_data"}
    steps = [json.loads(line)["step"] for line in (options.output / "metrics.jsonl").read_text().splitlines()]
    assert steps[-1] == 4
    figures = json.loads((options.output / "figures.json").read_text())
    assert set(figures) == {"fp32", "int8", "geometric"}
    card = (options.output / "lidar_tiny.md").read_text()
    assert run["data"] in card
    assert "Apache-2.0" in card
    errors = {name: f["ece"] for name, f in figures.items()}
    assert errors["geometric"] is None and all(0 <= errors[n] < 0.5 for n in ("fp32", "int8"))
    assert f"calibration error of the existence | | {errors['fp32']:.3f} | {errors['int8']:.3f} |" in card


@pytest.mark.slow
def test_the_node_runs_what_was_trained(model: Path, rng: np.random.Generator) -> None:
    assert int8_path(model).is_file()
    detector = open_detector(str(model), LearnedConfig(runtime=RuntimeConfig(threads=1, probe_runs=1)))
    assert detector.model_id == "lidar_tiny"
    assert detector.calibration_id.startswith("isotonic-")
    xyz = rng.uniform(-20, 20, (3000, 3)).astype(np.float32) * [1, 1, 0.05]
    frame = detector.detect(PointCloud(0, "base_link", xyz.astype(np.float32)), np.array([[0.0, 0.0, 0.8]]))
    assert np.isfinite(frame.detections.center_m).all()


@pytest.mark.slow
def test_a_run_is_only_gone_on_with_when_asked_and_simulates_nothing_again(
    model: Path, options: LidarOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="holds a run"):
        train_lidar(options, Console(quiet=True))
    before = model.read_bytes()
    monkeypatch.setattr(simulate, "training_frames", lambda *_, **__: pytest.fail("simulated again"))
    assert train_lidar(replace(options, resume=True), Console(quiet=True)).read_bytes() == before
    changed: list[tuple[dict[str, Any], str]] = [
        ({"config": replace(CONFIG, batch=1)}, "batch: 2, got 1"),
        ({"config": replace(CONFIG, steps=9)}, "steps: 4, got 9"),
        ({"rigs": (known_rig("hdl64"),)}, "rigs: .*vlp16.*hdl64"),
        ({"streets": 2}, "streets: 1, got 2"),
        ({"drives": replace(DRIVES, frames=4)}, "drives: "),
    ]
    for other, words in changed:
        with pytest.raises(ConfigurationError, match=f"other settings than the run was begun with: {words}"):
            train_lidar(replace(options, resume=True, **other), Console(quiet=True))
    with pytest.raises(InputError, match="found no"):
        train_lidar(replace(options, output=options.output / "none", resume=True), Console(quiet=True))


def test_a_street_is_in_one_half_and_every_rig_in_both(tmp_path: Path, rng: np.random.Generator) -> None:
    """Three streets of one rig and two of another, two frames each, the rigs in turn."""
    frames = [
        replace(streets.frame(rng, k, rig), street=street)
        for rig, street in ((0, 5), (1, 5), (0, 6), (1, 6), (0, 7))
        for k in range(2)
    ]
    write_store(tmp_path / "s", iter(frames), {})
    first, second = simulate.halves(FrameStore(tmp_path / "s"))
    assert first == [0, 1, 2, 3, 4, 5]
    assert second == [6, 7, 8, 9]
    assert [s.streets for s in simulate.held_out_shards([known_rig("vlp16")], 1, DRIVES, 0)] == [3]


def test_a_street_has_one_use() -> None:
    rigs = [known_rig("vlp16"), known_rig("hdl64")]
    firsts = [v for k, v in vars(simulate).items() if k.endswith("_SEED")]
    shards = [s for first in firsts for s in simulate.shards(rigs, 400, first, DRIVES)]
    seeds = [seed for s in shards for seed in range(s.first_seed, s.first_seed + s.streets)]
    assert len(firsts) == 5 and len(set(seeds)) == len(seeds) == 4000


def test_shards_take_turns_and_know_what_they_are_made_from() -> None:
    rigs = [known_rig("vlp16"), known_rig("hdl64")]
    found = simulate.shards(rigs, 6, 0, DRIVES)
    assert [(s.rig.name, s.streets) for s in found] == [
        ("vlp16", 4),
        ("hdl64", 4),
        ("vlp16", 2),
        ("hdl64", 2),
    ]
    names = {s.folder(Path()).name for s in found}
    assert len(names) == 4
    other = simulate.shards(rigs, 6, 0, replace(DRIVES, stride=4))
    assert not names & {s.folder(Path()).name for s in other}


@pytest.mark.parametrize(
    ("text", "wanted"), [("60min", 3600), ("2h", 7200), ("90s", 90), ("1h30min", 5400), ("1.5h", 5400)]
)
def test_budgets(text: str, wanted: float) -> None:
    assert seconds(text) == wanted


@pytest.mark.parametrize("text", ["60", "", "soon", "-5min", "0s", "5 min"])
def test_no_budgets(text: str) -> None:
    with pytest.raises(ConfigurationError, match="wanted a time"):
        seconds(text)


@pytest.mark.parametrize(
    ("what", "words", "named"),
    [("radar", {}, "lidar or score"), ("lidar", {}, "--rig"), ("score", {}, "--model"),
     ("lidar", {"rig": ["no_such_rig"]}, "no_such_rig"), ("lidar", {"rig": ["vlp16"], "size": "huge"}, "huge"),
     ("lidar", {"rig": ["vlp16"], "log": "tensorbord"}, "--log tensorbord"),
     ("lidar", {"rig": ["vlp16", "vlp16"]}, "--rig vlp16: given twice"),
     ("lidar", {"rig": ["vlp16"], "model": Path("m.onnx")}, "--model would have no effect: wanted --from"),
     ("lidar", {"rig": ["vlp16"], "data": [Path("a"), Path("b")]}, "--data: wanted one folder, got 2"),
     ("calibrate", {"rig": ["vlp16"]}, "calibrate: --rig would have no effect"),
     ("score", {"tuned": [Path("m.onnx")]}, "score: --from would have no effect"),
     ("score", {"set": ["loss.z:=2"]}, "score: --set would have no effect"),
     ("lidar", {"rig": ["vlp16"], "set": ["loss.zz:=2"]}, "--set loss.zz:=2: wanted name:=value"),
     ("lidar", {"rig": ["vlp16"], "set": ["evaluate_every:=2"], "budget": "9min"}, "--budget looks five times"),
     ("lidar", {"rig": ["vlp16"], "steps": 0}, "steps 0: wanted 1 or more"),
     ("score", {"rig": ["vlp16"], "pictures": True}, "--pictures are of recordings: wanted --data too"),
     ("score", {"data": [Path("a")], "wooded": 0.5}, "--wooded is of simulated streets: wanted --rig too"),
     ("lidar", {"rig": ["vlp16"], "wooded": 0.5}, "lidar: --wooded would have no effect")],
)  # fmt: skip
def test_wrong_words(what: str, words: dict[str, object], named: str, tmp_path: Path) -> None:
    settings = {
        "rig": None, "size": "small", "budget": "", "steps": 5, "batch": 8, "streets": 1, "frames": 1, "seed": 0,
        "workers": 0,
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match=named):
        train(what, **{**settings, "output": tmp_path, **words})  # type: ignore[arg-type]


def test_weights_are_chosen_by_classes_with_enough_objects() -> None:
    def score(name: str, ap: float, objects: int) -> ClassScore:
        return ClassScore(name, ap, {}, objects, {})

    scores = {"car": score("car", 0.8, 300), "person": score("person", 0.4, 20), "bus": score("bus", 0.1, 3)}
    assert mean_ap(scores) == pytest.approx(0.6)
    assert mean_ap({"bus": scores["bus"]}) == pytest.approx(0.1)
    assert mean_ap({}) == 0.0


def test_a_model_is_scored_on_streets_that_no_run_is_trained_on(options: LidarOptions, model: Path) -> None:
    """The same frames, and the same figures, as at the end of the run itself."""
    figures = score_simulated(
        model, options.rigs, options.held_out, options.drives, options.data_folder, Console(quiet=True)
    )
    kept = json.loads((options.output / "figures.json").read_text())
    again = json.loads(json.dumps(plain(figures)))
    assert {name: f["scores"] for name, f in again.items()} == {name: f["scores"] for name, f in kept.items()}
    assert kept["fp32"]["scores"]


@pytest.mark.slow
def test_a_model_is_scored_on_streets_lined_by_woods(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train("score", model=Path("small"), rig=["vlp16"], held_out=1, frames=1, wooded=1.0, output=tmp_path)
    (folder,) = (tmp_path / "data").iterdir()
    assert json.loads((folder / "about.json").read_text())["drives"]["wooded_share"] == 1.0
    assert "false cars a sweep, score 0.3 or more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("what", "words"),
    [("score", ["model"]), ("score", ["data"]), ("robustness", ["model"]), ("lidar", ["weights"]),
     ("second-look", ["model"]), ("lidar", ["pretrain_data", "pretrain"])],
)  # fmt: skip
def test_what_is_not_there_is_told_before_anything_is_simulated(
    what: str, words: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "missing"
    given: dict[str, Any] = {
        "pretrain_data": [path],
        "pretrain": 5,
        "model": path,
        "weights": path,
        "data": [path],
    }
    there = {"model": resource_path(SHIPPED["small"])} if words == ["data"] else {}
    with pytest.raises(PerceptionError, match="missing: no such file"):
        train(what, rig=["vlp16"], output=tmp_path / "out", **there, **{w: given[w] for w in words})
    assert not (tmp_path / "out").exists()


def test_sweeps_to_begin_with_are_asked_of_a_fresh_run_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that goes on has stored them."""
    (tmp_path / "texts").mkdir()
    begun: list[LidarOptions] = []
    monkeypatch.setattr("perception_nodes.training.lidar.train_lidar", lambda o, _: begun.append(o))
    words: dict[str, Any] = {"rig": ["vlp16"], "pretrain": 5, "pretrain_data": [tmp_path / "texts"]}
    with pytest.raises(InputError, match="texts: an empty folder: wanted a rosbag2"):
        train("lidar", **words)
    train("lidar", resume=True, **words)
    assert [o.pretraining.asked()["recordings"] for o in begun] == [["texts"]]


def test_recordings_without_a_lidar_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = known_rig("kitti")
    cameras = rig.of(Modality.CAMERA)
    blind = replace(rig, sensors=cameras, reference=cameras[0].name)
    monkeypatch.setattr("perception_nodes.datasets.discover.open_input", lambda _: Mock(rig=blind))
    with pytest.raises(InputError, match=r"wanted a recording with a lidar, got \['"):
        train("lidar", rig=["vlp16"], pretrain=5, pretrain_data=[tmp_path], output=tmp_path / "out")


def test_a_file_that_is_no_model_is_told_before_anything_is_simulated(tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(resource_path(SHIPPED["small"]).read_bytes()[:50_000])
    with pytest.raises(PerceptionError, match=r"bad\.onnx: cannot be loaded"):
        train("score", rig=["vlp16"], model=path, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("what", "option"), [("lidar", "output"), ("score", "output"), ("second-look", "data")]
)
def test_a_file_is_no_folder_to_write_into(what: str, option: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.touch()
    given: dict[str, Any] = {"output": tmp_path / "out", option: [path] if option == "data" else path}
    with pytest.raises(InputError, match=rf"--{option} .*notes\.txt: wanted a folder, found a file"):
        train(what, rig=["vlp16"], **given)


def test_a_run_begins_with_one_thing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--from or --weights, got both"):
        train("lidar", rig=["vlp16"], weights=tmp_path, tuned=[tmp_path], output=tmp_path / "out")


def test_score_wants_a_model_and_something_to_score_it_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--model FILE, and --data FOLDER or --rig NAME"):
        train("score", model=tmp_path / "m.onnx")
