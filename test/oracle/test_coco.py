"""COCO detection beside pycocotools on random boxes: crowds, all sizes, ties, many detections."""

from __future__ import annotations

import contextlib
import io
import time
from typing import Any

import numpy as np
import pytest

from perception_nodes.evaluation.detection.coco import CocoDetection, CocoImage, coco_detection

pytestmark = pytest.mark.oracle
TOOL = "pycocotools"
NAMES = ["AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AR1", "AR10", "AR100"]
NAMES += ["AR_small", "AR_medium", "AR_large"]


def random_image(rng: np.random.Generator) -> CocoImage:
    n = int(rng.integers(0, 12))
    truth = rng.uniform(0, 500, (n, 2))
    truth = np.hstack([truth, truth + np.exp(rng.uniform(np.log(8), np.log(200), (n, 2)))])
    source = rng.integers(0, max(n, 1), int(rng.integers(0, 40)) if n else 0)
    boxes = truth[source] + rng.normal(0, 4, (len(source), 4))
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    labels = rng.integers(1, 4, n)
    guess = np.where(rng.random(len(source)) < 0.9, labels[source] if n else 0, 2)
    return CocoImage(
        truth_px=truth,
        truth_label=labels,
        box_px=boxes,
        label=guess.astype(np.int64),
        score=rng.integers(0, 30, len(source)) / 30.0,
        crowd=rng.random(n) < 0.1,
        area_px2=(truth[:, 2:] - truth[:, :2]).prod(axis=1) * rng.uniform(0.4, 1.0, n),
    )


def xywh(boxes: Any) -> list[list[float]]:
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]).tolist()


def by_pycocotools(images: list[CocoImage]) -> Any:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotations, results = [], []
    for i, image in enumerate(images, 1):
        for box, label, crowd, area in zip(
            xywh(image.truth_px), image.truth_label, image.crowd, image.area_px2, strict=True
        ):
            row = {"id": len(annotations) + 1, "image_id": i, "category_id": int(label), "bbox": box}
            annotations.append(row | {"area": float(area), "iscrowd": int(crowd)})
        for box, label, score in zip(xywh(image.box_px), image.label, image.score, strict=True):
            results.append({"image_id": i, "category_id": int(label), "bbox": box, "score": float(score)})
    truth = COCO()
    truth.dataset = {"images": [{"id": i} for i in range(1, len(images) + 1)], "annotations": annotations}
    truth.dataset |= {"categories": [{"id": k} for k in (1, 2, 3)]}
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def expected(evaluation: Any) -> dict[str, float]:
    values = [v if v > -1 else float("nan") for v in evaluation.stats.tolist()]
    return dict(zip(NAMES, values, strict=True))


@pytest.mark.parametrize("seed", range(6))
def test_equals_pycocotools(seed: int, agreement: Any) -> None:
    pytest.importorskip("pycocotools")
    rng = np.random.default_rng(seed)
    images = [random_image(rng) for _ in range(40)]
    theirs = by_pycocotools(images)
    ours = coco_detection(images)
    agreement.check("COCO 2D AP", TOOL, ours.summary(), expected(theirs), tolerance=1e-12)
    assert ours.labels == (1, 2, 3)
    np.testing.assert_allclose(ours.precision, theirs.eval["precision"], atol=1e-12)
    np.testing.assert_allclose(ours.recall, theirs.eval["recall"], atol=1e-12)


def test_speed(agreement: Any) -> None:
    pytest.importorskip("pycocotools")
    rng = np.random.default_rng(9)
    images = [random_image(rng) for _ in range(300)]
    coco_detection(images[:5])  # the kernel is compiled or loaded
    taken = []
    for score in (coco_detection, by_pycocotools):
        start = time.perf_counter()
        result: CocoDetection | Any = score(images)
        taken.append(time.perf_counter() - start)
    assert result is not None
    agreement.speed("COCO 2D AP", TOOL, *taken)
