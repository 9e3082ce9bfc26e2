"""`perception evaluate`: from two sets of boxes to every figure with its count and interval."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from perception_nodes.datatypes import InputError
from perception_nodes.evaluation import BoxFrame, EvaluationConfig, Paired, pair_by_stamp
from perception_nodes.evaluation.bootstrap import CONFIDENCE, RESAMPLES, Resampling, resample_frames
from perception_nodes.evaluation.run import DEFINITIONS

from .figures import Figure, plain
from .inputs.source import Source, common_frame, described, format_of, read_source, truth_of

VERSION: Final = 1
SEED: Final = 0
PROTOCOLS: Final = ("own", "nuscenes", "kitti", "av2")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class EvaluateOptions:
    """What the command line says. truth: None takes the run's own; protocol: None chooses by the format;

    source: "tracker" (default), "fusion" or a sensor, where there are several; tolerance_s: of stamps.
    """

    outputs: Path
    truth: Path | None = None
    protocol: str | None = None
    source: str | None = None
    config: EvaluationConfig = field(default_factory=EvaluationConfig)
    seed: int = SEED


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All that was found. figures by name; the rest plain values as in evaluation.json (docs/evaluation.md).

    paired: the frames that were compared; predictions, truth: where they come from.
    """

    protocol: str
    predictions: Source
    truth: Source
    paired: Paired
    figures: dict[str, Figure]
    resampling: Resampling
    curves: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    diagnosis: dict[str, Any] | None = None
    slices: list[dict[str, Any]] = field(default_factory=list)
    worst: list[dict[str, Any]] = field(default_factory=list)
    config: EvaluationConfig = field(default_factory=EvaluationConfig)
    seed: int = SEED

    def to_dict(self) -> dict[str, Any]:
        """evaluation.json, but for what a baseline and gates add."""
        out = {
            "version": VERSION,
            "protocol": self.protocol,
            "predictions": described(self.predictions),
            "truth": described(self.truth),
            "frames": {
                "compared": len(self.paired.truth),
                "without_prediction": self.paired.missing,
                "predictions_without_truth": self.paired.spare,
                "stamp_tolerance_s": self.config.stamp_tolerance_s,
            },
            "intervals": {
                "confidence": CONFIDENCE,
                "resamples": RESAMPLES,
                "resampled": self.resampling.unit,
                "seed": self.seed,
            },
            "config": {k: getattr(self.config, k) for k in self.config.__dataclass_fields__},
            "definitions": dict(DEFINITIONS) if self.protocol == "own" else {},
            "figures": {name: f.to_dict() for name, f in self.figures.items()},
            "curves": self.curves,
            "calibration": self.calibration,
            "diagnosis": self.diagnosis,
            "slices": self.slices,
            "worst_frames": self.worst,
            "by_frame": {
                "stamps_ns": [f.stamp_ns for f in self.paired.truth],
                "samples": {n: f.sample.to_dict() for n, f in self.figures.items() if f.sample is not None},
            },
        }
        result: dict[str, Any] = plain(out)
        return result


def evaluate(options: EvaluateOptions, progress: Progress = lambda _: None) -> Evaluation:
    """Read both sides, pair their frames, run the protocol. Raises InputError saying what is wrong with an input."""
    progress("reading the inputs")
    predictions, truth = _read(options)
    protocol = options.protocol or _protocol_of(predictions)
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol {protocol!r}: wanted one of {list(PROTOCOLS)}")
    truth, predictions = common_frame(truth, predictions)
    if protocol in ("kitti", "av2"):
        return _benchmark(options, protocol, predictions, truth, progress)
    paired = _paired(predictions, truth, options.config)
    rng = np.random.default_rng(options.seed)
    resampling = resample_frames([f.stamp_ns for f in paired.truth], rng)
    base = Evaluation(
        protocol, predictions, truth, paired, {}, resampling, config=options.config, seed=options.seed
    )
    if protocol == "nuscenes":
        from .official import nuscenes_figures

        progress("nuScenes detection and tracking")
        figures, curves = nuscenes_figures(paired)
        return replace(base, figures=_named(figures), curves=curves)
    return _own(base, progress)


