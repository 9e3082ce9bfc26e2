"""The truth in an input bag, and the scores of a run against it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datasets import BagReader
from perception_nodes.datatypes.topics import MAP_TRUTH_TOPIC, TRUTH_TOPIC
from perception_nodes.evaluation import BoxFrame, RunScores, evaluate_run, frames_of_rows
from perception_nodes.evaluation.maps import MAP_DEFINITION, MapSample, map_scores, once_a_period
from perception_nodes.geometry import Transform

from .records import Record, map_geojson, stamp_ns, truth_records

Pose = Callable[[int], Transform | None]


def read_truth(bag: Path, start_ns: int, end_ns: int) -> dict[int, list[Record]]:
    """True boxes by stamp, within the part that was played."""
    with BagReader(bag) as reader:
        messages = (m for _, m in reader.readable(TRUTH_TOPIC, start_ns, end_ns))
        return {stamp_ns(m.header): list(truth_records(m)) for m in messages}


def read_map_truth(bag: Path) -> Record | None:
    """The true map elements as GeoJSON, None if the bag has none."""
    with BagReader(bag) as reader:
        info = reader.info.topic(MAP_TRUTH_TOPIC)
        last = None
        for _, _, raw in reader.messages([MAP_TRUTH_TOPIC]) if info is not None else ():
            last = reader.decode(raw, info.typename) if info is not None else None
        return None if last is None else map_geojson(last)


def write_map_truth(truth: Record, path: Path) -> None:
    """`truth_map_elements.geojson`."""
    path.write_text(json.dumps(truth) + "\n")


def map_metrics(elements: Mapping[int, Record], truth: Record) -> dict[str, Any]:
    """Scores of the published map elements (by stamp, as GeoJSON) by type, with the definition they follow."""
    stamps = sorted(s for s, collection in elements.items() if collection.get("valid_rectangle"))
    true_lines = _lines_by_type(truth)
    samples = []
    for stamp in (stamps[k] for k in once_a_period(stamps)):
        collection = elements[stamp]
        ours = _lines_by_type(collection)
        lines = {kind: [line for line, _ in found] for kind, found in ours.items()}
        scores = {kind: [score for _, score in found] for kind, found in ours.items()}
        sample = MapSample({k: [line for line, _ in v] for k, v in true_lines.items()}, lines, scores)
        samples.append(sample.cut(np.array(collection["valid_rectangle"], np.float64)))
    by_type = {kind: scores.to_dict() for kind, scores in map_scores(samples).items()}
    return {"samples": len(samples), "by_type": by_type, "definition": MAP_DEFINITION}


def _lines_by_type(collection: Record) -> dict[str, list[tuple[npt.NDArray[np.float64], float]]]:
    """Lines (N, 3) m with their existence probability (1 where it is not known)."""
    out: dict[str, list[tuple[npt.NDArray[np.float64], float]]] = {}
    for feature in collection["features"]:
        if feature["geometry"]["type"] == "LineString":
            score = float(feature["properties"].get("existence_probability", 1.0))
            line = np.array(feature["geometry"]["coordinates"], np.float64)
            out.setdefault(str(feature["properties"]["type"]), []).append((line, score))
    return out


def write_truth(truth: Mapping[int, list[Record]], path: Path) -> None:
    """`truth.jsonl`."""
    with path.open("w") as stream:
        for records in truth.values():
            for record in records:
                stream.write(json.dumps(record) + "\n")


def score(tracks: Mapping[int, list[Record]], truth: Mapping[int, list[Record]], pose: Pose) -> RunScores:
    """Scores of the published tracks against the truth; a stamp without objects is a frame without boxes."""
    return evaluate_run(_frames(tracks, pose), _frames(truth, pose))


def _frames(records: Mapping[int, list[Record]], pose: Pose) -> list[BoxFrame]:
    by_stamp = {f.stamp_ns: f for f in frames_of_rows([r for rows in records.values() for r in rows])}
    out = []
    for stamp in sorted(records):
        frame = by_stamp.get(stamp) or _empty(stamp)
        at = pose(stamp)
        out.append(replace(frame, ego_xy_m=at.translation_m[:2]) if at is not None else frame)
    return out


def _empty(stamp: int) -> BoxFrame:
    none, numbers = np.zeros(0), np.zeros(0, np.int64)
    return BoxFrame(
        stamp, numbers, numbers, none, np.zeros((0, 3)), np.zeros((0, 3)), none, np.zeros((0, 2)), numbers
    )


def metrics_block(scores: RunScores) -> dict[str, Any]:
    """The scores as in summary.json, with the rows and tiles that the report shows."""
    plain = scores.to_dict()
    columns = ["class", "truth", "AP@2m", "recall", "precision", "MOTA", "HOTA", "IDF1", "id switches"]
    rows = []
    for name, one in plain["classes"].items():
        if one["num_truth"] or one["num_predictions"]:
            keys = ("recall", "precision", "mota", "hota", "idf1", "id_switches")
            ap = next((v for k, v in one["ap"].items() if float(k) == 2.0), None)
            rows.append([name, one["num_truth"], ap, *(one[k] for k in keys)])
    near = plain["near_cars"]
    config = plain["config"]
    car = next((r for r in rows if r[0] == "car"), None)
    tiles = [("car AP at 2 m", car[2]), ("car HOTA", car[6])] if car else []
    words = f"cars within {config['near_range_m']:g} m with >= {config['near_min_points']} points"
    tiles += [(f"recall, {words}", near["recall"]), (f"id switches, {words}", near["id_switches"])]
    protocol = (
        f"{scores.frames} frames; centre distance below {config['match_distance_m']:g} m seen from above; within"
        f" {config['max_range_m']:g} m, truth with >= {config['min_points']} points"
    )
    return {**plain, "columns": columns, "rows": rows, "tiles": tiles, "protocol": protocol}
