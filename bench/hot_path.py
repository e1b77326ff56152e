"""The frame hot path: µs of CPU per analysed frame, next to the limit and to the usual way, over the same clips.

    python -m bench.hot_path [--rounds 4] [--seconds 16] [--model FILE] [--json]

*Ours* is the engine as the service runs it: chunks → decode → luma → motion gate → detector → tracker, 25 frames per second
decoded, 5 analysed. The *limit* is bare decode of the same access units and bare ``session.run`` of the same fitted model. The
*usual* way is ``cv2.VideoCapture``, a BGR letterbox, the model as published, NMS over all anchors, ``trackers``' ByteTrack.
All on one thread, interleaved round by round, least of all rounds. Ratios are printed only if the boxes of both ways agree.

Goals: whole ≤ 1.08 × limit at 640×360 and ≤ 1.05 × at the larger sizes; usual ≥ 1.7 × ours at 640×360; a still scene with
the gate shut ≤ 1.10 × bare decode.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # python bench/hot_path.py
    sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import numpy as np
import structlog

from bench.hot.clips import ANALYSED_PER_S, FORMS, FRAMES_PER_S, Form, people, still
from bench.hot.ours import (
    ALWAYS_OPEN,
    ALWAYS_SHUT,
    STAGES,
    Recorder,
    Stream,
    bare_run,
    engine_for,
    health_us,
    run_engine,
    run_limit,
    stages_us,
)
from bench.hot.usual import Usual, tracker_us
from bench.report import emit
from services.analyze.core.detection import Detections, iou_matrix
from services.analyze.core.motion import GatePolicy, MotionGate
from services.analyze.detector import Model, activate
from services.analyze.installed import install, read_model
from services.analyze.registry import load_registry
from tests.integration.analyze.streams import SHARED

GOALS = {360: 1.08, 720: 1.05, 1080: 1.05}
USUAL_GOAL, STILL_GOAL = 1.7, 1.10
#: Boxes that count for agreement, and how far their counterparts may lie below.
_SURE, _SLACK = 0.4, 0.2
_LEAST_MEAN_IOU, _LEAST_SHARE = 0.9, 0.95


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.hot_path", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=16.0, help="length of the clips")
    parser.add_argument(
        "--model", type=Path, help="YOLOX-nano's file; default: ../shared's, else the drawn rooms' detector"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    cv2.setNumThreads(1)
    gc.collect()
    gc.freeze()  # as every service does (services/backbone/running.py)
    with tempfile.TemporaryDirectory(prefix="kanhu-hot-") as folder:
        model = model_for_bench(Path(folder), arguments.model)
        rows = [crowded(model, form, arguments.seconds, arguments.rounds) for form in FORMS]
        rows += [empty(model, form, arguments.seconds, arguments.rounds) for form in FORMS]
    emit("hot_path", rows, as_json=arguments.json, notes=notes(model, rows))
    return 0 if all(row["boxes_agree"] is not False for row in rows) else 1


def model_for_bench(folder: Path, file: Path | None) -> Model:
    source = file or SHARED / "models" / "det_yolox_nano_416.onnx"
    if not source.exists():
        return activate(read_model(load_registry()["drawn-person"], None))
    return activate(install(load_registry()["yolox-nano-416"], folder, source=source, now="2026-11-01T00:00:00Z"))


@dataclass(slots=True)
class Rounds:
    """CPU seconds of a clip, round by round: ours with the gate open and working, the limit (decode, runs), the usual way."""

    whole: list[float] = field(default_factory=list)
    gated: list[float] = field(default_factory=list)
    limits: list[tuple[float, float]] = field(default_factory=list)
    usuals: list[float] = field(default_factory=list)
    gated_looks: int = 0


def crowded(model: Model, form: Form, seconds: float, rounds: int) -> dict[str, Any]:
    """People come and go; the gate measures and is kept open, so that every frame is analysed. Beside it, the gate working."""
    clip = people(form, seconds)
    stream = Stream.of(clip)
    found = found_by_ours(model, stream)
    usual = usual_of(model)
    theirs = usual.run(clip, set(found))[1]
    usual.spent_s.clear()
    timed = interleaved(model, stream, clip, usual, set(found), rounds)
    frames, stages = len(found), least_stages(model, stream, ALWAYS_OPEN)
    track_us = tracker_us([theirs[number] for number in sorted(theirs)])
    return {
        "clip": clip.stem, "width": form.width, "height": form.height, "frames": frames, "model": model.name,
        **{f"{stage}_us": stages[stage] for stage in STAGES},
        **compared(timed, frames, form, agree(found, theirs), track_us), "health_us": health_us(stream),
        "usual_stages_us": {k: v / frames / rounds * 1e6 for k, v in usual.spent_s.items()} | {"track": track_us},
    }  # fmt: skip


def usual_of(model: Model) -> Usual:
    return Usual(model.session, model.entry.input.width, model.entry.input.height, model.entry.person_classes[0])


def found_by_ours(model: Model, stream: Stream) -> dict[int, Detections]:
    """What the engine finds, by number of the frame; the engine is warm after that."""
    recorder, engine = Recorder(model), engine_for(model, MotionGate(ALWAYS_OPEN))
    engine.detector = recorder
    run_engine(engine, stream)
    return recorder.found


def interleaved(model: Model, stream: Stream, clip: Path, usual: Usual, analysed: set[int], rounds: int) -> Rounds:
    """Each round: the limit and ours twice, the usual way and ours through the gate once."""
    timed, run = Rounds(), bare_run(model, stream)
    for _ in range(rounds):
        timed.limits.append(run_limit(stream, run, analysed))
        timed.whole.append(run_engine(engine_for(model, MotionGate(ALWAYS_OPEN)), stream))
        timed.usuals.append(usual.run(clip, analysed)[0])
        timed.limits.append(run_limit(stream, run, analysed))
        timed.whole.append(run_engine(engine_for(model, MotionGate(ALWAYS_OPEN)), stream))
        through_gate = engine_for(model, MotionGate())
        timed.gated.append(run_engine(through_gate, stream))
        timed.gated_looks = through_gate.fates.analysed
    return timed


def compared(
    timed: Rounds, frames: int, form: Form, agreement: dict[str, Any], track_us: float | None
) -> dict[str, Any]:
    """The figures of a row with people. No ratio where the boxes do not agree."""
    whole_us, gated_us = min(timed.whole) / frames * 1e6, min(timed.gated) / frames * 1e6
    limit_us = min(decode + runs for decode, runs in timed.limits) / frames * 1e6
    least_us = (min(decode for decode, _ in timed.limits) + min(runs for _, runs in timed.limits)) / frames * 1e6
    usual_us = min(timed.usuals) / frames * 1e6 + (track_us or 0.0)
    goal, agrees = GOALS[form.height], agreement["agree"]
    pairs = [ours / sum(limit) for ours, limit in zip(timed.whole, timed.limits, strict=True)]
    return {
        "ratio_median_of_pairs": statistics.median(pairs) if agrees else None,
        "whole_us": whole_us, "limit_us": limit_us, "limit_least_us": least_us, "usual_us": usual_us,
        "ratio_to_limit": whole_us / limit_us if agrees else None, "goal": goal,
        "met": bool(agrees and whole_us <= goal * limit_us),
        "usual_ratio": usual_us / whole_us if agrees else None,
        "usual_goal": USUAL_GOAL if form.height == 360 else None,
        "gated_us": gated_us, "gated_looks": timed.gated_looks / frames,
        "usual_ratio_gated": usual_us / gated_us if agrees else None,
        "cameras_per_core": 1e6 / ANALYSED_PER_S / whole_us, "cameras_per_core_gated": 1e6 / ANALYSED_PER_S / gated_us,
        "boxes_agree": agrees, "agreement": agreement,
    }  # fmt: skip


def empty(model: Model, form: Form, seconds: float, rounds: int) -> dict[str, Any]:
    """Nobody is there: with the gate shut all the time, and as it is set by default, a look every few seconds included."""
    clip = still(form, seconds)
    stream = Stream.of(clip)
    run_engine(engine_for(model, MotionGate()), stream)
    decodes: list[float] = []
    shut: list[float] = []
    whole: list[float] = []
    usuals: list[float] = []
    usual, analysed = usual_of(model), set(range(0, len(stream.units), FRAMES_PER_S // ANALYSED_PER_S))
    for number in range(2 * rounds):
        if number % 2:
            usuals.append(usual.run(clip, analysed)[0])
        decodes.append(run_limit(stream, lambda: None, set())[0])
        shut.append(run_engine(engine_for(model, MotionGate(ALWAYS_SHUT)), stream))
        engine = engine_for(model, MotionGate())
        whole.append(run_engine(engine, stream))
    frames = engine.fates.looked
    stages = least_stages(model, stream, GatePolicy())
    shut_us, whole_us, decode_us, usual_us = (min(spent) / frames * 1e6 for spent in (shut, whole, decodes, usuals))
    return {
        "clip": clip.stem, "width": form.width, "height": form.height, "frames": frames, "model": model.name,
        **{f"{stage}_us": stages[stage] for stage in STAGES},
        "whole_us": shut_us, "limit_us": decode_us, "ratio_to_limit": shut_us / decode_us, "goal": STILL_GOAL,
        "met": shut_us <= STILL_GOAL * decode_us, "whole_with_looks_us": whole_us,
        "usual_us": usual_us, "usual_ratio_gated": usual_us / whole_us,
        "ratio_to_limit_with_looks": whole_us / decode_us, "gated_looks": engine.fates.analysed / frames,
        "cameras_per_core": 1e6 / ANALYSED_PER_S / whole_us, "boxes_agree": None,
    }  # fmt: skip


def least_stages(model: Model, stream: Stream, policy: GatePolicy) -> dict[str, float]:
    """The least of three runs, stage by stage: what a stage costs when nothing else disturbs it."""
    runs = [stages_us(model, stream, policy) for _ in range(3)]
    return {stage: min(run[stage] for run in runs) for stage in STAGES}


def agree(ours: dict[int, Detections], theirs: dict[int, Detections]) -> dict[str, Any]:
    """Every sure box of the usual way has a counterpart in ours, in its place and with its score, and the other way round."""
    overlaps: list[float] = []
    changes: list[float] = []
    sure = matched = 0
    for left, right in ((theirs, ours), (ours, theirs)):
        for number, found in left.items():
            other = right[number]
            for index in np.flatnonzero(found.scores >= _SURE):
                sure += 1
                places = iou_matrix(found.boxes[index : index + 1], other.boxes)[0] if len(other) else np.zeros(0)
                places = np.where(other.scores >= _SURE - _SLACK, places, 0)
                if places.size and places.max() >= 0.5:
                    matched += 1
                    overlaps.append(float(places.max()))
                    changes.append(abs(float(other.scores[places.argmax()] - found.scores[index])))
    mean = float(np.mean(overlaps)) if overlaps else 0.0
    return {
        "boxes": sure, "matched": matched, "mean_iou": mean, "least_iou": min(overlaps, default=0.0),
        "mean_score_change": float(np.mean(changes)) if changes else 0.0,
        "agree": sure > 0 and matched >= _LEAST_SHARE * sure and mean >= _LEAST_MEAN_IOU,
    }  # fmt: skip


def notes(model: Model, rows: list[dict[str, Any]]) -> list[str]:
    said = [
        "us of CPU per analysed frame, one thread, least of interleaved rounds; stages: runs of their own, clocks included",
        "beside the path, not in whole_us: health_us, a look at the camera's health each second; rules, records (bench.service)",
        "rows with people hold the gate open, as it is while somebody is followed; gated_us has it working",
        "still rows: whole_us with the gate shut but for the first frame; with_looks: a look every 5 s, as it is set by default;"
        " usual_us without a tracker, which has nothing to do",
    ]
    if any(row.get("usual_stages_us", {}).get("track", 0.0) is None for row in rows):
        said.append("trackers' ByteTrack could not be had: usual_us is without a tracker, and so too low")
    if any(row["boxes_agree"] is False for row in rows):
        said.append("boxes of both ways do NOT agree: no ratio is given")
    if model.name == "drawn-person":
        said.append(
            "without ../shared and --model: drawn rooms and their detector, which is no network; look at the limit only"
        )
    return said


if __name__ == "__main__":
    raise SystemExit(main())
