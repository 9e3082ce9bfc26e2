"""Frames on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perception_nodes.datatypes import InputError
from perception_nodes.training.store import FrameStore, JoinedStore, write_store

from . import streets


def test_frames_come_back_within_the_stored_step(tmp_path: Path, rng: np.random.Generator) -> None:
    frames = [streets.frame(rng, k, rig=k) for k in range(3)]
    write_store(tmp_path / "s", iter(frames), {})
    store = FrameStore(tmp_path / "s")
    assert len(store) == 3
    for k, wanted in enumerate(frames):
        got = store[k]
        np.testing.assert_allclose(got.points.xyh_m, wanted.points.xyh_m, atol=0.0021)
        np.testing.assert_allclose(got.points.rank, wanted.points.rank, atol=0.0021)
        np.testing.assert_array_equal(got.ring, wanted.ring)
        np.testing.assert_array_equal(got.boxes, wanted.boxes)
        np.testing.assert_array_equal(got.origin_m, wanted.origin_m)
        assert (got.rig, got.street, got.index) == (k, 7 + k, k) == (store.rig(k), store.street(k), k)


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    one, same, other = (
        streets.store(tmp_path / n, np.random.default_rng(s), 2) for n, s in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one.digest == same.digest != other.digest
    assert JoinedStore([one, other]).digest != JoinedStore([other, one]).digest


def test_joined_stores_count_through(tmp_path: Path, rng: np.random.Generator) -> None:
    a, b = streets.store(tmp_path / "a", rng, 2), streets.store(tmp_path / "b", rng, 3)
    both = JoinedStore([a, b])
    assert len(both) == 5
    for k, (store, row) in enumerate([(a, 0), (a, 1), (b, 0), (b, 1), (b, 2)]):
        np.testing.assert_array_equal(both[k].boxes, store.boxes(row))
        np.testing.assert_array_equal(both.boxes(k), store.boxes(row))
    for wrong in (5, -1):
        with pytest.raises(IndexError, match=str(wrong)):
            both[wrong]


def test_a_store_that_was_not_finished_is_none(tmp_path: Path, rng: np.random.Generator) -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield streets.frame(rng)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_store(tmp_path / "s", broken(), {})
    with pytest.raises(InputError, match="not a store"):
        FrameStore(tmp_path / "s")
    streets.store(tmp_path / "s", rng, 1)
    assert len(FrameStore(tmp_path / "s")) == 1


def test_nothing_to_store_and_another_version(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="at least one frame"):
        write_store(tmp_path / "s", iter([]), {})
    with pytest.raises(InputError, match="at least one store"):
        JoinedStore([])
    streets.store(tmp_path / "s", rng, 1)
    about = tmp_path / "s" / "about.json"
    about.write_text(about.read_text().replace('"version": 1', '"version": 0'))
    with pytest.raises(InputError, match="wanted version 1"):
        FrameStore(tmp_path / "s")
