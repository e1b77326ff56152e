"""A camera goes from one analysis to another amid a presence: from where it is read again, and what the next one knows.

Time here is what the cameras' records say: it passes as they are sent, for the log and for the analysis.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.analyze.core.tracker import REWIND_S
from services.analyze.detect_reader import GROUP
from services.analyze.detector import Model
from services.backbone.embedded.log import LogTuning
from services.backbone.embedded.log_clock import LogTime
from services.backbone.ports import Outgoing, TopicPartition
from services.backbone.record_rules import partition_of
from services.backbone.simulated_clock import SimulatedClock
from services.contracts.entity import Zone
from services.contracts.media_record import MediaRecord, encode
from services.contracts.status import WatchStatus
from services.contracts.time import NS_PER_S
from services.contracts.topics import VIDEO_DETECT
from services.simulation.drawn_room import DrawnRoom
from tests.integration.analyze.conftest import EngineMaker, intervals
from tests.integration.analyze.house import House, analysis, backbone_of
from tests.integration.analyze.streams import START_NS, chunks, muxed, run_start, watch

DrawnClip = tuple[Path, DrawnRoom, float]
PARTITION = TopicPartition(VIDEO_DETECT.name, partition_of("room", VIDEO_DETECT.partitions))
REWIND_NS = round(REWIND_S * NS_PER_S)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimulatedClock:
    """The clock of the log and of the analysis, standing at the beginning of the clip."""
    clock = SimulatedClock(START_NS)
    tuning = partial(LogTuning, times=LogTime(wall_ns=clock.now_ns))
    monkeypatch.setattr("services.backbone.embedded.log.LogTuning", tuning)
    monkeypatch.setattr("services.backbone.assembly.SystemClock", lambda: clock)
    monkeypatch.setattr("services.analyze.service.STATUS_EVERY_S", 0.05)
    return clock


@dataclass
class LiveCamera:
    """Sends a clip at its own pace, in simulated time; as an agent, it tells the beginning of the run again at sync chunks."""

    house: House
    clock: SimulatedClock
    media: list[MediaRecord]
    #: (offset, time of append) of every run-start in the log, and when the newest record came to it.
    starts: list[tuple[int, int]] = field(default_factory=list)
    newest_ns: int = 0

    async def send(self, from_ns: int, to_ns: int) -> int:
        """Append the chunks that begin in a range of capture time; return the end of the last (ns)."""
        end_ns = from_ns
        for chunk in (chunk for chunk in chunks(self.media) if from_ns <= chunk.facts.start_ns < to_ns):
            end_ns = chunk.facts.end_ns
            # Only the wall's reading: that the records come faster here than they would is no camera's silence.
            self.clock.jump((end_ns - self.clock.now_ns()) / NS_PER_S)
            batch: list[MediaRecord] = [run_start(self.media), chunk] if chunk.facts.sync else [chunk]
            encoded = [(value, headers) for headers, value in map(encode, batch)]
            placed = await self.house.backbone.log.append(
                [Outgoing(VIDEO_DETECT.name, "room", value, headers) for value, headers in encoded]
            )
            self.newest_ns = self.clock.now_ns()
            if chunk.facts.sync:
                self.starts.append((placed[0].offset, self.newest_ns))
        return end_ns


def watched(house: House, since: int = 0) -> list[WatchStatus]:
    """What was told of watching, in the order told, but for the first ``since`` tellings."""
    return [said.data for said in house.statuses if said.type == "kanhu.status.watch"][since:]


async def until_watched(house: House, end_ns: int, since: int = 0) -> None:
    await house.until(
        lambda: max((told.to_ns for told in watched(house, since)), default=0) >= end_ns, "what was sent to be watched"
    )


@pytest.fixture
def sections(drawn_clip: DrawnClip) -> dict[str, Any]:
    camera = {"camera_id": "room", "url": "sim:playroom", "zones": [armed(drawn_clip[1]).model_dump()]}
    return {"cameras": [camera], "analyze": {"late_s": 3600.0, "detector": "drawn-person"}}


def armed(room: DrawnRoom) -> Zone:
    return Zone(name="armed", polygon=list(room.armed_zone))


async def test_the_groups_offset_is_that_of_the_newest_run_start_old_enough_to_rewind_to(
    tmp_path: Path, drawn_clip: DrawnClip, sections: dict[str, Any], clock: SimulatedClock
) -> None:
    async with backbone_of(tmp_path, **sections) as house:
        live = LiveCamera(house, clock, muxed(drawn_clip[0]))
        async with analysis(house):
            await until_watched(house, await live.send(START_NS, START_NS + 11 * NS_PER_S))
        old_enough = [offset for offset, at_ns in live.starts if at_ns <= live.newest_ns - REWIND_NS]
        assert 1 < len(old_enough) < len(live.starts) - 1, "some are too old to be needed, and some too new"
        assert (await house.backbone.log.committed(GROUP))[PARTITION] == old_enough[-1]


async def test_who_takes_a_camera_over_amid_a_presence_looks_back_and_goes_on_with_it(
    tmp_path: Path,
    drawn_clip: DrawnClip,
    sections: dict[str, Any],
    clock: SimulatedClock,
    drawn_person: Model,
    engine_of: EngineMaker,
) -> None:
    path, room, seconds = drawn_clip
    media = muxed(path)
    [(onset_s, end_s)] = intervals(watch(engine_of(drawn_person, armed(room)), media))
    async with backbone_of(tmp_path, **sections) as house:
        live = LiveCamera(house, clock, media)
        middle_ns = START_NS + round((onset_s + end_s) / 2 * NS_PER_S)
        async with analysis(house):
            handed_ns = await live.send(START_NS, middle_ns)
            await until_watched(house, handed_ns)
        assert house.stages() == ["opened"], "the hand-over is to fall into the presence"
        before = len(watched(house))
        async with analysis(house):
            await until_watched(house, handed_ns, before)
            again = watched(house, before)
            assert again[0].from_ns <= handed_ns - REWIND_NS
            assert sum(told.analysed_frames for told in again) >= (REWIND_S - 1) * 5, (
                "somebody is there: no frame is gated"
            )
            assert all(told.skipped_frames == {} for told in again), again
            assert house.stages() == ["opened"], "what goes on is not opened twice"
            await live.send(handed_ns, START_NS + round(seconds * NS_PER_S))
            await house.until(lambda: "closed" in house.stages(), "the end of the presence")
    opened, closed = (event.data for event in house.incidents)
    assert opened.incident_id == closed.incident_id
    assert (closed.opened_ns - START_NS) / NS_PER_S == pytest.approx(onset_s, abs=0.001)
    assert (closed.closed_ns - START_NS) / NS_PER_S == pytest.approx(end_s, abs=0.5), (
        "as if it had not been interrupted"
    )
