"""Everything from nothing: ``python -m bench.nursery_detector WORKPLACE``; an hour on two cores that do nothing else.

Leaves ``nursery_people.onnx`` and prints what it is worth; copying it into ``services/analyze/models`` and its digest into the
registry is a person's decision. ``--python`` names the interpreter that has PyTorch (Debian: ``apt install python3-torch``).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
_UNSEEN = {"seeds": 77, "building": 78, "houses": 79}


def main() -> int:
    begun_s = time.monotonic()
    parser = argparse.ArgumentParser(prog="python -m bench.nursery_detector", description=__doc__.splitlines()[0])
    parser.add_argument("workplace", type=Path)
    parser.add_argument("--pictures", type=int, default=7344)
    parser.add_argument("--seed", type=int, default=2, help="of the pictures")
    parser.add_argument("--steps", type=int, default=8800)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--python", default="/usr/bin/python3", help="an interpreter that has PyTorch")
    arguments = parser.parse_args()
    place = arguments.workplace.resolve()
    place.mkdir(parents=True, exist_ok=True)
    weights, model = place / "weights.npz", place / "nursery_people.onnx"
    jobs = ["--jobs", str(arguments.jobs)]
    for unseen, seed in _UNSEEN.items():
        _run(sys.executable, "dataset", place / unseen, "--unseen", unseen, "--seed", seed, "--pictures", 400, *jobs)
    train, pictures, steps = place / "train", arguments.pictures, arguments.steps
    _run(sys.executable, "dataset", train, "--seed", arguments.seed, "--pictures", pictures, *jobs)
    _run(arguments.python, "train", train, weights, "--steps", steps)
    _run(sys.executable, "export", weights, model)
    _run(sys.executable, "evaluate", model, *(place / unseen for unseen in _UNSEEN))
    print(json.dumps({"whole_minutes": round((time.monotonic() - begun_s) / 60, 1)}))
    return 0


def _run(python: str, step: str, *arguments: object) -> None:
    command = [python, "-m", f"bench.nursery_detector.{step}", *map(str, arguments)]
    subprocess.run(command, cwd=REPOSITORY, check=True)


if __name__ == "__main__":
    raise SystemExit(main())
