"""Trains the network on rendered frames; runs on a Python that has PyTorch, not in ``.venv``.

    python3 -m bench.nursery_detector.train DATASET WEIGHTS.npz [--epochs N] [--minutes M] [--seed S] [--threads T]

Reads ``pictures.npy`` (n, 224, 384, 3) uint8 BGR and ``people.npy`` (m, 7): picture, kind, x1, y1, x2, y2, visible share.
Stops after ``--epochs``, or earlier so as to end within ``--minutes``: the learning rate follows the share of either.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bench.nursery_detector.augment import augmented
from bench.nursery_detector.loss import loss_of
from bench.nursery_detector.network import NurseryNet, grid

_BATCH = 24
_BEST_RATE, _LAST_RATE, _WARM_STEPS = 2.0e-3, 2.0e-5, 300
_DECAY = 5e-4


def main() -> int:
    arguments = _arguments()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    pictures = np.load(arguments.dataset / "pictures.npy", mmap_mode="r")
    people = torch.from_numpy(np.load(arguments.dataset / "people.npy")).float()
    by_picture = [people[people[:, 0] == number][:, 1:] for number in range(len(pictures))]
    model = NurseryNet()
    print(json.dumps({"parameters": sum(p.numel() for p in model.parameters()), "pictures": len(pictures)}), flush=True)
    averaged = train(model, pictures, by_picture, arguments)
    arrays = {name: value.numpy() for name, value in averaged.items()}
    np.savez(arguments.weights, **arrays)
    return 0


def train(model: NurseryNet, pictures: np.ndarray, people: list[Tensor], arguments: argparse.Namespace) -> dict:
    """Weights averaged over the last steps (exponential moving average)."""
    chance = np.random.default_rng(arguments.seed)
    corners, strides = grid()
    optimiser = _optimiser(model)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    begun, step, done = time.monotonic(), 0, 0.0
    steps_in_all = arguments.epochs * (len(pictures) // _BATCH)
    sums: dict[str, float] = {}
    while done < 1.0:
        order = chance.permutation(len(pictures))
        for start in range(0, len(order) - _BATCH + 1, _BATCH):
            elapsed = (time.monotonic() - begun) / 60 / arguments.minutes
            done = max(step / steps_in_all, elapsed)
            if done >= 1.0:
                break
            _set_rate(optimiser, step, done)
            numbers = np.sort(order[start : start + _BATCH])
            batch = torch.from_numpy(np.ascontiguousarray(pictures[numbers])).permute(0, 3, 1, 2).float()
            batch, wanted, ignored = augmented(batch, [people[n] for n in numbers], chance, last=done > 0.85)
            loss, parts = loss_of(model(batch), wanted, ignored, corners, strides)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 20.0)
            optimiser.step()
            step += 1
            _follow(average, model, min(0.998, step / (step + 100)))
            sums = {name: sums.get(name, 0.0) + part for name, part in parts.items()}
            if step % 100 == 0:
                said = {name: round(total / 100, 4) for name, total in sums.items()}
                print(json.dumps({"step": step, "done": round(done, 3), **said}), flush=True)
                sums = {}
    return average


def _optimiser(model: nn.Module) -> torch.optim.Optimizer:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": _DECAY}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=_BEST_RATE)


def _set_rate(optimiser: torch.optim.Optimizer, step: int, done: float) -> None:
    rate = _LAST_RATE + (_BEST_RATE - _LAST_RATE) * (1 + math.cos(math.pi * done)) / 2
    for group in optimiser.param_groups:
        group["lr"] = rate * min(1.0, (step + 1) / _WARM_STEPS)


@torch.no_grad()
def _follow(average: dict[str, Tensor], model: nn.Module, keep: float) -> None:
    for name, value in model.state_dict().items():
        if value.dtype.is_floating_point:
            average[name].mul_(keep).add_(value, alpha=1 - keep)
        else:
            average[name] = value.clone()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=50.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
