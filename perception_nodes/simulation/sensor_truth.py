"""What is true of each sensor's data, by topic: for bags and for live topics."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABEL_INDEX, Detections2D, Detections3D, Modality
from perception_nodes.datatypes.truth import TruePixels, TruePoints

from .simulation import SimFrame, Simulation

# Labels of points and pixels beyond the taxonomy of objects.
STREET_LABEL: Final = 255
NOISE_LABEL: Final = 254
Value = Detections3D | Detections2D | TruePoints | TruePixels
Made = tuple[str, Callable[[], Value]]
I64 = npt.NDArray[np.int64]


class SensorTruth:
    """The truth topics of the sensors that a drive renders, each with the type of its values in `topics`; positions of
    boxes in odom.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._frames = {s.name: s.frame for s in simulation.rig.sensors}
        drawn = [s for s in simulation.rig.sensors if s.name in simulation.mounts]
        self.topics = dict(ChainMap(*(truth_topics(s.name, s.modality) for s in drawn)))
        assets = simulation.traffic.assets
        self._labels = np.array([LABEL_INDEX[a.label] for a in assets] or [STREET_LABEL], np.uint8)

    def of(self, frame: SimFrame, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Value]]:
        """Topics and values of a step; a value is made only where its topic is wanted."""
        for topic, make in self._all(frame):
            if wanted(topic):
                yield topic, make()

    def _all(self, frame: SimFrame) -> Iterator[Made]:
        for lidar in frame.lidars:
            yield from self._lidar(lidar, frame)
        for radar in frame.radars:
            yield from self._radar(radar, frame)
        for camera in frame.cameras:
            yield from self._camera(camera, frame)

    def _lidar(self, name: str, frame: SimFrame) -> Iterator[Made]:
        sweep, actors = frame.lidars[name], frame.states.id
        counts = (sweep.hits, sweep.aimed)
        boxes, points = _topics(name, Modality.LIDAR)
        yield boxes, lambda: seen_truth(frame.truth, actors, name, counts)
        yield points, lambda: self._points(name, frame, sweep.owner, "material", sweep.material)

    def _radar(self, name: str, frame: SimFrame) -> Iterator[Made]:
        radar, actors = frame.radars[name], frame.states.id
        counts = (np.bincount(radar.owner[radar.owner >= 0], minlength=len(actors)), None)
        snr = radar.snr_db.astype(np.float32)
        boxes, points = _topics(name, Modality.RADAR)
        yield boxes, lambda: seen_truth(frame.truth, actors, name, counts)
        yield points, lambda: self._points(name, frame, radar.owner, "snr", snr)

    def _camera(self, name: str, frame: SimFrame) -> Iterator[Made]:
        camera, optical = frame.cameras[name], self._frames[name]
        boxes, depth, label, instance = _topics(name, Modality.CAMERA)
        yield boxes, lambda: camera.boxes
        yield depth, lambda: TruePixels(optical, camera.depth_m, "32FC1")
        yield label, lambda: TruePixels(optical, camera.label, "mono8")
        number = np.append(frame.states.id, 0)
        yield instance, lambda: TruePixels(optical, number[camera.instance].astype(np.uint16), "mono16")

    def _points(
        self, name: str, frame: SimFrame, owner: npt.NDArray[Any], extra: str, column: npt.NDArray[Any]
    ) -> TruePoints:
        owners = _owners(owner, frame.states.id, self._labels[frame.states.asset])
        return TruePoints(self._frames[name], {**owners, extra: column})


_KINDS: Final[dict[Modality, dict[str, type[Value]]]] = {
    Modality.LIDAR: {"objects": Detections3D, "points": TruePoints},
    Modality.RADAR: {"objects": Detections3D, "points": TruePoints},
    Modality.CAMERA: {
        "boxes": Detections2D,
        "depth": TruePixels,
        "label": TruePixels,
        "instance": TruePixels,
    },
}


def truth_topics(name: str, modality: Modality) -> dict[str, type[Value]]:
    """Topics of the truth of a lidar, radar or camera, and what goes onto them."""
    kind = modality.name.lower()
    return {f"/truth/{kind}/{name}/{what}": of for what, of in _KINDS[modality].items()}


def _topics(name: str, modality: Modality) -> list[str]:
    return list(truth_topics(name, modality))


def seen_truth(
    truth: Detections3D,
    actors: I64,
    source: str,
    counts: tuple[npt.NDArray[Any], npt.NDArray[Any] | None],
) -> Detections3D:
    """The true boxes that one sensor can know of, with its own counts.

    actors (A,) ids, in any order; counts: (A,) returns, and pulses that would have met the actor with nothing before it
    (None: not known; then only actors with returns are kept and visibility is NaN).
    """
    order = np.argsort(actors)
    rows = order[np.searchsorted(actors[order], truth.detection_id.astype(np.int64))]
    hits = np.asarray(counts[0])[rows].astype(np.int32)
    aimed = hits if counts[1] is None else np.asarray(counts[1])[rows]
    known = aimed > 0
    share = np.full(len(rows), np.nan)
    if counts[1] is not None:
        share[known] = np.minimum(hits[known] / aimed[known], 1.0)
    seen = truth.select(np.flatnonzero(known))
    return Detections3D.of(
        seen.stamp_ns, seen.frame_id, f"truth/{source}", seen.center_m, seen.lwh_m, seen.yaw_rad,
        velocity_mps=seen.velocity_mps, label=seen.label, class_probabilities=seen.class_probabilities,
        orientation=seen.orientation, num_points=hits[known], visibility=share[known], detection_id=seen.detection_id,
    )  # fmt: skip


def _owners(
    owner: npt.NDArray[Any], actors: I64, label: npt.NDArray[np.uint8]
) -> dict[str, npt.NDArray[Any]]:
    """instance: id of the actor, 0 = none; label: class of the taxonomy, STREET_LABEL or NOISE_LABEL."""
    row = np.maximum(owner, 0)
    many = len(actors) > 0
    number = np.where(owner >= 0, actors[row] if many else 0, 0).astype(np.uint32)
    other = np.where(owner == -1, STREET_LABEL, NOISE_LABEL)
    kind = np.where(owner >= 0, label[row] if many else STREET_LABEL, other).astype(np.uint8)
    return {"instance": number, "label": kind}
