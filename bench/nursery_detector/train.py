"""Trains the network on rendered frames; runs on a Python that has PyTorch, not in ``.venv``.

    python3 -m bench.nursery_detector.train DATASET WEIGHTS.npz [--steps N] [--minutes M] [--seed S] [--threads T]

Reads ``pictures.npy`` (n, 224, 384, 3) uint8 BGR and ``people.npy`` (m, 7): picture, kind, x1, y1, x2, y2, visible share. What
happens in a step follows from (seed, step, steps) alone, so that a run may be stopped and, with ``--resume``, go on, also with
more ``--steps`` than it had (its rate then rises once more and falls again); every
``_KEPT_STEPS`` the averaged weights are written. ``--minutes`` is a last limit only: a run that meets it has not finished. A
processor that multiplies in bfloat16 is asked to (weights, losses and averages stay float32): that is twice as fast.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import time
from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bench.nursery_detector.augment import augmented
from bench.nursery_detector.loss import loss_of
from bench.nursery_detector.network import NurseryNet, grid

_BATCH = 32
_BEST_RATE, _LAST_RATE, _WARM_STEPS = 2.0e-3, 1.0e-5, 300
_STEADY = 0.44  # of the steps are taken at the best rate; from there it falls by a cosine
_TRUE = 0.93  # from here on pictures are changed in their light only
_DECAY = 1e-2
_KEEP = 0.999
_KEPT_STEPS = 500
_AHEAD = 3
_pictures: np.ndarray
_people: list[Tensor]


def main() -> int:
    arguments = _arguments()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    model = NurseryNet().to(memory_format=torch.channels_last)
    print(json.dumps({"parameters": sum(p.numel() for p in model.parameters())}), flush=True)
    train(model, arguments)
    return 0


def train(model: NurseryNet, arguments: argparse.Namespace) -> None:
    """Leaves the weights averaged over the last steps (exponential moving average) in ``arguments.weights``."""
    corners, strides = grid()
    optimiser = _optimiser(model)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    begun, sums, seconds = time.monotonic(), dict[str, float](), time.process_time()
    first = _resumed(arguments, model, optimiser, average) if arguments.resume else 0
    half = torch.autocast("cpu", dtype=torch.bfloat16, enabled=_multiplies_bfloat16())
    step = first
    for step, (pictures, wanted, ignored) in enumerate(_batches(arguments, first), first):
        _set_rate(optimiser, step, step / arguments.steps)
        batch = torch.from_numpy(pictures).float().to(memory_format=torch.channels_last)
        with half:
            output = model(batch)
        loss, parts = loss_of(output.float(), wanted, ignored, corners, strides)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 20.0)
        optimiser.step()
        _follow(average, model, min(_KEEP, (step + 1) / (step + 101)))
        sums = {name: sums.get(name, 0.0) + part for name, part in parts.items()}
        if (step + 1) % 100 == 0:
            said = {name: round(total / 100, 4) for name, total in sums.items()}
            used = round((time.process_time() - seconds) / 100, 3)
            print(
                json.dumps({"step": step + 1, **said, "cpu_s": used, "wall_s": round(time.monotonic() - begun)}),
                flush=True,
            )
            sums, seconds = {}, time.process_time()
        if (step + 1) % _KEPT_STEPS == 0:
            _keep(arguments, model, optimiser, average, step + 1)
        if time.monotonic() - begun > arguments.minutes * 60:
            print(json.dumps({"cut_short_at": step + 1, "of": arguments.steps}), flush=True)
            break
    _keep(arguments, model, optimiser, average, step + 1)


def _batches(arguments: argparse.Namespace, first: int) -> Iterator[tuple[np.ndarray, list[Tensor], list[Tensor]]]:
    """Made some steps ahead by processes of their own; the same whatever their number."""
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(arguments.makers, _open, (str(arguments.dataset),)) as pool:
        waiting = deque()
        for step in range(first, arguments.steps):
            waiting.append(pool.apply_async(_made, (step, arguments.seed, arguments.steps)))
            if len(waiting) > _AHEAD:
                yield _tensors(*waiting.popleft().get())
        while waiting:
            yield _tensors(*waiting.popleft().get())


def _open(folder: str) -> None:
    global _pictures, _people
    torch.set_num_threads(1)
    _pictures = np.load(Path(folder) / "pictures.npy", mmap_mode="r")
    people = np.load(Path(folder) / "people.npy")
    edges = np.searchsorted(people[:, 0], np.arange(len(_pictures) + 1))
    _people = [torch.from_numpy(people[low:high, 1:]).float() for low, high in pairwise(edges)]


def _made(step: int, seed: int, steps: int) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    each = len(_pictures) // _BATCH
    order = np.random.default_rng([seed, 1, step // each]).permutation(len(_pictures))
    numbers = np.sort(order[step % each * _BATCH :][:_BATCH])
    batch = torch.from_numpy(np.ascontiguousarray(_pictures[numbers])).permute(0, 3, 1, 2).float()
    chance = np.random.default_rng([seed, 2, step])
    torch.manual_seed(int(chance.integers(1 << 31)))
    batch, wanted, ignored = augmented(batch, [_people[n] for n in numbers], chance, last=step / steps > _TRUE)
    return batch.round().to(torch.uint8).numpy(), [one.numpy() for one in wanted], [one.numpy() for one in ignored]


def _tensors(pictures: np.ndarray, *people: list[np.ndarray]) -> tuple[np.ndarray, list[Tensor], list[Tensor]]:
    wanted, ignored = ([torch.from_numpy(one) for one in each] for each in people)
    return pictures, wanted, ignored


def _optimiser(model: nn.Module) -> torch.optim.Optimizer:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": _DECAY}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=_BEST_RATE)


def _set_rate(optimiser: torch.optim.Optimizer, step: int, done: float) -> None:
    fallen = max(0.0, done - _STEADY) / (1.0 - _STEADY)
    rate = _LAST_RATE + (_BEST_RATE - _LAST_RATE) * (1 + math.cos(math.pi * fallen)) / 2
    for group in optimiser.param_groups:
        group["lr"] = rate * min(1.0, (step + 1) / _WARM_STEPS)


@torch.no_grad()
def _follow(average: dict[str, Tensor], model: nn.Module, keep: float) -> None:
    for name, value in model.state_dict().items():
        if value.dtype.is_floating_point:
            average[name].mul_(keep).add_(value, alpha=1 - keep)
        else:
            average[name] = value.clone()


def _keep(
    arguments: argparse.Namespace, model: nn.Module, optimiser: torch.optim.Optimizer, average: dict, step: int
) -> None:
    """The averaged weights, and all that is needed to go on."""
    np.savez(arguments.weights, **{name: value.contiguous().numpy() for name, value in average.items()})
    kept = arguments.weights.with_suffix(".checkpoint")
    state = {"step": step, "model": model.state_dict(), "optimiser": optimiser.state_dict(), "average": average}
    torch.save(state, kept.with_suffix(".new"))
    kept.with_suffix(".new").replace(kept)


def _resumed(arguments: argparse.Namespace, model: nn.Module, optimiser: torch.optim.Optimizer, average: dict) -> int:
    state = torch.load(arguments.weights.with_suffix(".checkpoint"))
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    average.update(state["average"])
    return int(state["step"])


def _multiplies_bfloat16() -> bool:
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--steps", type=int, default=5800)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--threads", type=int, default=1, help="two gain nothing while another process changes pictures"
    )
    parser.add_argument("--makers", type=int, default=1, help="processes that change pictures")
    parser.add_argument("--resume", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
