"""All live tracks: one row a track, so that a kernel takes them all at once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import NUM_LABELS

from .algebra import largest
from .compiled import compiled

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
B = npt.NDArray[np.bool_]
U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]

X, Y, YAW, VX, VY, YAW_RATE, AX, AY = range(8)
VELOCITY = slice(3, 5)
AXIS_BINS = 18

ROW: Final = np.dtype(
    [
        ("id", "u8"),
        ("mean", "f8", (8,)),
        ("cov", "f8", (8, 8)),
        ("static_mean", "f8", (3,)),
        ("static_cov", "f8", (3, 3)),
        ("gain", "f8", (2,)),
        ("static_log_odds", "f8"),
        ("bottom_m", "f8"),
        ("bottom_var", "f8"),
        ("size_m", "f8", (3,)),
        ("size_var", "f8", (3,)),
        ("sided", "f8", (2,)),
        ("class_sum", "f8", (NUM_LABELS,)),
        ("presence", "f8"),
        ("quality", "f8"),
        ("quality_weight", "f8"),
        ("sign_belief", "f8"),
        ("axis_log", "f8", (AXIS_BINS,)),
        ("visibility", "f8"),
        ("detectable", "f8"),
        ("hits", "i8"),
        ("misses", "i8"),
        ("born_ns", "i8"),
        ("updated_ns", "i8"),
        ("looked_ns", "i8"),
        ("watched_ns", "i8"),
        ("yaw_known", "?"),
        ("moving", "?"),
        ("confirmed", "?"),
        ("source_mask", "u1"),
        ("source_mask_history", "u1"),
    ],
    align=True,
)


class _Column:
    """One field of all rows: reading gives a view, assigning writes into the rows."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, store: TrackStore, owner: type | None = None) -> npt.NDArray[Any]:
        return store.rows[self._name]

    def __set__(self, store: TrackStore, value: Any) -> None:
        store.rows[self._name] = value


class TrackStore:
    """N tracks in odom; `rows` (N,) of the type `ROW`, a view of each field under its name.

    mean (N, 8), cov (N, 8, 8): moving hypothesis, `TRACK_STATE` order;
    static_mean (N, 3), static_cov (N, 3, 3): standing hypothesis (x, y, yaw);
    gain (N, 2): share of the newest measured position in that of the moving and of the standing hypothesis;
    static_log_odds (N,): belief in standing against moving;
    bottom_m, bottom_var (N,): height of the underside; size_m, size_var (N, 3): l, w, h;
    sided (N, 2): share of the error of length and width that may be the centre's too;
    class_sum (N, 11): weighted sum of the detections' class probabilities;
    presence (N,): Bernoulli existence; quality (N,), quality_weight (N,): running mean of the detections' existence;
    sign_belief (N,): log odds that the heading is right rather than off by pi;
    axis_log (N, 18): log belief over offsets of the long side's direction from the yaw;
    visibility (N,) share that nothing hides from those that look at this stamp; detectable (N,) probability of a
    detection then, 0 if none of them has it in view;
    looked_ns (N,) when one had it in view last; watched_ns (N,): since then has it been watched and not detected.
    """

    id = _Column()
    mean = _Column()
    cov = _Column()
    static_mean = _Column()
    static_cov = _Column()
    static_log_odds = _Column()
    class_sum = _Column()
    presence = _Column()
    quality = _Column()
    quality_weight = _Column()
    visibility = _Column()
    detectable = _Column()
    updated_ns = _Column()
    confirmed = _Column()

    def __init__(self, rows: npt.NDArray[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def empty(cls, count: int = 0) -> TrackStore:
        """`count` rows of zeros (0: no tracks)."""
        return cls(np.zeros(count, ROW))

    def select(self, index: npt.NDArray[Any]) -> TrackStore:
        """A copy of the rows picked by a mask or an index."""
        return TrackStore(self.rows[index])

    def copy(self) -> TrackStore:
        """A copy of all rows."""
        return TrackStore(self.rows.copy())

    def extend(self, other: TrackStore) -> None:
        """Append the rows of another store."""
        n = len(self)
        rows = np.empty(n + len(other), ROW)
        rows[:n], rows[n:] = self.rows, other.rows
        self.rows = rows

    def keep(self, mask: B) -> None:
        """Drop the rows where the mask is False."""
        if not mask.all():
            self.rows = self.rows[mask]


@compiled
def label_of(t: Any) -> int:
    """Most probable class of a track."""
    return largest(t.class_sum)


@compiled
def pose_of(t: Any) -> Any:
    """x, y, yaw of a track under the more probable hypothesis."""
    if t.moving:
        return t.mean[X], t.mean[Y], t.mean[YAW]
    return t.static_mean[0], t.static_mean[1], t.static_mean[2]
