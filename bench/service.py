"""The whole analysis service against the physical limit: log, decode, engine, rules and records of 16 live cameras.

    python -m bench.service [--cameras 16] [--seconds 20] [--trials 2] [--json]

The limit is what nobody can do without: bare decode of the same access units and a bare run of the same (fitted) model for the
same number of analysed frames, of as many cameras at the same live pace on as many threads (``live_limit``). It is measured
before and after each trial, and a trial is compared with the mean of both: what the machine's neighbours take, both lose.
Beside it stands what the same work costs back to back on one thread, which no service of live cameras can reach: there the caches
are every decoder's own and the other core is idle. Counted is the CPU of the service's own process; a feeder of its own appends
pre-made chunks of 640×360 at 25 frames per second, 1 Mbit/s, at live pace. Goal: at most 1.15 times the limit.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.live_feed import Reel, draw_clip
from bench.live_limit import measure_live_limit
from bench.report import emit, logs_aside
from bench.watch_trial import SHARED, Limit, Trial, measure_limit, model_for_bench, run_trial

GOAL = 1.15
_LIMIT_S = 10.0


def measure(cameras: int, seconds: float, trials: int, frames_per_s: float = 5.0) -> dict[str, Any]:
    """One row."""
    with tempfile.TemporaryDirectory(prefix="kanhu-service-") as folder:
        root = Path(folder)
        people = SHARED / "clips" / "room_people_12fps.mp4"
        clip = draw_clip(root / "live.mp4", source=people if people.exists() else None)
        model, reel = model_for_bench(root / "models"), Reel.of(clip)
        back_to_back = measure_limit(reel, model)
        analyze = {"detector": model.name, "models": str(root / "models")}
        limits = [measure_live_limit(reel, model, cameras, _LIMIT_S, frames_per_s=frames_per_s)]
        done: list[Trial] = []
        for _ in range(trials):
            done.append(run_trial(clip, cameras, seconds, frames_per_s=frames_per_s, analyze=analyze))
            limits.append(measure_live_limit(reel, model, cameras, _LIMIT_S, frames_per_s=frames_per_s))
    means = [_mean(pair) for pair in pairwise(limits)]
    return {"model": model.name, "cameras": cameras, **compared(done, means, back_to_back, frames_per_s)}


def compared(trials: list[Trial], limits: list[Limit], back_to_back: Limit, frames_per_s: float) -> dict[str, Any]:
    """All trials together against the limit of each, and each by itself."""
    stream_s = sum(trial.cameras * trial.seconds for trial in trials)
    cpu_s = sum(trial.cpu_s for trial in trials)
    needed_s = [_needed_s(trial, limit) for trial, limit in zip(trials, limits, strict=True)]
    # Else the limit counts what was not decoded.
    whole = all(sum(t.skipped().values()) <= 0.01 * 25 * t.cameras * t.seconds for t in trials)
    return {
        "trials": len(trials), "seconds": round(sum(trial.seconds for trial in trials), 1),
        "analysed_frames": round(sum(_frames(trial, "analysed_frames") for trial in trials)),
        "gated_frames": round(sum(_frames(trial, "gated_frames") for trial in trials)),
        "asked_frames": round(stream_s * frames_per_s),
        "service_cpu_ms_per_camera_s": cpu_s * 1000 / stream_s, "limit_cpu_ms_per_camera_s": sum(needed_s) * 1000 / stream_s,
        "decode_us_per_frame": _mean(limits).decode_s_per_s / 25 * 1e6, "run_us": _mean(limits).run_s * 1e6,
        "ratio_to_limit": cpu_s / sum(needed_s), "goal": GOAL, "met": whole and cpu_s <= GOAL * sum(needed_s),
        "ratios_of_trials": [round(trial.cpu_s / s, 3) for trial, s in zip(trials, needed_s, strict=True)],
        "ratio_to_back_to_back": cpu_s / sum(_needed_s(trial, back_to_back) for trial in trials),
        "stale_p50_s": max(trial.stale_s(0.5) for trial in trials), "stale_p99_s": max(trial.stale_s(0.99) for trial in trials),
        "watched_whole": whole, "skipped": [trial.skipped() for trial in trials],
    }  # fmt: skip


def _needed_s(trial: Trial, limit: Limit) -> float:
    """What the limit is for the frames of a trial."""
    return limit.decode_s_per_s * trial.cameras * trial.seconds + limit.run_s * _frames(trial, "analysed_frames")


def _frames(trial: Trial, name: str) -> float:
    return sum(trial.frames(name).values())


def _mean(limits: Sequence[Limit]) -> Limit:
    return Limit(fmean(limit.decode_s_per_s for limit in limits), fmean(limit.run_s for limit in limits))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.service", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each trial")
    parser.add_argument("--trials", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    logs_aside()
    row = measure(arguments.cameras, arguments.seconds, arguments.trials)
    emit(
        "service", [row], as_json=arguments.json, notes=["CPU of the service's process over bare decode and bare runs"]
    )
    return 0 if row["met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
