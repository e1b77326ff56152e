"""Cameras that cost the measured service nothing but what their chunks cost: made once, appended at their own pace.

    python -m bench.live_feed --config FILE --clip CLIP --cameras N --seconds S

A clip is cut into chunks once; each camera shows it again and again as one unbroken run, at a phase of its own. Run-starts are
repeated every five seconds as an agent does. Stamps are those of a live camera: a chunk is appended when its last sample is due.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from services.analyze.decoding import frames_in
from services.backbone.assembly import close_backbone, open_backbone
from services.backbone.ports import Outgoing
from services.backbone.settings_file import load_settings
from services.contracts.media_record import Chunk, MediaRecord, RunStart, encode
from services.contracts.time import NS_PER_S
from services.contracts.topics import VIDEO_DETECT
from tests.integration.analyze.streams import chunks, muxed, run_start

REPOSITORY = Path(__file__).parents[1]
_REPEAT_NS = 5 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Reel:
    """A clip as chunks, played in a circle."""

    start: RunStart
    chunks: Sequence[Chunk]

    @classmethod
    def of(cls, clip: Path) -> Reel:
        return cls.from_records(muxed(clip))

    @classmethod
    def from_records(cls, records: Sequence[MediaRecord]) -> Reel:
        return cls(run_start(records), chunks(records))

    @staticmethod
    def frames_of(record: MediaRecord) -> int:
        return frames_in(record) if isinstance(record, Chunk) else 0

    @property
    def seconds(self) -> float:
        return sum(chunk.facts.duration_ns for chunk in self.chunks) / NS_PER_S

    def live(self, camera_id: str, start_ns: int, phase: int) -> Iterator[tuple[int, MediaRecord]]:
        """Records of an endless run with the instant (ns UTC) at which each is due. ``phase`` numbers the camera."""
        run = replace(self.start.run, camera_id=camera_id, stream="detect", run_id=f"{start_ns + phase:028x}")
        at_ns, seq, said_ns = start_ns, 0, 0
        first = self._sync_before(phase * len(self.chunks) // 7 % len(self.chunks))
        while True:
            for turn in range(len(self.chunks)):
                chunk = self.chunks[(first + turn) % len(self.chunks)]
                facts = replace(chunk.facts, seq=seq, start_ns=at_ns)
                if facts.sync and at_ns - said_ns >= _REPEAT_NS:
                    said_ns = at_ns
                    yield facts.end_ns, replace(self.start, run=run, start_ns=start_ns)
                yield facts.end_ns, replace(chunk, run=run, facts=facts)
                at_ns, seq = facts.end_ns, seq + 1

    def _sync_before(self, at: int) -> int:
        return max(i for i, chunk in enumerate(self.chunks) if chunk.facts.sync and i <= at)


def draw_clip(
    path: Path,
    *,
    width: int = 640,
    height: int = 360,
    seconds: int = 20,
    kbit_per_s: int = 1000,
    source: Path | None = None,
) -> Path:
    """25 frames per second, a sync sample every two seconds, constant bit rate, as cameras send. ``source``: pictures to use."""
    wanted = (
        ["-stream_loop", "-1", "-i", str(source)]
        if source
        else ["-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate=25"]
    )
    look = f"scale={width}:{height},fps=25,noise=alls=6:allf=t"
    rate = f"{kbit_per_s}k"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", *wanted, "-t", str(seconds), "-vf", look, "-an", "-c:v", "libx264",
         "-preset", "veryfast", "-pix_fmt", "yuv420p", "-profile:v", "high", "-g", "50",
         "-keyint_min", "50", "-sc_threshold", "0", "-bf", "0", "-refs", "1", "-b:v", rate,
         "-minrate", rate, "-maxrate", rate, "-bufsize", rate,
         "-x264-params", "nal-hrd=cbr:slices=1", "-y", str(path)],
        check=True,
    )  # fmt: skip
    return path


async def feed(file: Path, reel: Reel, cameras: int, seconds: float) -> None:
    """Append what is due, ten times a second."""
    backbone = await open_backbone(load_settings(file), role="tool")
    begun_ns = time.time_ns()
    step_ns = max(NS_PER_S // 50, reel.chunks[0].facts.duration_ns // max(1, cameras))
    queue: list[tuple[int, int, MediaRecord, Iterator[tuple[int, MediaRecord]]]] = []
    for number in range(cameras):
        live = reel.live(f"cam-{number:03d}", begun_ns - number * step_ns % (2 * NS_PER_S), number)
        due_ns, record = next(live)
        queue.append((due_ns, number, record, live))
    heapq.heapify(queue)
    try:
        while time.time_ns() - begun_ns < seconds * NS_PER_S:
            batch = []
            now_ns = time.time_ns()
            while queue[0][0] <= now_ns:
                _, number, record, live = queue[0]
                headers, value = encode(record)
                batch.append(Outgoing(VIDEO_DETECT.name, f"cam-{number:03d}", value, headers))
                due_ns, following = next(live)
                heapq.heapreplace(queue, (due_ns, number, following, live))
            if batch:
                await backbone.log.append(batch)
            await asyncio.sleep(max(0.0, min(0.1, (queue[0][0] - time.time_ns()) / NS_PER_S)))
    finally:
        await close_backbone(backbone)


def feed_forever() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.live_feed")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--cameras", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    asyncio.run(feed(arguments.config, Reel.of(arguments.clip), arguments.cameras, arguments.seconds))
    return 0


if __name__ == "__main__":
    raise SystemExit(feed_forever())
