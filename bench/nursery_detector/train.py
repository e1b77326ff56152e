"""Trains the network on rendered frames; runs on a Python that has PyTorch, not in ``.venv``.

    python3 -m bench.nursery_detector.train DATASET WEIGHTS.npz [--steps N] [--seed S] [--resume]

Reads ``pictures.npy`` (n, 224, 384, 3) uint8 BGR and ``people.npy`` (m, 8): picture, kind, x1, y1, x2, y2, visible share, and one
that is not asked for here. Two processes take half of every batch each, change its pictures, and share what they learned before
either goes on (gradients are averaged; each half is normalised by its own statistics). What happens in a step follows from (seed,
step, steps) alone, so that a run may be stopped and, with ``--resume``, go on, also with more ``--steps`` than it had (its rate
then rises once more and falls again); every ``_KEPT_STEPS`` the averaged weights are
written. A processor that multiplies in bfloat16 is asked to (weights, losses and averages stay float32): that is twice as fast.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import tempfile
import time
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, distributed, multiprocessing, nn

from bench.nursery_detector.augment import augmented
from bench.nursery_detector.loss import loss_of
from bench.nursery_detector.network import STRIDES, NurseryNet, grid

_BATCH, _HALVES = 32, 2
_BEST_RATE, _LAST_RATE, _WARM_STEPS = 2.0e-3, 1.0e-5, 300
_STEADY = 0.4  # of the steps are taken at the best rate; from there it falls by a cosine
_TRUE = 0.9  # from here on pictures are changed in their light only
_DECAY = 1e-2
_KEEP = 0.999
_KEPT_STEPS = 500
_STATISTICS_STEPS = 60


def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(_worker, (arguments, f"file://{folder}/meeting"), _HALVES)
    return 0


def _worker(half: int, arguments: argparse.Namespace, meeting: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", meeting, rank=half, world_size=_HALVES)
    torch.manual_seed(arguments.seed)
    model = NurseryNet().to(memory_format=torch.channels_last)
    if half == 0:
        print(json.dumps({"parameters": sum(p.numel() for p in model.parameters())}), flush=True)
    train(model, _Drawn(arguments.dataset), half, arguments)


def train(model: NurseryNet, drawn: _Drawn, half: int, arguments: argparse.Namespace) -> None:
    """Leaves the weights averaged over the last steps (exponential moving average) in ``arguments.weights``."""
    corners, strides = grid()
    optimiser = _optimiser(model)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    log = _Log()
    first = _resumed(arguments, model, optimiser, average) if arguments.resume else 0
    short = torch.autocast("cpu", dtype=torch.bfloat16, enabled=_multiplies_bfloat16())
    for step in range(first, arguments.steps):
        _set_rate(optimiser, step, step / arguments.steps)
        pictures, wanted, ignored = drawn.half_batch(step, half, arguments)
        with short:
            output = model(pictures.to(memory_format=torch.channels_last))
        loss, parts = loss_of(output.float(), wanted, ignored, corners, strides)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        _share(model)
        nn.utils.clip_grad_norm_(model.parameters(), 20.0)
        optimiser.step()
        _follow(average, model, min(_KEEP, (step + 1) / (step + 101)))
        if half == 0:
            log.add(step, parts)
            if (step + 1) % _KEPT_STEPS == 0 or step + 1 == arguments.steps:
                _keep(arguments, model, optimiser, average, step + 1)
    if half == 0:
        finish(model, average, drawn, arguments)


def finish(model: NurseryNet, average: dict[str, Tensor], drawn: _Drawn, arguments: argparse.Namespace) -> None:
    """Writes the averaged weights with the statistics of each stride's head.

    While training, the head that three strides share normalises each by its own statistics; the running ones mix all three,
    and boxes by those come out a tenth too high.
    """
    model.load_state_dict(average)
    model.eval()
    found: dict[str, Tensor] = {}
    hooks = [_watch(model.get_submodule(name)[1], name, found) for name in ("place.0", "place.1", "kind")]
    with torch.no_grad():
        for step in range(arguments.steps - _STATISTICS_STEPS, arguments.steps):
            model(drawn.half_batch(step, 0, arguments)[0].to(memory_format=torch.channels_last))
    for hook in hooks:
        hook.remove()
    written = average | {name: total / _STATISTICS_STEPS for name, total in found.items()}
    np.savez(arguments.weights, **{name: value.contiguous().numpy() for name, value in written.items()})


def _watch(norm: nn.BatchNorm2d, name: str, found: dict[str, Tensor]) -> torch.utils.hooks.RemovableHandle:
    """Sums up means and variances of what is normalised, stride by stride; each is normalised by its own."""
    norm.train()
    norm.momentum, calls = 0.0, count()

    def add(_: nn.Module, given: tuple[Tensor]) -> None:
        level = next(calls) % len(STRIDES)
        means, variances = given[0].mean((0, 2, 3)), given[0].var((0, 2, 3), unbiased=False)
        for part, value in (("running_mean", means), ("running_var", variances)):
            key = f"{name}.1.{part}.{level}"
            found[key] = found.get(key, torch.zeros_like(value)) + value

    return norm.register_forward_pre_hook(add)


@torch.no_grad()
def _share(model: nn.Module) -> None:
    """The mean of what the two halves of the batch ask for."""
    asked = [parameter.grad for parameter in model.parameters()]
    flat = torch.cat([one.reshape(-1) for one in asked])
    distributed.all_reduce(flat)
    flat /= _HALVES
    for one, part in zip(asked, flat.split([one.numel() for one in asked])):  # noqa: B905
        one.copy_(part.view(one.shape))


class _Drawn:
    """The pictures, and batches of them that follow from seed and step."""

    def __init__(self, folder: Path) -> None:
        self._pictures = np.load(folder / "pictures.npy", mmap_mode="r")
        people = np.load(folder / "people.npy")
        edges = np.searchsorted(people[:, 0], np.arange(len(self._pictures) + 1))
        self._people = [torch.from_numpy(people[low:high, 1:7]).float() for low, high in pairwise(edges)]

    def half_batch(
        self, step: int, half: int, arguments: argparse.Namespace
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        each = len(self._pictures) // _BATCH
        order = np.random.default_rng([arguments.seed, 1, step // each]).permutation(len(self._pictures))
        numbers = np.sort(order[step % each * _BATCH :][:_BATCH][half::_HALVES])
        batch = torch.from_numpy(np.ascontiguousarray(self._pictures[numbers])).permute(0, 3, 1, 2).float()
        chance = np.random.default_rng([arguments.seed, 2, step, half])
        torch.manual_seed(int(chance.integers(1 << 31)))
        return augmented(batch, [self._people[n] for n in numbers], chance, last=step / arguments.steps > _TRUE)


class _Log:
    """A line of JSON every hundred steps: mean losses, CPU of this process, time."""

    def __init__(self) -> None:
        self._begun, self._sums, self._cpu_s = time.monotonic(), dict[str, float](), time.process_time()

    def add(self, step: int, parts: dict[str, float]) -> None:
        self._sums = {name: self._sums.get(name, 0.0) + part for name, part in parts.items()}
        if (step + 1) % 100:
            return
        used, peak = time.process_time() - self._cpu_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        said = {name: round(total / 100, 4) for name, total in self._sums.items()}
        spent = {"cpu_s_step": round(used / 100, 3), "cpu_s": round(time.process_time()), "rss_mb": peak >> 10}
        wall = {"wall_s": round(time.monotonic() - self._begun)}
        print(json.dumps({"step": step + 1, **said, **spent, **wall}), flush=True)
        self._sums, self._cpu_s = {}, time.process_time()


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
    parser.add_argument("--steps", type=int, default=7000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
