"""From the camera to the incident: how long after somebody enters an armed zone it stands in ``incident.v1``.

    python -m bench.latency [--cameras 8] [--seconds 60] [--mode embedded|distributed] [--json]

Hypothesis: p99 at most 2 s (GB 55029 3.5.1(8)). Drawn people appear in an armed zone at known frames of looped clips; a
real agent plays the clips as cameras, the real analysis watches at 5 frames per second, both as processes of their own.
Counted is from the capture time of the first frame that shows the person in the zone to the log's own time of append of the
opened incident: waiting for the chunk to fill, log, decoding, the three sightings that make a person believed, judging,
snapshot and append.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from bench.report import emit
from services.backbone.assembly import close_backbone, open_backbone
from services.backbone.ports import Consumer, Delivered
from services.backbone.settings_file import load_settings
from services.contracts import incident
from services.contracts.cloud_event import decode_event
from services.contracts.media_record import Chunk, RunStart, decode
from services.contracts.time import NS_PER_S
from services.contracts.topics import INCIDENT, VIDEO_DETECT
from services.simulation import figure
from services.simulation.drawn_room import DrawnRoom
from services.simulation.figure import Pose
from tests.harness.ground import Mode, make_ground
from tests.harness.site import Service

GOAL_S = 2.0
RATE = 15
#: Seconds of a clip: empty, then a person, then empty long enough for the presence to end (2 s) and the next to be another.
EMPTY_BEFORE_S, PRESENT_S, PERIOD_S = 1.0, 2.4, 6.4
_SERVICES: tuple[Service, ...] = ("analyze", "agent")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the log holds: when each camera's runs began and its footage ends, each opened incident with its time of append."""

    starts_ns: dict[str, list[int]]
    until_ns: dict[str, int]
    opened: list[tuple[str, int, int]]


def draw_clip(path: Path, number: int) -> Path:
    """One period, drawn and compressed like a camera's stream; the person stands elsewhere for each ``number``."""
    room = DrawnRoom("playroom", number)
    still = room.frame(next(t / 2 for t in range(2000) if not room.truth(t / 2)))
    foot = (200.0 + 30 * (number % 9), 230.0 + 12 * (number % 5))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.height, stream.width, stream.pix_fmt = *still.shape[:2], "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "26", "g": str(2 * RATE), "bf": "0", "threads": "1"}
        for index in range(round(PERIOD_S * RATE)):
            picture = still.copy()
            if EMPTY_BEFORE_S <= index / RATE < EMPTY_BEFORE_S + PRESENT_S:
                figure.draw(picture, Pose(foot, 130.0, 0.3, index / RATE, True, number, False))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def _zone() -> dict[str, Any]:
    return {"name": "armed", "polygon": [[0.0, 0.3], [1.0, 0.3], [1.0, 1.0], [0.0, 1.0]]}


def measure(mode: Mode, cameras: int, seconds: float) -> dict[str, Any]:
    """One installation, ``cameras`` cameras, ``seconds`` of watching."""
    with tempfile.TemporaryDirectory(prefix="kanhu-latency-") as folder:
        root = Path(folder)
        ground = make_ground(mode, root / "site")
        try:
            site = ground.site
            clips = {f"cam-{n:02d}": draw_clip(root / f"{n}.mp4", n) for n in range(cameras)}
            site.configure(
                cameras=[
                    {"camera_id": name, "url": f"file:{clip}?loop=1", "zones": [_zone()]}
                    for name, clip in clips.items()
                ],
                analyze={"detector": "drawn-person"},
            )
            site.start(*_SERVICES)
            time.sleep(seconds)  # the time of watching
            site.stop(*reversed(_SERVICES))
            seen = asyncio.run(_read(site.file))
        finally:
            ground.close()
    return _judge(seen, mode, cameras, seconds)


async def _read(file: Path) -> Seen:
    backbone = await open_backbone(load_settings(file), role="tool")
    try:
        seen = Seen({}, {}, [])
        async with backbone.log.consumer([VIDEO_DETECT.name, INCIDENT.name], group=None, start="earliest") as consumer:
            for record in await _everything(consumer):
                if record.topic == INCIDENT.name:
                    happening = decode_event(record.value or b"", incident.PAYLOADS)
                    if happening.type.endswith("opened"):
                        seen.opened.append((happening.data.camera_id, happening.data.opened_ns, record.appended_ns))
                    continue
                media = decode(record.headers, record.value or b"")
                if isinstance(media, Chunk):
                    seen.until_ns[media.run.camera_id] = media.facts.end_ns
                elif isinstance(media, RunStart):
                    starts = seen.starts_ns.setdefault(media.run.camera_id, [])
                    starts += [] if media.start_ns in starts else [media.start_ns]
        return seen
    finally:
        await close_backbone(backbone)


async def _everything(consumer: Consumer) -> list[Delivered]:
    records: list[Delivered] = []
    while batch := await consumer.poll(max_records=1000, timeout_s=2.0):
        records += batch
    return records


def _judge(seen: Seen, mode: Mode, cameras: int, seconds: float) -> dict[str, Any]:
    """Latencies against the nearest true entrance before or at the onset that was judged (tolerance: a frame)."""
    period_ns, before_ns = round(PERIOD_S * NS_PER_S), round(EMPTY_BEFORE_S * NS_PER_S)
    latencies: list[float] = []
    for camera, opened_ns, appended_ns in seen.opened:
        start_ns = max(at for at in seen.starts_ns[camera] if at <= opened_ns)
        into = (opened_ns - start_ns + NS_PER_S // RATE) % period_ns
        entrance_ns = opened_ns + NS_PER_S // RATE - into + before_ns
        assert 0 <= into - before_ns < PRESENT_S * NS_PER_S, f"{camera}: an incident while nobody was there"
        latencies.append((appended_ns - entrance_ns) / NS_PER_S)
    assert latencies, "nobody was seen at all"
    # Whoever entered in the last moments may not have been believed before the end.
    shown_ns = {camera: until - seen.starts_ns[camera][0] for camera, until in seen.until_ns.items()}
    entered = sum(1 + max(0, shown - before_ns - round(GOAL_S * NS_PER_S)) // period_ns for shown in shown_ns.values())
    p50, p95, p99 = (float(np.percentile(latencies, q)) for q in (50, 95, 99))
    return {
        "mode": mode, "cameras": cameras, "seconds": seconds, "entered": entered, "incidents": len(latencies),
        "p50_s": p50, "p95_s": p95, "p99_s": p99, "max_s": max(latencies), "mean_s": statistics.fmean(latencies),
        "goal_p99_s": GOAL_S, "met": p99 <= GOAL_S,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.latency", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--mode", choices=("embedded", "distributed"), default="embedded")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    row = measure(arguments.mode, arguments.cameras, arguments.seconds)
    emit(
        "latency",
        [row],
        as_json=arguments.json,
        notes=["capture of the first frame with the person → append of the incident"],
    )
    return 0 if row["met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
