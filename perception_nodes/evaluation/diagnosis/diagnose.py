"""Why a figure is what it is: the entry point of the diagnosis."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABELS
from perception_nodes.evaluation.boxes import BoxFrame

from .assign import Assigned, assign_causes
from .causes import Cause, DiagnosisConfig, Kind, Outage, where
from .outages import silent_spells
from .scene import Scene, build_scene
from .shares import mended_ap
from .systematic import Systematic, estimate_systematic

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DiagnosedError:
    """One error: `kind` and `cause`; ids and labels are None where there is none (a miss may have a partner).

    stamp_ns of the truth frame; distance_m between the two, range_m from the ego, NaN unknown; scored: counts for AP;
    outage: index into `Diagnosis.outages`.
    """

    kind: Kind
    cause: Cause
    stamp_ns: int
    truth_id: int | None
    prediction_id: int | None
    truth_label: str | None
    predicted_label: str | None
    distance_m: float
    range_m: float
    scored: bool
    outage: int | None = None


@dataclass(frozen=True)
class CauseShare:
    """What one cause does: errors by kind, share of all errors, and mean AP gained if it alone were mended.

    lost_share is that gain over the AP that is lost (1 - mean AP); the shares of all causes need not sum to 1, because
    one prediction can mend or spoil more than one thing (as in TIDE).
    """

    cause: Cause
    misses: int
    false_alarms: int
    imprecise: int
    count_share: float
    gain: float
    lost_share: float

    @property
    def count(self) -> int:
        """All errors with this cause."""
        return self.misses + self.false_alarms + self.imprecise


@dataclass(frozen=True)
class Diagnosis:
    """All errors of a recording with their causes.

    mean_ap: over classes with truth and `config.distances_m`, of the boxes that are scored; NaN without any.
    causes: one share for every `Cause`, those that cost most AP first. main_cause: None if nothing is worth naming.
    confusion: (true label, predicted label, count) of the errors of class. truth_boxes, predicted_boxes, matched:
    of all boxes, also those that are not scored. outages: given and found ones; felt: whether each cost recall.
    """

    frames: int
    frames_without_prediction: int
    truth_boxes: int
    predicted_boxes: int
    matched: int
    mean_ap: float
    causes: tuple[CauseShare, ...]
    main_cause: Cause | None
    systematic: Systematic
    confusion: tuple[tuple[str, str, int], ...]
    outages: tuple[Outage, ...]
    felt: tuple[bool, ...]
    errors: tuple[DiagnosedError, ...]
    config: DiagnosisConfig

    def changed_most(self, baseline: Diagnosis) -> Cause | None:
        """The cause that costs more mean AP than in `baseline` by the most, None if by less than `min_gain`.

        What a fault in one run adds is told from what both runs have in common.
        """
        more = {s.cause: s.gain - baseline.share(s.cause).gain for s in self.causes}
        cause = max(more, key=lambda c: more[c])
        return cause if more[cause] >= self.config.min_gain else None

    def share(self, cause: Cause) -> CauseShare:
        """The share of one cause."""
        return next(s for s in self.causes if s.cause is cause)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON without the single errors; what is not defined is None."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "errors"}
        out = _plain(plain)
        assert isinstance(out, dict)
        return out


def diagnose(
    truth: Sequence[BoxFrame],
    predictions: Sequence[BoxFrame],
    config: DiagnosisConfig | None = None,
    outages: Sequence[Outage] = (),
    hidden: Sequence[F64] | None = None,
) -> Diagnosis:
    """Name one cause for every error and the AP that each cause costs.

    Frames in one fixed frame, in any order; they are paired by stamp. `outages`: when sensors were silent or their
    messages were dropped; spells without any prediction are found without them. `hidden`: per truth frame (N,) share of
    each box that is hidden, 0..1 or NaN; without it the truth's own boxes are taken as what hides.

    Raises InputError if two frames of a recording have one stamp, or `hidden` has another length.
    """
    config = config or DiagnosisConfig()
    scene = build_scene(truth, predictions, config, hidden)
    found = (*outages, *silent_spells(scene))
    systematic = estimate_systematic(scene)
    assigned = assign_causes(scene, systematic, found)
    errors = _errors(scene, assigned)
    mean_ap, causes = _shares(scene, assigned, systematic, errors)
    matched = int((scene.found_by >= 0).sum())
    return Diagnosis(
        frames=len(scene.stamp_ns),
        frames_without_prediction=scene.missing_frames,
        truth_boxes=len(scene.truth),
        predicted_boxes=len(scene.predictions),
        matched=matched,
        mean_ap=mean_ap,
        causes=causes,
        main_cause=_main_cause(causes, matched, config),
        systematic=systematic,
        confusion=_confusion(errors),
        outages=tuple(found),
        felt=tuple(bool(f) for f in assigned.felt),
        errors=errors,
        config=config,
    )


def _errors(scene: Scene, assigned: Assigned) -> tuple[DiagnosedError, ...]:
    out = []
    for i in np.flatnonzero(~where(assigned.of_truth, None)):
        kind = Kind.MISS if scene.found_by[i] < 0 else Kind.IMPRECISE
        outage = int(assigned.outage[i]) if assigned.outage[i] >= 0 else None
        scored = bool(scene.truth_scored[i])
        out.append(
            _error(
                scene, kind, assigned.of_truth[i], (int(i), int(assigned.truth_partner[i])), scored, outage
            )
        )
    for j in np.flatnonzero(~where(assigned.of_predictions, None)):
        pair = (int(assigned.prediction_partner[j]), int(j))
        scored = bool(scene.prediction_scored[j])
        out.append(_error(scene, Kind.FALSE_ALARM, assigned.of_predictions[j], pair, scored, None))
    return tuple(sorted(out, key=lambda e: e.stamp_ns))


def _error(
    scene: Scene, kind: Kind, cause: Cause, pair: tuple[int, int], scored: bool, outage: int | None
) -> DiagnosedError:
    i, j = pair
    true, ours = scene.truth, scene.predictions
    distance = float("nan")
    if i >= 0 and j >= 0:
        distance = float(np.hypot(*(true.center_m[i, :2] - ours.center_m[j, :2])))
    frame = ours.frame[j] if kind is Kind.FALSE_ALARM else true.frame[i]
    away = scene.prediction_range_m[j] if kind is Kind.FALSE_ALARM else scene.truth_range_m[i]
    return DiagnosedError(
        kind=kind,
        cause=cause,
        stamp_ns=int(scene.stamp_ns[frame]),
        truth_id=int(true.id[i]) if i >= 0 else None,
        prediction_id=int(ours.id[j]) if j >= 0 else None,
        truth_label=LABELS[true.label[i]] if i >= 0 else None,
        predicted_label=LABELS[ours.label[j]] if j >= 0 else None,
        distance_m=distance,
        range_m=float(away) if np.isfinite(scene.ego_xy_m[frame]).all() else float("nan"),
        scored=scored,
        outage=outage,
    )


def _shares(
    scene: Scene, assigned: Assigned, systematic: Systematic, errors: Sequence[DiagnosedError]
) -> tuple[float, tuple[CauseShare, ...]]:
    mean_ap = mended_ap(scene, assigned, systematic, None)
    counts = Counter((e.cause, e.kind) for e in errors)
    out = []
    for cause in Cause:
        misses, alarms, poor = (counts[cause, kind] for kind in Kind)
        total = misses + alarms + poor
        gain = mended_ap(scene, assigned, systematic, cause) - mean_ap if total else 0.0
        # Taking away all truth leaves nothing to score: then nothing is gained either.
        gain = gain if math.isfinite(gain) else 0.0
        lost = gain / (1 - mean_ap) if mean_ap < 1 else 0.0
        out.append(CauseShare(cause, misses, alarms, poor, total / max(len(errors), 1), gain, lost))
    return mean_ap, tuple(sorted(out, key=lambda s: (-s.gain, -s.count)))


def _main_cause(causes: tuple[CauseShare, ...], matched: int, config: DiagnosisConfig) -> Cause | None:
    """What costs most AP; if nothing costs much, a poor heading or size of many matches."""
    if causes[0].gain >= config.min_gain:
        return causes[0].cause
    shape = max((s for s in causes if s.cause in (Cause.HEADING, Cause.SIZE)), key=lambda s: s.imprecise)
    return shape.cause if matched and shape.imprecise >= config.min_imprecise * matched else None


def _confusion(errors: Sequence[DiagnosedError]) -> tuple[tuple[str, str, int], ...]:
    pairs = Counter(
        (str(e.truth_label), str(e.predicted_label))
        for e in errors
        if e.cause is Cause.CLASS and e.kind is Kind.MISS
    )
    return tuple((*pair, count) for pair, count in pairs.most_common())


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Cause | Kind):
        return value.value
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
