"""The networks: shapes, size, and that the decoder reads what they write."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra [train]")

from perception_nodes.datatypes import ConfigurationError  # noqa: E402
from perception_nodes.detection.learned_decode import BOX_CHANNELS, BOX_ROWS  # noqa: E402
from perception_nodes.detection.raster import CHANNELS  # noqa: E402
from perception_nodes.networks import bev  # noqa: E402


@pytest.mark.parametrize("cells", [32, 64])
def test_shapes(cells: int) -> None:
    model = bev.BevDetector(bev.network_config("tiny")).eval()
    classes, boxes = model(torch.zeros(2, 16, cells, cells))
    assert tuple(classes.shape) == (2, 10, cells // 2, cells // 2)
    assert tuple(boxes.shape) == (2, 17, cells // 2, cells // 2)


@pytest.mark.parametrize(("name", "most"), [("tiny", 0.6), ("small", 2.6), ("base", 8.6)])
def test_sizes_keep_to_their_budget(name: str, most: float) -> None:
    gigaflop = bev.count_flops(bev.network_config(name)) / 1e9
    assert 0.7 * most < gigaflop < most


def test_one_convolution_is_counted_as_twice_its_products() -> None:
    config = bev.NetworkConfig("one", 8, 8, 8, 1, 1, 8)
    half, quarter, eighth = 128**2, 64**2, 32**2
    wide = 2 * 9 * (16 * 8 * half + 8 * 8 * (3 * half + 3 * quarter + 2 * eighth))
    heads = 2 * 8 * (8 * (eighth + quarter) + 27 * half)
    assert bev.count_flops(config) == wide + heads


def test_the_decoder_reads_the_rows_that_the_network_writes() -> None:
    low = 0
    for name, count in bev.BOX_FIELDS.items():
        assert BOX_ROWS[name] == (low, low + count), name
        low += count
    assert low == BOX_CHANNELS == bev.BOX_CHANNELS
    assert bev.network_config("small").channels == len(CHANNELS)


def test_split_gives_each_part_its_rows() -> None:
    parts = bev.split_boxes(torch.arange(17.0).reshape(1, 17, 1, 1))
    assert parts["size"].flatten().tolist() == [3.0, 4.0, 5.0]
    assert parts["log_std"].flatten().tolist() == [12.0, 13.0, 14.0, 15.0, 16.0]


def test_every_weight_learns() -> None:
    model = bev.BevDetector(bev.network_config("tiny"))
    classes, boxes = model(torch.rand(1, 16, 32, 32))
    (classes.square().sum() + boxes.square().sum()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_a_size_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match="wanted one of"):
        bev.network_config("huge")
