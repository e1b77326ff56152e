"""What nobody can do without, at live pace: as many cameras, decoded and looked at on as many threads as the service has.

Belongs here: bare decode of the same access units, each camera with a decoder of its own, and bare runs of the same session on
a filled input, each chunk when it is due. No log, no scaling, no boxes, no tracks, no rules, no event loop. Done back to back on
one thread the same work costs less, for every decoder then finds its pictures in the caches and the other core is idle:
that figure is ``watch_trial.measure_limit``.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from bench.hot.ours import open_decoder
from bench.live_feed import Reel
from bench.watch_trial import Limit, bare_run
from services.analyze.detector import Model
from services.contracts.time import NS_PER_S
from services.media.cmaf_reader import parse_chunk, parse_init

_WARM_UP_S = 1.0


@dataclass(frozen=True, slots=True)
class _Piece:
    """A chunk: its access units and how long it plays."""

    units: Sequence[bytes]
    seconds: float


@dataclass(slots=True)
class _Camera:
    """One decoder going round the reel. Times are CPU time of whichever thread did the work, once ``counts`` is set."""

    context: VideoCodecContext
    pieces: Sequence[_Piece]
    at: int
    run_every: int
    counts: bool = False
    frames: int = 0
    seconds: float = 0.0
    decode_ns: int = 0
    run_ns: int = 0
    runs: int = 0
    turn: threading.Lock = field(default_factory=threading.Lock)

    def play(self, run: Callable[[], object]) -> None:
        """Decode the next chunk, and run the model at every ``run_every``-th frame."""
        with self.turn:
            piece, runs, run_ns = self.pieces[self.at], 0, 0
            begun = time.thread_time_ns()
            for unit in piece.units:
                for _ in self.context.decode(Packet(unit)):
                    self.frames += 1
                    if self.frames % self.run_every == 0:
                        since = time.thread_time_ns()
                        run()
                        run_ns, runs = run_ns + time.thread_time_ns() - since, runs + 1
            self.at = (self.at + 1) % len(self.pieces)
            if self.counts:
                self.decode_ns += time.thread_time_ns() - begun - run_ns
                self.run_ns, self.runs, self.seconds = (
                    self.run_ns + run_ns,
                    self.runs + runs,
                    self.seconds + piece.seconds,
                )


def measure_live_limit(
    reel: Reel, model: Model, cameras: int, seconds: float, *, frames_per_s: float = 5.0, threads: int = 2
) -> Limit:
    """CPU seconds per second of one camera's stream, and per run, while ``cameras`` of them are live."""
    init, pieces = (
        parse_init(reel.start.init),
        [_Piece(_units(c.value), c.facts.duration_ns / NS_PER_S) for c in reel.chunks],
    )
    run_every = round(sum(len(piece.units) for piece in pieces) / reel.seconds / frames_per_s)
    syncs = [number for number, chunk in enumerate(reel.chunks) if chunk.facts.sync]
    live = [_Camera(open_decoder(init), pieces, syncs[number % len(syncs)], run_every) for number in range(cameras)]
    _play_live(live, bare_run(model, init), seconds, threads)
    played_s, runs = sum(camera.seconds for camera in live), sum(camera.runs for camera in live)
    decode_ns, run_ns = sum(camera.decode_ns for camera in live), sum(camera.run_ns for camera in live)
    return Limit(decode_ns / NS_PER_S / played_s, run_ns / NS_PER_S / max(1, runs))


def _play_live(live: Sequence[_Camera], run: Callable[[], object], seconds: float, threads: int) -> None:
    """Give every camera a chunk each time that one is due; the cameras' beginnings are spread over a chunk's length."""
    step_s = live[0].pieces[0].seconds
    begun = time.monotonic()
    due = [(begun + number * step_s / len(live), number) for number in range(len(live))]
    with ThreadPoolExecutor(threads) as pool:
        while due[0][0] < begun + _WARM_UP_S + seconds:
            at, number = due[0]
            time.sleep(max(0.0, at - time.monotonic()))
            live[number].counts = at >= begun + _WARM_UP_S
            pool.submit(live[number].play, run)
            heapq.heapreplace(due, (at + step_s, number))


def _units(chunk: bytes) -> Sequence[bytes]:
    view = memoryview(chunk)
    return [bytes(view[s.offset : s.offset + s.size]) for s in parse_chunk(view).samples]
