"""The whole analysis service against the physical limit: log, decode, engine, rules and records of 16 live cameras.

    python -m bench.service [--cameras 16] [--seconds 30] [--json]

The limit is what nobody can do without: bare decode of the same access units and a bare run of the same (fitted) model for the
same number of analysed frames, of as many cameras at the same live pace on as many threads, before and after (``live_limit``).
Beside it stands what the same work costs back to back on one thread, which no service of live cameras can reach: there the caches
are every decoder's own and the other core is idle. Counted is the CPU of the service's own process; a feeder of its own appends
pre-made chunks of 640×360 at 25 frames per second, 1 Mbit/s, at live pace. Goal: at most 1.15 times the limit.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from bench.live_feed import Reel, draw_clip
from bench.live_limit import measure_live_limit
from bench.report import emit, logs_aside
from bench.watch_trial import SHARED, Limit, measure_limit, model_for_bench, run_trial

GOAL = 1.15
_LIMIT_S = 10.0


def measure(cameras: int, seconds: float, frames_per_s: float = 5.0) -> dict[str, Any]:
    """One row."""
    with tempfile.TemporaryDirectory(prefix="kanhu-service-") as folder:
        root = Path(folder)
        people = SHARED / "clips" / "room_people_12fps.mp4"
        clip = draw_clip(root / "live.mp4", source=people if people.exists() else None)
        model, reel = model_for_bench(root / "models"), Reel.of(clip)
        back_to_back = measure_limit(reel, model)
        limits = [measure_live_limit(reel, model, cameras, _LIMIT_S, frames_per_s=frames_per_s)]
        analyze = {"detector": model.name, "models": str(root / "models")}
        trial = run_trial(clip, cameras, seconds, frames_per_s=frames_per_s, analyze=analyze)
        limits.append(measure_live_limit(reel, model, cameras, _LIMIT_S, frames_per_s=frames_per_s))
    least = Limit(min(limit.decode_s_per_s for limit in limits), min(limit.run_s for limit in limits))
    analysed = sum(trial.frames("analysed_frames").values())
    gated = sum(trial.frames("gated_frames").values())
    skipped = trial.skipped()
    whole = sum(skipped.values()) <= 0.01 * 25 * cameras * trial.seconds  # else the limit counts what was not decoded
    limit_s, alone_s = (
        limit.decode_s_per_s * cameras * trial.seconds + limit.run_s * analysed for limit in (least, back_to_back)
    )
    return {
        "model": model.name, "cameras": cameras, "seconds": round(trial.seconds, 1), "analysed_frames": round(analysed),
        "gated_frames": round(gated), "asked_frames": round(cameras * trial.seconds * frames_per_s),
        "service_cpu_ms_per_camera_s": trial.cpu_s * 1000 / cameras / trial.seconds,
        "limit_cpu_ms_per_camera_s": limit_s * 1000 / cameras / trial.seconds,
        "decode_us_per_frame": least.decode_s_per_s / 25 * 1e6, "run_us": least.run_s * 1e6,
        "ratio_to_limit": trial.cpu_s / limit_s, "goal": GOAL, "met": whole and trial.cpu_s <= GOAL * limit_s,
        "ratio_to_back_to_back": trial.cpu_s / alone_s,
        "stale_p50_s": trial.stale_s(0.5), "stale_p99_s": trial.stale_s(0.99), "watched_whole": whole, "skipped": skipped,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.service", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    logs_aside()
    row = measure(arguments.cameras, arguments.seconds)
    emit(
        "service", [row], as_json=arguments.json, notes=["CPU of the service's process over bare decode and bare runs"]
    )
    return 0 if row["met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
