"""A run that is killed and goes on is the run that was not killed; samples do not depend on who prepares them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [train]")

from perception_nodes.datatypes import InputError  # noqa: E402
from perception_nodes.training import loop  # noqa: E402
from perception_nodes.training.config import TrainConfig  # noqa: E402
from perception_nodes.training.loader import Samples, batches  # noqa: E402
from perception_nodes.training.store import FrameStore  # noqa: E402

from . import jobs, streets  # noqa: E402
from .jobs import CONFIG, RASTER, run  # noqa: E402

SCRIPT = Path(jobs.__file__)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    torch.set_num_threads(1)
    return streets.store(tmp_path_factory.mktemp("frames") / "s", np.random.default_rng(3), 5)


def where(frames: FrameStore) -> Path:
    return Path(str(frames._points.filename)).parent  # type: ignore[union-attr]


def assert_same(one: loop.State, two: loop.State) -> None:
    for a, b in ((one.model, two.model), (one.average, two.average)):
        for name, value in a.state_dict().items():
            assert torch.equal(value, b.state_dict()[name]), name


def test_resumed_equals_uninterrupted_to_the_bit(frames: FrameStore, tmp_path: Path) -> None:
    whole = run(frames, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(frames, tmp_path / "broken", stop=3)
    saved = torch.load(tmp_path / "broken" / loop.CHECKPOINT, weights_only=True)
    assert saved["step"] == 2
    again = run(frames, tmp_path / "broken")
    assert_same(whole, again)
    assert again.best == whole.best == 6.0


@pytest.mark.slow
def test_a_killed_process_goes_on(frames: FrameStore, tmp_path: Path) -> None:
    """SIGKILL at whatever step it has come to; the checkpoint is whole, and the end is the same."""
    whole = run(frames, tmp_path / "whole", jobs.LONGER)
    folder = tmp_path / "killed"
    child = subprocess.Popen([sys.executable, str(SCRIPT), str(where(frames)), str(folder)])
    while child.poll() is None and not (folder / loop.CHECKPOINT).is_file():
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert torch.load(folder / loop.CHECKPOINT, weights_only=True)["step"] >= 1
    assert_same(whole, run(frames, folder, jobs.LONGER))


def test_loss_falls(frames: FrameStore) -> None:
    config = replace(CONFIG, steps=60, batch=3, evaluate_every=99, checkpoint_every=99)
    place = loop.Place(torch.device("cpu"))
    state = loop.State.fresh(config, place)
    stream = batches(Samples(frames, config, RASTER, 180), config, 0)
    seen = [float(loop.train_step(state, state.model, batch, config, place)["loss"]) for batch in stream]
    assert np.mean(seen[-5:]) < 0.6 * np.mean(seen[:5])


def test_samples_are_the_same_in_any_process_and_from_any_step(frames: FrameStore) -> None:
    config = replace(CONFIG, workers=0)
    samples = Samples(frames, config, RASTER, 12)
    alone = list(batches(samples, config, 0))
    with_worker = list(batches(samples, replace(config, workers=1), 0))
    later = list(batches(samples, config, 3))
    for a, b in zip(alone, with_worker, strict=True):
        assert all(torch.equal(a[k], b[k]) for k in a)
    for a, b in zip(alone[3:], later, strict=True):
        assert all(torch.equal(a[k], b[k]) for k in a)


def test_two_processes_share_each_batch(frames: FrameStore) -> None:
    samples = Samples(frames, CONFIG, RASTER, 12)
    whole, first, second = (
        next(batches(samples, CONFIG, 1, rank, world)) for rank, world in ((0, 1), (0, 2), (1, 2))
    )
    assert torch.equal(whole["heat"], torch.cat([first["heat"], second["heat"]]))


def test_every_epoch_shows_every_frame_in_an_order_of_its_own(frames: FrameStore) -> None:
    samples = Samples(frames, CONFIG, RASTER, 50)
    epochs = [[samples.frame_of(5 * e + k) for k in range(5)] for e in range(6)]
    assert all(sorted(e) == list(range(5)) for e in epochs)
    assert len({tuple(e) for e in epochs}) > 1


def test_a_step_with_an_impossible_value_changes_nothing(frames: FrameStore) -> None:
    place = loop.Place(torch.device("cpu"))
    state = loop.State.fresh(CONFIG, place)
    batch = next(batches(Samples(frames, CONFIG, RASTER, 12), CONFIG, 0))
    batch["values"][:] = np.nan
    before = {k: v.clone() for k, v in state.model.named_parameters()}
    loop.train_step(state, state.model, batch, CONFIG, place)
    assert all(torch.equal(before[k], v) for k, v in state.model.named_parameters())


def test_another_run_is_not_gone_on_with(frames: FrameStore, tmp_path: Path) -> None:
    run(frames, tmp_path / "run")
    state = loop.State.fresh(CONFIG, loop.Place(torch.device("cpu")))
    path = tmp_path / "run" / loop.CHECKPOINT
    with pytest.raises(InputError, match="config"):
        state.load(path, replace(CONFIG, seed=1), frames.digest)
    with pytest.raises(InputError, match="data"):
        state.load(path, CONFIG, "other")


def test_it_stops_when_scores_no_longer_rise(frames: FrameStore, tmp_path: Path) -> None:
    config = replace(CONFIG, steps=30, evaluate_every=1, patience=2)
    place = loop.Place(torch.device("cpu"))
    state = loop.State.fresh(config, place)
    scores = iter([0.1, 0.3, 0.2, 0.25, 0.9])
    samples = Samples(frames, config, RASTER, 60)
    job = loop.Job(samples, config, place, tmp_path, "x", lambda *_: None, lambda *_: next(scores))
    loop.train(state, job)
    assert (state.step, state.best) == (4, 0.3)
    assert state.best_weights


def test_learning_rate_rises_and_falls() -> None:
    config = TrainConfig(steps=100, learning_rate=1.0, warm_up=0.1)
    rates = [loop.learning_rate(config, k) for k in range(100)]
    assert rates[0] < 0.15
    assert int(np.argmax(rates)) in (9, 10)
    assert max(rates) == pytest.approx(1.0, abs=0.1)
    assert rates[-1] < 0.02


@pytest.mark.slow
def test_torchrun_of_two_gives_both_the_same_weights(frames: FrameStore, tmp_path: Path) -> None:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(SCRIPT)]
    subprocess.run([*start, str(where(frames)), str(tmp_path)], check=True, capture_output=True, timeout=100)
    one, two = (json.loads((tmp_path / f"rank{k}.json").read_text()) for k in (0, 1))
    assert one == two
    assert (one[0], one[2]) == (2, 6.0)
