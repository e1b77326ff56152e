"""More cameras than the machine can watch, 0.5 to 4 times: rate per camera, staleness, memory, what was left out.

    python -m bench overload        python bench/overload.py [--seconds 15] [--json]

Capacity is what the machine's workers can do by bare decode and bare runs (measured here first), as a number of cameras of
640×360, 25 frames per second, 1 Mbit/s, each asked to be analysed at 25 frames per second, so that few cameras are a load and the
log is none. One worker thread; the feeder and the log have the other core. The clip moves everywhere, so no motion gate helps.
Expected: staleness and memory stay where they are, every camera gets the same rate, and what is left out is left out on purpose.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.live_feed import Reel, draw_clip
from bench.report import emit, logs_aside
from bench.watch_trial import SHARED, measure_limit, model_for_bench, run_trial, spread

ASKED = 25.0
FACTORS = (0.5, 1.0, 2.0, 4.0)
_MIB = 1024 * 1024


def measure(seconds: float, factors: tuple[float, ...] = FACTORS) -> list[dict[str, Any]]:
    """One row a factor."""
    with tempfile.TemporaryDirectory(prefix="kanhu-overload-") as folder:
        root = Path(folder)
        people = SHARED / "clips" / "room_people_12fps.mp4"
        clip = draw_clip(root / "live.mp4", source=people if people.exists() else None)
        model = model_for_bench(root / "models")
        limit = measure_limit(Reel.of(clip), model)
        capacity = 1 / (limit.decode_s_per_s + ASKED * limit.run_s)
        analyze = {"detector": model.name, "threads": 1, "models": str(root / "models"), "motion_gate": False}
        rows = []
        for factor in factors:
            cameras = max(1, round(factor * capacity))
            trial = run_trial(clip, cameras, seconds, frames_per_s=ASKED, analyze=analyze)
            rates = {name: count / trial.seconds for name, count in trial.frames("analysed_frames").items()}
            share = spread(list(rates.values()))
            rows.append({
                "load": factor, "cameras": cameras, "capacity_cameras": round(capacity, 1), "asked_per_s": ASKED,
                "rates": {name: round(rate, 3) for name, rate in rates.items()},
                "rate_least": share["least"], "rate_mean": share["mean"], "rate_most": share["most"],
                "fairness": share["fairness"], "stale_p50_s": trial.stale_s(0.5), "stale_p99_s": trial.stale_s(0.99),
                "resident_mib": statistics.median(trial.resident_bytes) / _MIB,
                "resident_mib_most": max(trial.resident_bytes) / _MIB,
                "cpu_s_per_s": trial.cpu_s / trial.seconds, "seconds": round(trial.seconds, 1), "skipped": trial.skipped(),
            })  # fmt: skip
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    logs_aside()
    rows = measure(arguments.seconds)
    notes = [
        "rates: analysed frames per second of each camera",
        "fairness: Jain's index of the cameras' rates, 1 is equal",
        "stale: capture of a chunk's end to its analysis",
    ]
    emit("overload", rows, as_json=arguments.json, notes=notes)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
