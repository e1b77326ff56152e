"""How well people are followed, and what it costs: ours, SORT and ``trackers``' ByteTrack on the same detections.

Quality: every sequence of shared/data/mot with the detections given, one with a small model's, and all of them thinned to about
5 and 2.5 fps, the product's rates (there the mean of four beginnings, counts summed); HOTA with its parts, MOTA, IDF1, switches,
false and missed boxes by TrackEval's definitions, as per cent. Ours has one set of parameters for all. Cost: CPU microseconds of
``update`` a frame for 3, 20 and 60 people.

python -m bench.tracking [--json] [--without-libraries]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.environment import bench_python
from bench.mot.boxes import GIVEN, SHARED, TrackedBoxes, TrackingCase, at_rate, given_case
from bench.mot.detected import MODEL, detected_case
from bench.mot.generated import apart_case, generated_case
from bench.mot.running import ask, detections_of, library_scores, run_library, run_ours, run_sort
from bench.mot.scoring import Scores, mean, score
from bench.report import emit
from services.analyze.core.tracker import Tracker

_SLOW_RATES = (5.0, 2.5)
_BEGINNINGS = (0.0, 0.25, 0.5, 0.75)
_COUNTS = {"switches", "false_positives", "false_negatives"}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.tracking", description="Tracking quality and cost.")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--without-libraries", action="store_true", help="do not install or run what we compare with")
    wanted = parser.parse_args(argv)
    python = None if wanted.without_libraries else bench_python()
    rows, notes = quality(python)
    rows += cost(python)
    emit("tracking", rows, as_json=wanted.json, notes=notes)
    return 0


def quality(python: Path | None) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of every sequence and tracker, with the means, and what is to be said of them."""
    rows, notes = [], ["sort: the algorithm of its release, written anew; it gives INDEX.md's figures to the box"]
    for title, sequences in groups().items():
        found: dict[str, list[Scores]] = {}
        for cases in sequences:
            for name, tracks in _tracks(python, cases).items():
                scores = [score(case.truth, each) for case, each in zip(cases, tracks, strict=True)]
                found.setdefault(name, []).append(mean(scores))
                rows.append(_row(cases[0].name, name, found[name][-1]))
                if python is not None and name == "ours" and len(cases) == 1:
                    apart = _disagreement(python, cases[0], tracks[0], scores[0])
                    notes.append(
                        f"our scorer against TrackEval, our tracks of {cases[0].name}: apart by {apart:.0e} at most"
                    )
        rows += [_row(f"mean {title}", name, mean(scores)) for name, scores in found.items()]
    notes.append(
        f"libraries: {ask(python, {'versions': True})[0]}" if python else "bytetrack: its library is not there"
    )
    return rows, notes


def groups() -> dict[str, list[list[TrackingCase]]]:
    """What is tracked, by the name of its mean: for each sequence its beginnings, whose figures are averaged.

    Generated rooms where the recorded sequences are not there.
    """
    if not (SHARED / "mot").is_dir():
        return {
            f"generated at {rate:g} fps": [[generated_case(rate, seed=n)] for n in range(3)] for rate in (25, 5, 2.5)
        }
    filmed = [given_case(*given) for given in GIVEN]
    if MODEL.exists():
        filmed.append(detected_case())
    slow = {
        f"at about {rate:g} fps": [[at_rate(case, rate, begun=begun) for begun in _BEGINNINGS] for case in filmed]
        for rate in _SLOW_RATES
    }
    return {"as filmed": [[case] for case in filmed], **slow}


def _tracks(python: Path | None, cases: Sequence[TrackingCase]) -> dict[str, list[TrackedBoxes]]:
    told = {"ours": [run_ours(case) for case in cases], "sort": [run_sort(case) for case in cases]}
    if python is not None:
        told["bytetrack"] = run_library(python, cases, "bytetrack")
    return told


def cost(python: Path | None) -> list[dict[str, Any]]:
    """CPU of one ``update`` with so many people in the picture, the least of several runs."""
    rows = []
    for people in (3, 20, 60):
        room = apart_case(people)
        told = {"ours": _least_us([(frame_ns, found) for _, frame_ns, found in room.frames()])}
        if python is not None:
            names = ("sort", "bytetrack", "ocsort")
            task = {"frames_per_s": room.frames_per_s, "frames": detections_of(room)}
            answers = ask(python, *({"time": {"tracker": name, **task}} for name in names))
            told |= {f"{name} of trackers": answer["cpu_s"] * 1e6 for name, answer in zip(names, answers, strict=True)}
        rows += [{"sequence": f"cost of {people} people", "tracker": n, "us_per_frame": us} for n, us in told.items()]
    return rows


def _least_us(frames: list[tuple[int, Any]]) -> float:
    least = float("inf")
    for _ in range(5):
        tracker = Tracker()
        begun = time.process_time()
        for frame_ns, found in frames:
            tracker.update(frame_ns, found)
        least = min(least, time.process_time() - begun)
    return least / len(frames) * 1e6


def _row(sequence: str, tracker: str, found: Scores) -> dict[str, Any]:
    figures = {name: value if name in _COUNTS else 100 * value for name, value in asdict(found).items()}
    return {"sequence": sequence, "tracker": tracker, **figures}


def _disagreement(python: Path, case: TrackingCase, tracks: TrackedBoxes, found: Scores) -> float:
    theirs = library_scores(python, case.truth, tracks)["trackeval"]
    return float(np.max([abs(value - theirs[name]) for name, value in asdict(found).items()]))


if __name__ == "__main__":
    raise SystemExit(main())
