"""The recorder as a process: killed, cut off, doubled; what it leaves is each chunk once and every second accounted for."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest

from services.contracts.media_record import Chunk
from services.media.segment import read_segment
from services.media.verify import verify_segment
from tests.harness.drawn_footage import Agent, DrawnRun
from tests.harness.footage import FIRST, LAST, export, findings, gaps, segments
from tests.harness.ground import Plug
from tests.harness.site import Site
from tests.integration.retention.conftest import House, assert_each_chunk_once, recent_run

pytestmark = pytest.mark.timeout(240)
SEED = 20261122


async def test_killed_at_random_moments_it_stores_each_chunk_once(house: House, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    runs = [recent_run(f"camera-{number}", number, seconds_ago=120) for number in range(3)]
    made: dict[str, list[Chunk]] = {run.facts.run_id: [] for run in runs}
    await house.append([run.start() for run in runs])
    for _ in range(6):
        for _ in range(4):
            fresh = [run.chunk() for run in runs for _ in range(chance.randint(1, 6))]
            for chunk in fresh:
                made[chunk.run.run_id].append(chunk)
            await house.append(sorted(fresh, key=lambda chunk: (chunk.facts.seq, chunk.run.camera_id)))
            await asyncio.sleep(chance.uniform(0, 0.15))  # the moment is what is random here
        house.site.kill("retain")
        house.site.launch("retain")
    house.site.wait_ready("retain")
    await house.append([run.end("maintenance") for run in runs])
    for run in runs:
        await house.until_stored(run)
        assert_each_chunk_once(house.site, run)
        [file] = export(house.site, run.facts.camera_id, tmp_path / f"{run.facts.camera_id}.mp4")
        segment = read_segment(file.read_bytes())
        assert segment.init == run.init
        assert [bytes(value) for value in segment.values] == [chunk.value for chunk in made[run.facts.run_id]]
        assert [gap["cause"] for gap in gaps(house.site, run.facts.camera_id)] == ["maintenance"]
    house.site.stop("retain")
    assert findings(house.site) == []


@pytest.mark.parametrize("plug", ["store", "catalog", "log"])
async def test_a_server_away_costs_nothing(house: House, plug: Plug) -> None:
    camera = f"beside-{plug}"
    run = recent_run(camera, seconds_ago=120)
    await house.append([run.start(), *run.chunks(30)])
    await house.until(lambda: segments(house.site, camera), "a first segment")
    with house.ground.away(plug):
        if plug != "log":
            await house.append(run.chunks(40))
        await asyncio.sleep(6)  # the length of the outage
    await house.append(run.chunks(30))
    await house.append([run.end("maintenance")])
    await house.until_stored(run)
    assert_each_chunk_once(house.site, run)
    assert [gap["cause"] for gap in gaps(house.site, camera)] == ["maintenance"]
    house.site.stop("retain")
    assert findings(house.site) == []


async def test_two_recorders_share_and_hand_over(house: House, tmp_path: Path) -> None:
    runs = [recent_run(f"shared-{number}", number, seconds_ago=120) for number in range(6)]
    await house.append([record for run in runs for record in (run.start(), *run.chunks(15))])
    second = Site(tmp_path / "second", house.site.settings["backbone"], house.site._environment)
    second.configure(**{name: value for name, value in house.site.settings.items() if name != "backbone"})
    try:
        second.start("retain")
        for _ in range(10):
            await house.append([chunk for run in runs for chunk in run.chunks(3)])
        house.site.stop("retain")
        for _ in range(5):
            await house.append([chunk for run in runs for chunk in run.chunks(3)])
        house.site.start("retain")
        await house.append([chunk for run in runs for chunk in run.chunks(5)])
        second.kill("retain")
        await house.append([run.end("maintenance") for run in runs])
        for run in runs:
            await house.until_stored(run)
            assert_each_chunk_once(house.site, run)
    finally:
        second.end()
    house.site.stop("retain")
    assert findings(house.site) == []


async def test_silence_is_shown_withdrawn_and_shown_where_it_now_begins(house: House) -> None:
    run = recent_run("silent", seconds_ago=30)
    await house.append([run.start(), *run.chunks(12)])
    [shown] = await house.until(lambda: gaps(house.site, "silent"), "a presumed gap")
    assert (shown["presumed"], shown["end_ns"], shown["start_ns"]) == (True, None, run.next_ns)
    await house.append(run.chunks(8))
    await house.until(
        lambda: [gap["start_ns"] for gap in gaps(house.site, "silent")] == [run.next_ns],
        "silence after the late footage",
    )
    await house.append([run.end("camera")])
    await house.until_stored(run)
    await house.until(lambda: [gap["cause"] for gap in gaps(house.site, "silent")] == ["camera"], "the real cause")
    assert findings(house.site) == []


async def test_a_strangers_media_are_refused_and_the_rest_goes_on(house: House) -> None:
    stranger = DrawnRun(Agent("stranger"), "gate", 1, recent_run("gate").start_ns)
    run = recent_run("yard")
    await house.append([*stranger.whole(12), *run.whole(12)])
    await house.until_stored(run)
    assert segments(house.site, "gate") == []
    rows = house.site.lines("check", expect=(0,))
    assert [row for row in rows if row["level"] == "finding"] == []
    assert any(row["clause"] == "I7" and "14 media records were refused" in row["message"] for row in rows)


async def test_a_clean_stop_leaves_no_scratch_and_the_open_segment_in_the_log(box_house: House) -> None:
    run = recent_run("yard")
    await box_house.append([run.start(), *run.chunks(25)])
    await box_house.until(lambda: len(segments(box_house.site, "yard")) == 2, "two segments")
    box_house.site.stop("retain")
    scratch = Path(box_house.site.settings["backbone"]["data"]) / "retention" / "scratch"
    assert list(scratch.iterdir()) == []
    assert segments(box_house.site, "yard")[-1]["last_seq"] == 19
    box_house.site.start("retain")
    await box_house.append([run.end()])
    await box_house.until_stored(run)
    assert_each_chunk_once(box_house.site, run)


async def test_an_export_goes_up_to_the_newest_signature_and_says_what_is_missing(house: House, tmp_path: Path) -> None:
    """Of what is not sealed yet the log is read, when it can be. What a stranger says there is no footage."""
    run = recent_run("exported")

    def exported(name: str) -> tuple[list[bytes], dict[str, Any]]:
        """The chunks in the file, and the row that says what is missing."""
        words = ["footage", "export", "--camera", "exported", "--from", FIRST, "--to", LAST]
        rows = house.site.lines(*words, "--out", str(tmp_path / name), expect=(0,))
        [file, *missing] = [row for row in rows if row["kind"] != "gap"]  # silence is a presumed gap
        octets = (tmp_path / name).read_bytes()
        assert verify_segment(octets, run.agent.public_key).is_authentic
        assert [row["kind"] for row in missing] in ([], ["unsealed"])
        assert not missing or missing[0]["start_ns"] == file["end_ns"]
        return [bytes(value) for value in read_segment(octets).values], missing[0] if missing else {}

    made = run.chunks(7)  # GOPs of five chunks, two of them to a segment
    await house.append([run.start(), *made])
    assert exported("unsealed.mp4")[0] == [chunk.value for chunk in made[:5]]
    made += run.chunks(20)
    stranger = DrawnRun(Agent("stranger"), "exported", 9, run.next_ns + 1)
    await house.append([*made[7:], *stranger.whole(10)])
    await house.until(lambda: len(segments(house.site, "exported")) == 2, "two segments")
    values, missing = exported("both.mp4")
    assert values == [chunk.value for chunk in made[:25]]
    assert missing["start_ns"] == made[24].facts.end_ns
    if house.site.settings["backbone"]["mode"] == "distributed":  # an embedded house without its log opens for nobody
        with house.ground.away("log"):
            values, missing = exported("sealed.mp4")
        assert values == [chunk.value for chunk in made[:20]]
        assert missing["start_ns"] == made[19].facts.end_ns
    await house.append([run.chunk(signed=True), run.end()])
    await house.until_stored(run)
    values, missing = exported("ended.mp4")
    assert (len(values), missing) == (28, {})
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []
