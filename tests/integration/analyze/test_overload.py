"""Four times more than the machine can do, for some seconds: still fresh, fair, bounded, and every frame accounted for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest
from av.video.frame import VideoFrame
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bench.live_feed import Reel
from bench.watch_trial import spread
from services.analyze.core.detection import Detections
from services.backbone import metrics
from services.backbone.ports import Outgoing
from services.contracts.media_record import MediaRecord, encode
from services.contracts.time import NS_PER_S
from services.contracts.topics import VIDEO_DETECT
from tests.integration.analyze.house import House, analysis, backbone_of
from tests.integration.analyze.streams import encode as encode_clip
from tests.integration.analyze.streams import muxed

CAMERAS, RATE, LOOK_S, SECONDS = 16, 5.0, 0.05, 7.0
FRAMES_PER_S = 10


class SlowDetector:
    """Costs a worker ``LOOK_S`` a frame: 16 cameras at 5 frames per second are four workers' work, and there is one."""

    def __init__(self, model: object, score: float) -> None:
        pass

    def detect(self, frame: VideoFrame) -> Detections:
        time.sleep(LOOK_S)  # the load, in place of a model that size
        return Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int32))


@dataclass
class Told:
    """Frames by fate and camera, summed over every status so far; ``skipped_of``: by camera and cause."""

    analysed: dict[str, int] = field(default_factory=dict)
    frames: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    skipped_of: dict[tuple[str, str], int] = field(default_factory=dict)


def told(house: House) -> Told:
    sums = Told()
    for status in (said.data for said in house.statuses if said.type == "kanhu.status.watch"):
        sums.analysed[status.camera_id] = sums.analysed.get(status.camera_id, 0) + status.analysed_frames
        sums.frames += status.analysed_frames + status.gated_frames + status.unasked_frames
        sums.frames += sum(status.skipped_frames.values())
        for cause, count in status.skipped_frames.items():
            sums.skipped[cause] = sums.skipped.get(cause, 0) + count
            place = status.camera_id, cause
            sums.skipped_of[place] = sums.skipped_of.get(place, 0) + count
    return sums


@pytest.fixture(scope="module")
def reel(tmp_path_factory: pytest.TempPathFactory) -> Reel:
    """Ten seconds of moving blocks, a sync sample every second."""
    rng = np.random.default_rng(3)
    pictures = [np.kron(rng.integers(0, 255, (4, 6, 3)), np.ones((16, 16, 1))).astype(np.uint8) for _ in range(100)]
    clip = encode_clip(tmp_path_factory.mktemp("clip") / "blocks.mp4", pictures, FRAMES_PER_S, gop=FRAMES_PER_S)
    records = muxed(clip)
    return Reel.from_records(records)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.analyze.service.STATUS_EVERY_S", 0.3)
    monkeypatch.setattr("services.analyze.camera_worker.PersonDetector", SlowDetector)


async def play(house: House, reel: Reel, cameras: int, seconds: float) -> int:
    """Append what is due until the time is over; return how many frames that were."""
    begun_ns = time.time_ns()
    playing: list[tuple[str, Iterator[tuple[int, MediaRecord]]]] = [
        (f"cam-{n}", reel.live(f"cam-{n}", begun_ns - n * NS_PER_S // cameras, n)) for n in range(cameras)
    ]
    heads = {name: next(live) for name, live in playing}
    sent = 0
    while (now_ns := time.time_ns()) - begun_ns < seconds * NS_PER_S:
        batch = []
        for name, live in playing:
            while heads[name][0] <= now_ns:
                headers, value = encode(heads[name][1])
                batch.append(Outgoing(VIDEO_DETECT.name, name, value, headers))
                sent += reel.frames_of(heads[name][1])
                heads[name] = next(live)
        if batch:
            await house.backbone.log.append(batch)
        await asyncio.sleep(0.05)
    return sent


def staleness() -> list[tuple[float, float]]:
    [metric] = metrics.ANALYSIS_STALENESS_SECONDS.collect()
    return [(float(s.labels["le"]), s.value) for s in metric.samples if s.name.endswith("_bucket")]


def skipped_metric() -> dict[tuple[str, str], float]:
    """``kanhu_skipped_frames_total`` by camera and cause, as a scraper reads it."""
    families = text_string_to_metric_families(generate_latest().decode())
    samples = [s for family in families for s in family.samples if s.name == "kanhu_skipped_frames_total"]
    return {(sample.labels["camera"], sample.labels["cause"]): sample.value for sample in samples}


@pytest.mark.usefixtures("slow")
async def test_four_times_the_capacity_is_watched_less_but_fresh_fair_bounded_and_accounted_for(
    tmp_path: Path, reel: Reel
) -> None:
    cameras = [{"camera_id": f"cam-{n}", "url": "sim:playroom", "analysed_frames_per_s": RATE} for n in range(CAMERAS)]
    sections = {"cameras": cameras, "analyze": {"threads": 1, "late_s": 8.0, "detector": "drawn-person"}}
    before, skipped_before = dict(staleness()), skipped_metric()
    async with backbone_of(tmp_path, **sections) as house, analysis(house):
        resident = psutil.Process().memory_info().rss
        sent = await play(house, reel, CAMERAS, SECONDS)
        grown = psutil.Process().memory_info().rss - resident
        await house.until(lambda: told(house).frames >= sent, f"the fate of {sent} frames", seconds=15)
    sums = told(house)
    assert sums.frames == sent, sums
    # Fair: every camera had its part, and about the same.
    assert set(sums.analysed) == {camera["camera_id"] for camera in cameras}
    shares = spread([float(count) for count in sums.analysed.values()])
    assert shares["least"] > 0 and shares["fairness"] > 0.85, sums.analysed
    # Less was watched on purpose, rather than all of it late.
    assert sums.skipped["shed"] > 0.4 * sum(sums.skipped.values()), sums.skipped
    assert sum(sums.analysed.values()) <= (SECONDS + 8) / LOOK_S
    counted = {place: count - skipped_before.get(place, 0.0) for place, count in skipped_metric().items()}
    assert {place: count for place, count in counted.items() if count} == sums.skipped_of
    assert {camera for camera, cause in sums.skipped_of if cause == "shed"} == set(sums.analysed), (
        "every camera gives way"
    )
    # Fresh: what was watched had not grown old. Half of late_s is where the newest go first.
    counts = {bound: count - before.get(bound, 0.0) for bound, count in staleness()}
    assert counts[float("inf")] > 0 and counts[7.5] >= 0.95 * counts[float("inf")], counts
    assert grown < 100 * 1024 * 1024
    spans = [span for said in house.statuses if said.type == "kanhu.status.watch" for span in said.data.spans]
    assert {span.cause for span in spans if span.mode != "none"} <= {None, "shed"}
    assert any(span.mode != "none" and span.cause == "shed" and span.frames_per_s < RATE for span in spans)


@pytest.mark.usefixtures("slow")
async def test_what_fits_is_watched_in_full(tmp_path: Path, reel: Reel) -> None:
    cameras = [{"camera_id": f"cam-{n}", "url": "sim:playroom", "analysed_frames_per_s": 2.0} for n in range(3)]
    async with (
        backbone_of(tmp_path, cameras=cameras, analyze={"threads": 1, "detector": "drawn-person"}) as house,
        analysis(house),
    ):
        sent = await play(house, reel, 3, 3.0)
        await house.until(lambda: told(house).frames >= sent, f"the fate of {sent} frames")
    sums = told(house)
    assert sums.frames == sent and sums.skipped == {}
    assert all(count >= 5 for count in sums.analysed.values())
