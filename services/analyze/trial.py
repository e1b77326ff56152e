"""A trial run of a model file in a process of its own, with limits, before the file is put in place.

What a graph costs and gives is only certain once it ran; what a stranger's file does to the program that runs it, too. So it runs
where a crash, an endless loop or a hunger for memory ends nothing but the trial. ``python -m services.analyze.trial`` is that
process: one line of JSON and the file's bytes on standard input, one line of JSON on standard output.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any, Literal

from services.analyze.registry import ModelEntry
from services.contracts.errors import Corrupt

_TIMEOUT_S = 60.0
#: Address space of the trial: ONNX Runtime and its libraries take 2 GiB of it before the first weight.
_MEMORY_BYTES = 6 * 1024**3
_OUTPUT_BYTES = 64 * 1024

Job = Literal["try", "describe"]


@dataclass(frozen=True, slots=True)
class Trial:
    """``run_ms``: the quickest of three pictures, prepared, run and read, on one thread."""

    run_ms: float


def try_model(body: bytes, entry: ModelEntry) -> Trial:
    """Check the file, run it on three pictures and read what it gives. ``Corrupt`` says what went wrong."""
    answer = _ask("try", {"entry": entry.model_dump(mode="json")}, body, entry.name)
    return Trial(float(answer["run_ms"]))


def describe_model(body: bytes, name: str) -> str:
    """A registry entry for an unknown file, to be completed by a person. ``Corrupt``: it is no model."""
    return str(_ask("describe", {"name": name}, body, name)["template"])


def _ask(job: Job, facts: dict[str, Any], body: bytes, name: str) -> dict[str, Any]:
    """Have the child do a job; its errors, crashes and excesses come back as ``Corrupt``."""
    order = json.dumps({"job": job} | facts).encode() + b"\n" + body
    try:
        done = subprocess.run(
            [sys.executable, "-m", "services.analyze.trial"], input=order, capture_output=True, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise Corrupt(
            f"{name}: the trial run did not end within {_TIMEOUT_S:.0f} s; such a model is of no use"
        ) from error
    try:
        answer: dict[str, Any] = json.loads(done.stdout[:_OUTPUT_BYTES].splitlines()[-1])
    except (IndexError, ValueError) as error:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
        raise Corrupt(
            f"{name}: the trial run ended by {how}: the file makes the program crash, or needs more than "
            f"{_MEMORY_BYTES // 1024**3} GiB"
        ) from error
    if "error" in answer:
        raise Corrupt(str(answer["error"]))
    return answer


# -- in the child ------------------------------------------------------------------------------------------------------


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, int(_TIMEOUT_S)),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        resource.setrlimit(what, (most, most))


@dataclass(frozen=True, slots=True)
class _Tried:
    entry: ModelEntry
    session: Any


def _run(entry: ModelEntry, body: bytes) -> dict[str, Any]:
    import numpy as np

    from services.analyze.inference import PictureModel, run_session
    from services.analyze.model_file import check_model
    from services.analyze.preparing import InputPreparer
    from services.analyze.runtime import session_of

    check_model(body, entry)
    model = _Tried(entry, session_of(body, entry.name))
    noise = np.random.default_rng(1).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    runner, best = PictureModel(model), float("inf")
    for picture in (np.zeros_like(noise), np.full_like(noise, 128), noise):
        started = time.perf_counter()
        runner.run(picture)
        best = min(best, time.perf_counter() - started)
    tensor, _ = InputPreparer(entry.input).fill(noise)
    for number, output in enumerate(run_session(model.session, entry, tensor)):
        if not np.isfinite(output).all():
            raise Corrupt(f"{entry.name}: output {number} holds numbers that are not finite; its weights are broken")
    return {"run_ms": round(best * 1000, 2)}


def _describe(name: str, body: bytes) -> dict[str, Any]:
    from services.analyze.model_template import template

    return {"template": template(name, body)}


def _main() -> int:
    import structlog

    _limit()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    order = json.loads(sys.stdin.buffer.readline())
    body = sys.stdin.buffer.read()
    try:
        if order["job"] == "try":
            answer = _run(ModelEntry.model_validate(order["entry"]), body)
        else:
            answer = _describe(order["name"], body)
    except Corrupt as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": f"the model needs more than {_MEMORY_BYTES // 1024**3} GiB of memory"}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
