"""The frames of KITTI tracking sequences as flat arrays: who may be paired, who is neutral, who is excused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError, InputError
from perception_nodes.evaluation.kitti_objects import DONT_CARE, NEIGHBOURS, KittiObjects, overlaps
from perception_nodes.evaluation.overlap import image_cover

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Sequences = Mapping[str, Sequence[KittiObjects]]

_DONT_CARE_SHARE: Final = 0.5


@dataclass(frozen=True)
class KittiTrackingConfig:
    """min_overlap: a pair overlaps at least so much, in the `view` "3d" or "2d"; mode: "clean" or "published"."""

    min_overlap: float = 0.25
    view: str = "3d"
    mode: str = "clean"
    min_height_px: float = 25.0
    max_occluded: int = 2
    max_truncated: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in ("clean", "published"):
            raise ConfigurationError(f"mode: wanted clean or published, got {self.mode!r}")
        if self.view not in ("2d", "3d"):
            raise ConfigurationError(f"view: wanted 2d or 3d, got {self.view!r}")
        if not 0.0 < self.min_overlap <= 1.0:
            raise ConfigurationError(
                f"min_overlap: wanted a share above 0 and up to 1, got {self.min_overlap}"
            )


class Table(NamedTuple):
    """All frames in flat arrays. Truth boxes (G,), results (R,), pairs that overlap enough (P,) by frame."""

    frames: int
    num_truth: int
    neutral: Bool  # (G,)
    track_order: I64  # (G,) truth rows, track by track in the order of time
    track_start: I64  # (T + 1,) where each truth track begins in track_order
    result_track: I64  # (R,)
    result_score: F64  # (R,)
    excused: Bool  # (R,)
    boxes_of_track: I64  # (K,) number of boxes of each result track
    pair_truth: I64
    pair_result: I64
    pair_overlap: F64
    pair_frame: I64


def build_table(truth: Sequences, results: Sequences, label: str, config: KittiTrackingConfig) -> Table:
    """All frames of all sequences for one class; see `kitti_tracking` for what is refused."""
    if label not in NEIGHBOURS:
        raise InputError(f"KITTI tracking: class {label!r} is not one of {list(NEIGHBOURS)}")
    if set(truth) != set(results):
        raise InputError(f"KITTI tracking: sequences {sorted(truth)} of truth, {sorted(results)} of results")
    types = [label, *NEIGHBOURS[label]]
    if config.mode == "published" and "Person" in types:
        types.remove("Person")
    frames = [f for name in truth for f in _frames(name, truth[name], results[name], types, config)]
    neutral = _flat([f.neutral for f in frames], bool)
    ids, row = _numbered(frames, "truth_id")
    order = np.argsort(row, kind="stable")
    tracks, result_track = _numbered(frames, "result_id")
    first_truth = np.cumsum([0, *(len(f.truth_id) for f in frames)])
    first_result = np.cumsum([0, *(len(f.result_id) for f in frames)])
    return Table(
        frames=len(frames),
        num_truth=int((~neutral).sum()),
        neutral=neutral,
        track_order=order,
        track_start=np.searchsorted(row[order], np.arange(ids + 1)).astype(np.int64),
        result_track=result_track,
        result_score=_flat([f.score for f in frames], np.float64),
        excused=_flat([f.excused for f in frames], bool),
        boxes_of_track=np.bincount(result_track, minlength=tracks).astype(np.int64),
        pair_truth=_flat([f.pairs[0] + first_truth[i] for i, f in enumerate(frames)], np.int64),
        pair_result=_flat([f.pairs[1] + first_result[i] for i, f in enumerate(frames)], np.int64),
        pair_overlap=_flat([f.overlap for f in frames], np.float64),
        pair_frame=_flat([np.full(len(f.overlap), i) for i, f in enumerate(frames)], np.int64),
    )


def joined(tables: Sequence[Table]) -> Table:
    """The table of all sequences of several tables, which have no sequence in common; at least one table."""
    truth = np.cumsum([0, *(len(t.neutral) for t in tables)])
    rows = np.cumsum([0, *(len(t.result_track) for t in tables)])
    tracks = np.cumsum([0, *(len(t.boxes_of_track) for t in tables)])
    frames = np.cumsum([0, *(t.frames for t in tables)])
    starts = [t.track_start[:-1] + truth[i] for i, t in enumerate(tables)]
    return Table(
        frames=int(frames[-1]),
        num_truth=sum(t.num_truth for t in tables),
        neutral=_flat([t.neutral for t in tables], bool),
        track_order=_flat([t.track_order + truth[i] for i, t in enumerate(tables)], np.int64),
        track_start=_flat([*starts, truth[-1:]], np.int64),
        result_track=_flat([t.result_track + tracks[i] for i, t in enumerate(tables)], np.int64),
        result_score=_flat([t.result_score for t in tables], np.float64),
        excused=_flat([t.excused for t in tables], bool),
        boxes_of_track=_flat([t.boxes_of_track for t in tables], np.int64),
        pair_truth=_flat([t.pair_truth + truth[i] for i, t in enumerate(tables)], np.int64),
        pair_result=_flat([t.pair_result + rows[i] for i, t in enumerate(tables)], np.int64),
        pair_overlap=_flat([t.pair_overlap for t in tables], np.float64),
        pair_frame=_flat([t.pair_frame + frames[i] for i, t in enumerate(tables)], np.int64),
    )


class _Frame(NamedTuple):
    sequence: str
    truth_id: I64
    neutral: Bool
    result_id: I64
    score: F64
    excused: Bool
    pairs: tuple[I64, I64]
    overlap: F64


def _frames(
    name: str,
    truth: Sequence[KittiObjects],
    results: Sequence[KittiObjects],
    types: Sequence[str],
    config: KittiTrackingConfig,
) -> list[_Frame]:
    count = max(len(truth), len(results))
    none = KittiObjects.empty()
    out = []
    for i in range(count):
        true = truth[i] if i < len(truth) else none
        ours = results[i] if i < len(results) else none
        out.append(_frame((name, i), true, _only(ours, np.isin(ours.type, types)), types, config))
    return out


def _frame(
    where: tuple[str, int],
    truth: KittiObjects,
    ours: KittiObjects,
    types: Sequence[str],
    config: KittiTrackingConfig,
) -> _Frame:
    areas_px = truth.bbox_px[truth.type == DONT_CARE]
    truth = _only(truth, np.isin(truth.type, types) & (truth.track_id >= 0))
    _check(where, truth, ours)
    excused = (ours.height_px <= config.min_height_px) | (ours.type != types[0])
    excused |= (image_cover(ours.bbox_px, areas_px) > _DONT_CARE_SHARE).any(axis=1)
    overlap = overlaps(truth, ours, config.view)
    # In this form, as the published evaluator: 1 - x rounds differently at the limit itself.
    pairs = np.nonzero(1.0 - overlap <= 1.0 - config.min_overlap)
    return _Frame(
        sequence=where[0],
        truth_id=truth.track_id,
        neutral=is_neutral(truth, config) | (truth.type != types[0]),
        result_id=ours.track_id,
        score=ours.score,
        excused=excused,
        pairs=(pairs[0], pairs[1]),
        overlap=overlap[pairs],
    )


def is_neutral(truth: KittiObjects, config: KittiTrackingConfig) -> Bool:
    """(N,) hidden or cut off so much that it is neither missed nor asked for."""
    return (truth.occluded > config.max_occluded) | (truth.truncated > config.max_truncated)


def _only(objects: KittiObjects, mask: Bool) -> KittiObjects:
    """`select` checks its values again, which takes longer than all else here."""
    return objects if mask.all() else objects.select(mask)


def _check(where: tuple[str, int], truth: KittiObjects, ours: KittiObjects) -> None:
    place = f"KITTI tracking: sequence {where[0]}, frame {where[1]}"
    for name, ids in (("truth", truth.track_id), ("results", ours.track_id)):
        if len(np.unique(ids)) != len(ids):
            raise InputError(f"{place}: {name}: an id occurs twice: {sorted(ids.tolist())}")
    if (ours.track_id < 0).any():
        raise InputError(f"{place}: a result has no track id")
    if not np.isfinite(ours.score).all():
        raise InputError(f"{place}: a result has no finite score")


def _numbered(frames: Sequence[_Frame], name: str) -> tuple[int, I64]:
    """How many tracks there are over all sequences, and the number of each box's track."""
    number: dict[tuple[str, int], int] = {}
    rows = [
        number.setdefault((f.sequence, i), len(number)) for f in frames for i in getattr(f, name).tolist()
    ]
    return len(number), np.array(rows, np.int64)


def _flat(parts: Sequence[npt.NDArray[Any]], kind: Any) -> Any:
    return np.concatenate(parts).astype(kind) if parts else np.zeros(0, kind)
