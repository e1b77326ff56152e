"""Everything from nothing: ``python -m bench.nursery_detector WORKPLACE``; an hour on two cores.

Two rounds: 10,000 steps over 6,960 pictures, then on to 11,200 with the pictures of eight more houses among them.

Leaves ``nursery_people.onnx`` and prints what it is worth; copying it into ``services/analyze/models`` and its digest into the
registry is a person's decision. ``--python`` names the interpreter that has PyTorch (Debian: ``apt install python3-torch``).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
_UNSEEN = {"seeds": 77, "building": 78, "houses": 79}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.nursery_detector", description=__doc__.splitlines()[0])
    parser.add_argument("workplace", type=Path)
    parser.add_argument(
        "--pictures", type=int, nargs="+", default=[6960, 7728], help="of each round, those before included"
    )
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument(
        "--steps",
        type=int,
        nargs="+",
        default=[10000, 11200],
        help="where the training's rate ends in each round; at each but the last it rises once more",
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--python", default="/usr/bin/python3", help="an interpreter that has PyTorch")
    arguments = parser.parse_args()
    if len(arguments.pictures) != len(arguments.steps):
        parser.error("--pictures and --steps name one figure for each round: give as many of one as of the other")
    place = arguments.workplace.resolve()
    place.mkdir(parents=True, exist_ok=True)
    weights, model = place / "weights.npz", place / "nursery_people.onnx"
    jobs = ["--jobs", str(arguments.jobs)]
    for unseen, seed in _UNSEEN.items():
        _run(sys.executable, "dataset", place / unseen, "--unseen", unseen, "--seed", seed, "--pictures", 400, *jobs)
    for number, (pictures, steps) in enumerate(zip(arguments.pictures, arguments.steps, strict=True)):
        _run(sys.executable, "dataset", place / "train", "--seed", arguments.seed, "--pictures", pictures, *jobs)
        _run(arguments.python, "train", place / "train", weights, "--steps", steps, *(["--resume"] if number else []))
    _run(sys.executable, "export", weights, model)
    _run(sys.executable, "evaluate", model, *(place / unseen for unseen in _UNSEEN))
    return 0


def _run(python: str, step: str, *arguments: object) -> None:
    command = [python, "-m", f"bench.nursery_detector.{step}", *map(str, arguments)]
    subprocess.run(command, cwd=REPOSITORY, check=True)


if __name__ == "__main__":
    raise SystemExit(main())
