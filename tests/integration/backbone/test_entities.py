"""The feed of cameras and sensors on a real log: what is enrolled appears, what is bad is refused and kept out of the way."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.backbone.embedded.log import EmbeddedLog
from services.backbone.entities import Entities, EntityFeed
from services.backbone.entity_cache import EntityCache
from services.backbone.ports import Log, Outgoing
from services.backbone.settings_file import for_data_directory
from services.contracts import topics
from services.contracts.dead_letter import decode_dead_letter
from services.contracts.entity import CameraConfig, SensorConfig
from services.contracts.entity_record import Entity, config_key, encode_entity
from services.contracts.errors import Transient

DEADLINE_S = 20.0


def camera(name: str, url: str = "sim:nap") -> CameraConfig:
    return CameraConfig(camera_id=name, url=url)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    opened = await EmbeddedLog.open(tmp_path / "log")
    await opened.ensure(topics.ALL)
    yield opened
    await opened.close()


@pytest.fixture
def box(tmp_path: Path) -> Path:
    write_box(tmp_path, "from-file")
    return tmp_path


def write_box(directory: Path, *names: str) -> None:
    """Replace FILE as editors do: aside, then renamed."""
    aside = directory / "box.yaml.new"
    aside.write_text("cameras:\n" + "".join(f"  - {{camera_id: {name}, url: 'sim:nap'}}\n" for name in names))
    aside.replace(directory / "box.yaml")


@asynccontextmanager
async def following(log: Log, box: Path, **options: Any) -> AsyncIterator[EntityFeed]:
    settings = for_data_directory(box, environment={})
    feed = EntityFeed(log, settings, box / "box.yaml", look_s=0.05, **{"first_reading_s": 10.0, **options})
    async with feed.following():
        yield feed


async def publish(log: Log, *entities: Entity) -> None:
    await log.append([Outgoing(topics.CONFIG.name, config_key(each), encode_entity(each)) for each in entities])


async def publish_raw(log: Log, key: str, value: bytes | None) -> None:
    await log.append([Outgoing(topics.CONFIG.name, key, value)])


async def seen(feed: EntityFeed, condition: Callable[[Entities], bool]) -> Entities:
    async with asyncio.timeout(DEADLINE_S):
        async for view in feed.changes():
            if condition(view):
                return view
    raise AssertionError("the feed ended")


async def test_the_first_view_is_file_and_topic_together(log: EmbeddedLog, box: Path) -> None:
    await publish(log, camera("enrolled"), SensorConfig(sensor_id="door-1", kind="door"))
    async with following(log, box) as feed:
        assert set(feed.current.cameras) == {"from-file", "enrolled"}
        assert set(feed.current.sensors) == {"door-1"}


async def test_an_enrolment_a_change_and_a_removal_are_followed(log: EmbeddedLog, box: Path) -> None:
    async with following(log, box) as feed:
        await publish(log, camera("new"))
        await seen(feed, lambda view: "new" in view.cameras)
        await publish(log, camera("new", "sim:hall"))
        await seen(feed, lambda view: view.cameras["new"].url == "sim:hall")
        await publish_raw(log, "camera/new", None)
        await seen(feed, lambda view: set(view.cameras) == {"from-file"})


async def test_a_withdrawn_record_lets_the_file_show_through(log: EmbeddedLog, box: Path) -> None:
    await publish(log, camera("from-file", "sim:hall"))
    async with following(log, box) as feed:
        assert feed.current.cameras["from-file"].url == "sim:hall"
        await publish_raw(log, "camera/from-file", None)
        await seen(feed, lambda view: view.cameras["from-file"].url == "sim:nap")


async def test_an_edit_of_the_file_takes_effect(log: EmbeddedLog, box: Path) -> None:
    async with following(log, box) as feed:
        write_box(box, "from-file", "another")
        await seen(feed, lambda view: set(view.cameras) == {"from-file", "another"})
        write_box(box, "another")
        await seen(feed, lambda view: set(view.cameras) == {"another"})


@pytest.mark.parametrize("content", [b"cameras: [", b"cameras: 7\n", b"\xff\xfe", b"colour: red\n"])
async def test_a_bad_edit_keeps_the_previous_state_until_it_is_mended(
    log: EmbeddedLog, box: Path, content: bytes
) -> None:
    async with following(log, box) as feed:
        (box / "box.yaml").write_bytes(content)
        await publish(log, camera("after"))
        view = await seen(feed, lambda view: "after" in view.cameras)
        assert set(view.cameras) == {"from-file", "after"}
        write_box(box, "mended")
        await seen(feed, lambda view: set(view.cameras) == {"mended", "after"})


async def test_a_bad_record_is_a_dead_letter_and_keeps_the_previous_state(log: EmbeddedLog, box: Path) -> None:
    await publish(log, camera("good"))
    bad = b'{"camera_id": "good", "url": "rtsp://u:geheim@cam:x"}'
    async with following(log, box, reports_bad_records=True) as feed:
        await publish_raw(log, "camera/good", bad)
        await publish(log, camera("after"))
        view = await seen(feed, lambda view: "after" in view.cameras)
        assert view.cameras["good"] == camera("good")
    async with log.consumer([topics.DEAD_LETTER.name], group=None) as reader:
        (letter,) = [decode_dead_letter(each.headers, each.value or b"") for each in await reader.poll(timeout_s=10)]
    assert letter.value == bad
    assert letter.origin.startswith("config.v1/0/")
    assert "url" in letter.reason and "geheim" not in letter.reason


async def test_a_bad_record_read_at_the_start_falls_back_on_the_one_before(log: EmbeddedLog, box: Path) -> None:
    await publish(log, camera("good"))
    await publish_raw(log, "camera/good", b"{")
    await publish_raw(log, "camera/never-good", b"{")
    async with following(log, box) as feed:
        assert set(feed.current.cameras) == {"from-file", "good"}


async def test_every_reader_gets_the_newest_view(log: EmbeddedLog, box: Path) -> None:
    async with following(log, box) as feed:
        names = [f"cam-{number}" for number in range(30)]
        readers = [asyncio.create_task(seen(feed, lambda view: "cam-29" in view.cameras)) for _ in range(3)]
        for name in names:
            await publish(log, camera(name))
        for view in await asyncio.gather(*readers):
            assert set(view.cameras) == {"from-file", *names}


class AwayLog:
    """A log that does not answer until told."""

    def __init__(self, log: EmbeddedLog) -> None:
        self._log = log
        self.away = True

    def consumer(self, *arguments: Any, **options: Any) -> Any:
        if self.away:
            raise Transient("the log is away")
        return self._log.consumer(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


async def test_a_log_that_is_away_at_the_start_holds_no_camera_up(log: EmbeddedLog, box: Path) -> None:
    await publish(log, camera("enrolled"))
    away: Any = AwayLog(log)
    async with following(away, box, first_reading_s=0.1) as feed:
        assert set(feed.current.cameras) == {"from-file"}
        away.away = False
        await seen(feed, lambda view: set(view.cameras) == {"from-file", "enrolled"})


async def test_an_agent_remembers_what_was_enrolled_while_the_log_is_away(log: EmbeddedLog, box: Path) -> None:
    cache = EntityCache(box / "agent" / "entities.json")
    await publish(log, camera("enrolled"), camera("withdrawn"))
    async with following(log, box, cache=cache):
        pass
    await publish_raw(log, "camera/withdrawn", None)
    away: Any = AwayLog(log)
    async with following(away, box, cache=EntityCache(box / "agent" / "entities.json"), first_reading_s=0.1) as feed:
        assert set(feed.current.cameras) == {"from-file", "enrolled", "withdrawn"}
        away.away = False
        await seen(feed, lambda view: set(view.cameras) == {"from-file", "enrolled"})


async def test_a_file_that_vanishes_and_returns_is_followed(log: EmbeddedLog, box: Path) -> None:
    async with following(log, box) as feed:
        os.unlink(box / "box.yaml")
        await seen(feed, lambda view: set(view.cameras) == set())
        write_box(box, "returned")
        await seen(feed, lambda view: set(view.cameras) == {"returned"})