def _own(base: Evaluation, progress: Progress) -> Evaluation:
    from .map_figures import map_figures
    from .own import own_figures
    from .quality import calibration, consistency, covariances, safety
    from .timing import timing
    from .worst import worst_frames

    paired, config, resampling = base.paired, base.config, base.resampling
    recording = base.predictions.recording
    progress("detection and tracking")
    figures, curves = own_figures(paired, config, resampling)
    progress("calibration, safety, consistency")
    calibrated, diagrams = calibration(paired, config, resampling)
    figures += calibrated
    figures += safety(paired, recording, config, resampling)
    if _is_tracked(base.predictions):
        figures += consistency(paired, base.predictions.frames)
        figures += covariances(paired, recording, config, resampling)
        figures += timing(paired, recording, config, resampling)
    figures += map_figures(base.predictions.recording, base.truth)
    progress("causes, slices, worst frames")
    diagnosis, slices = _diagnosed(base)
    return replace(
        base,
        figures=_named(figures),
        curves=curves,
        calibration=diagrams,
        diagnosis=diagnosis,
        slices=slices,
        worst=worst_frames(paired, config, recording),
    )


def _diagnosed(base: Evaluation) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Causes of the errors with the AP that each costs, and the ready slices."""
    from perception_nodes.evaluation.diagnosis import DiagnosisConfig, diagnose
    from perception_nodes.evaluation.slices import ready_slices, slice_rows

    from .diagnosing import recording_outages

    truth, ours, recording = base.truth.frames, base.predictions.frames, base.predictions.recording
    c = base.config
    config = DiagnosisConfig(match_distance_m=c.match_distance_m, stamp_tolerance_s=c.stamp_tolerance_s)
    outages = recording_outages(recording) if recording is not None else ()
    found = diagnose(truth, ours, config, outages)
    rows = slice_rows(truth, ours, found)
    return found.to_dict(), [asdict(s) for s in ready_slices(rows)]


def _is_tracked(source: Source) -> bool:
    """Whether ids name objects over time: tracks do, detections do not."""
    if source.recording is not None:
        return source.frames is source.recording.tracks
    ids = [set(f.id.tolist()) for f in source.frames if len(f)]
    return any(a & b for a, b in itertools.pairwise(ids))


def _benchmark(
    options: EvaluateOptions, protocol: str, predictions: Source, truth: Source, progress: Progress
) -> Evaluation:
    """KITTI and Argoverse 2 pair frames by their own keys: file names, log and timestamp."""
    from .official import argoverse_figures, kitti_figures

    progress(f"protocol {protocol}")
    figures, curves = (kitti_figures if protocol == "kitti" else argoverse_figures)(truth, predictions)
    paired = Paired((), (), 0, 0)
    nothing = Resampling(np.zeros((0, 0)), "spans of frames left out (jackknife)")
    return Evaluation(
        protocol,
        predictions,
        truth,
        paired,
        _named(figures),
        nothing,
        curves,
        config=options.config,
        seed=options.seed,
    )


def _read(options: EvaluateOptions) -> tuple[Source, Source]:
    truth_samples = None
    if options.truth is not None and format_of(options.truth) == "nuscenes":
        truth_samples = read_source(options.truth).samples
    predictions = read_source(options.outputs, options.source, truth_samples)
    if options.truth is not None:
        return predictions, read_source(options.truth, None, predictions.samples)
    if predictions.recording is None:
        raise InputError(f"{options.outputs}: {predictions.format} holds no truth: give it with --truth")
    return predictions, truth_of(predictions.recording)


def _protocol_of(predictions: Source) -> str:
    if predictions.format == "nuscenes":
        return "nuscenes"
    return "kitti" if predictions.kitti is not None else "av2" if predictions.argoverse is not None else "own"


def _paired(predictions: Source, truth: Source, config: EvaluationConfig) -> Paired:
    if not truth.frames:
        raise InputError(f"{truth.path}: wanted at least one frame of truth, got none")
    _check_scores(predictions)
    paired = pair_by_stamp(truth.frames, predictions.frames, round(config.stamp_tolerance_s * 1e9))
    if predictions.frames and paired.missing == len(paired.truth):
        ours, theirs = _span(predictions.frames), _span(truth.frames)
        raise InputError(
            f"no prediction is within {config.stamp_tolerance_s:g} s of a frame of truth: stamps of the predictions"
            f" {ours}, of the truth {theirs}"
        )
    return paired


def _check_scores(predictions: Source) -> None:
    for frame in predictions.frames:
        if np.isnan(frame.score).any():
            which = int(frame.id[np.isnan(frame.score)][0])
            raise InputError(
                f"{predictions.path}: box {which} at {frame.stamp_ns}: wanted a score, got none: without"
                " scores there is no order and so no AP"
            )


def _span(frames: Sequence[BoxFrame]) -> str:
    return f"{frames[0].stamp_ns} ... {frames[-1].stamp_ns}"


def _named(figures: Sequence[Figure]) -> dict[str, Figure]:
    return {f.name: f for f in figures}
