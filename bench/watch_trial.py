"""One trial of the analysis service under live cameras: what it used, what it watched, how stale that was.

Belongs here: running it and reading what it said. Does not belong here: how many cameras, and what to compare with
(``service.py``, ``overload.py``).
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from av.codec.context import CodecContext, ThreadType
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from bench.live_feed import REPOSITORY, Reel
from services.analyze.detector import Model, activate
from services.analyze.installed import install, read_model
from services.analyze.registry import load_registry
from services.backbone.assembly import close_backbone, open_backbone
from services.backbone.settings_file import load_settings
from services.contracts import status
from services.contracts.cloud_event import decode_event
from services.contracts.status import WatchStatus
from services.contracts.time import NS_PER_S
from services.contracts.topics import STATUS
from services.media.cmaf_reader import InitFacts, parse_chunk, parse_init
from tests.harness.ground import EmbeddedGround

SHARED = REPOSITORY.parent / "shared" / "data"
YOLOX, DRAWN = "yolox-nano-416", "drawn-person"
_SETTLE_S = 6.0


def model_for_bench(directory: Path) -> Model:
    """YOLOX-nano where it is at hand, else the packaged detector; installed as an operator would."""
    source = SHARED / "models" / "det_yolox_nano_416.onnx"
    if not source.exists():
        return activate(read_model(load_registry()[DRAWN], None))
    return activate(install(load_registry()[YOLOX], directory, source=source, now="2026-11-01T00:00:00Z"))


@dataclass(frozen=True, slots=True)
class Limit:
    """CPU seconds that nobody can do without: per second of stream, and per run of the model."""

    decode_s_per_s: float
    run_s: float


def measure_limit(reel: Reel, model: Model, runs: int = 150) -> Limit:
    """Bare decode of the same access units into nothing, and the bare session with a filled input; CPU of this process."""
    init = parse_init(reel.start.init)
    samples = []
    for chunk in reel.chunks:
        view = memoryview(chunk.value)
        samples += [bytes(view[s.offset : s.offset + s.size]) for s in parse_chunk(view).samples]
    context = CodecContext.create("h264", "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata, context.thread_type, context.thread_count = init.extradata, ThreadType.NONE, 1
    begun = time.process_time()
    for sample in samples:
        context.decode(Packet(sample))
    decode_s = (time.process_time() - begun) / reel.seconds
    run = bare_run(model, init)
    for _ in range(5):
        run()
    begun = time.process_time()
    for _ in range(runs):
        run()
    return Limit(decode_s, (time.process_time() - begun) / runs)


def bare_run(model: Model, init: InitFacts) -> Callable[[], object]:
    """One run of the session that such a camera gets, with an input of its own that is filled already."""
    feeds = getattr(model.looker(init.width, init.height, 0.1), "_feeds", None)
    session = model.variant(init.width, init.height).session
    if feeds is None:
        wanted = session.get_inputs()[0]
        feeds = {wanted.name: np.zeros(wanted.shape, np.float32)}
    return lambda: session.run(None, feeds)


@dataclass(slots=True)
class Trial:
    """What a run of the service showed over ``seconds``. ``watched``: statuses that fell into that time."""

    cameras: int
    seconds: float
    from_ns: int = 0
    to_ns: int = 0
    cpu_s: float = 0.0
    resident_bytes: list[int] = field(default_factory=list)
    staleness: dict[float, float] = field(default_factory=dict)
    watched: list[WatchStatus] = field(default_factory=list)

    def frames(self, name: str) -> dict[str, float]:
        """A count of frames per camera within the measured time, in proportion where a span reaches out of it."""
        totals: dict[str, float] = {f"cam-{number:03d}": 0.0 for number in range(self.cameras)}
        for told in self.watched:
            for span in told.spans:
                inside = min(span.to_ns, self.to_ns) - max(span.from_ns, self.from_ns)
                if inside > 0 and told.camera_id in totals:
                    totals[told.camera_id] += getattr(span, name) * inside / (span.to_ns - span.from_ns)
        return totals

    def skipped(self) -> dict[str, float]:
        """Frames skipped by cause, of all cameras."""
        causes: dict[str, float] = {}
        for told in self.watched:
            for span in told.spans:
                inside = min(span.to_ns, self.to_ns) - max(span.from_ns, self.from_ns)
                for cause, count in span.skipped_frames.items() if inside > 0 else ():
                    causes[cause] = causes.get(cause, 0.0) + count * inside / (span.to_ns - span.from_ns)
        return {cause: round(count, 1) for cause, count in sorted(causes.items())}

    def stale_s(self, share: float) -> float:
        """A quantile of the staleness, interpolated within its bucket."""
        total, wanted, below, lower = max(self.staleness.values(), default=0.0), 0.0, 0.0, 0.0
        wanted = total * share
        for bound, count in sorted(self.staleness.items()):
            if count >= wanted:
                return lower + (min(bound, 60.0) - lower) * (wanted - below) / max(count - below, 1e-9)
            below, lower = count, bound
        return lower


def run_trial(clip: Path, cameras: int, seconds: float, *, frames_per_s: float = 5.0, analyze: dict[str, Any]) -> Trial:
    """Feed ``cameras`` live cameras for ``seconds`` after a time to settle; measure the analysis's process alone.

    ``analyze`` is that section of FILE.
    """
    trial = Trial(cameras, seconds)
    with tempfile.TemporaryDirectory(prefix="kanhu-watch-") as folder:
        ground = EmbeddedGround(Path(folder) / "site")
        try:
            ground.site.configure(
                cameras=[_camera(number, frames_per_s) for number in range(cameras)],
                analyze=analyze,
                observability={"log_level": "warning"},
            )
            _run(trial, ground, clip)
            trial.watched = asyncio.run(_statuses(ground.site.file))
        finally:
            ground.close()
    return trial


def _run(trial: Trial, ground: EmbeddedGround, clip: Path) -> None:
    site = ground.site
    site.start("analyze")
    total_s = _SETTLE_S + trial.seconds + 2.0
    command = [sys.executable, "-m", "bench.live_feed", "--config", str(site.file), "--clip", str(clip),
               "--cameras", str(trial.cameras), "--seconds", str(total_s)]  # fmt: skip
    feeder = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        observed = psutil.Process(site.pid("analyze"))
        time.sleep(_SETTLE_S)  # models are fitted, decoders opened, estimates made
        stale = _staleness(site.metrics("analyze"))  # first: to be asked is no part of the work that is measured
        before = _cpu_s(observed)
        trial.from_ns = time.time_ns()
        while time.time_ns() - trial.from_ns < trial.seconds * NS_PER_S:
            trial.resident_bytes.append(observed.memory_info().rss)
            time.sleep(0.5)  # the sampling interval
        trial.to_ns, trial.cpu_s = time.time_ns(), _cpu_s(observed) - before
        trial.seconds = (trial.to_ns - trial.from_ns) / NS_PER_S
        after = _staleness(site.metrics("analyze"))
        trial.staleness = {bound: count - stale.get(bound, 0.0) for bound, count in after.items()}
        feeder.wait(total_s + 90)
    finally:
        feeder.kill()
        feeder.wait()
    site.stop("analyze", seconds=60)


def _camera(number: int, frames_per_s: float) -> dict[str, Any]:
    zone = {"name": "armed", "polygon": [[0.0, 0.3], [1.0, 0.3], [1.0, 1.0], [0.0, 1.0]]}
    url = "rtsp://127.0.0.1/bench"  # nobody reads it
    return {"camera_id": f"cam-{number:03d}", "url": url, "zones": [zone], "analysed_frames_per_s": frames_per_s}


def _cpu_s(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def _staleness(page: str) -> dict[float, float]:
    found = {}
    for line in page.splitlines():
        if line.startswith("kanhu_analysis_staleness_seconds_bucket"):
            bound, count = line.split('le="')[1].split('"}')
            found[float(bound.replace("+Inf", "inf"))] = float(count)
    return found


async def _statuses(file: Path) -> list[WatchStatus]:
    backbone = await open_backbone(load_settings(file), role="tool")
    told: list[WatchStatus] = []
    try:
        async with backbone.log.consumer([STATUS.name], group=None, start="earliest") as consumer:
            while batch := await consumer.poll(max_records=1000, timeout_s=1.0):
                payloads: list[Any] = [decode_event(record.value or b"", status.PAYLOADS).data for record in batch]
                told += [payload for payload in payloads if isinstance(payload, WatchStatus)]
        return told
    finally:
        await close_backbone(backbone)


def spread(values: list[float]) -> dict[str, float]:
    """Least, mean, most, and Jain's index of fairness (1: all equal)."""
    squares = sum(value * value for value in values)
    return {
        "least": min(values), "mean": statistics.fmean(values), "most": max(values),
        "fairness": sum(values) ** 2 / (len(values) * squares) if squares else 0.0,
    }  # fmt: skip
