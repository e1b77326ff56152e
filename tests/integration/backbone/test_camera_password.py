"""A camera's password from the page's side to the agent's, over a real log: read by the agent and by nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.backbone.assembly import close_backbone, open_backbone
from services.backbone.camera_password import sealed_for_agents
from services.backbone.entities import open_entities
from services.backbone.ports import Backbone, Outgoing
from services.backbone.readiness import Readiness
from services.backbone.running import Host
from services.backbone.settings_file import for_data_directory
from services.console.access import Gate
from services.console.routes import Console, console_app
from services.contracts.entity import CameraConfig
from services.contracts.entity_record import config_key, encode_entity
from services.contracts.errors import Rejected
from services.contracts.settings import Settings
from services.contracts.source_url import parse_source_url
from services.contracts.topics import CONFIG
from services.ingest.sources.connection import SourceFailed
from services.ingest.sources.credentials import credentials_of

GATE = CameraConfig.model_validate(
    {"camera_id": "gate", "url": "rtsp://10.0.0.9:554/main", "username": "admin", "password": "hunter2-门"}
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return for_data_directory(tmp_path, environment={})


@pytest.fixture
async def agent(settings: Settings) -> AsyncIterator[Backbone]:
    backbone = await open_backbone(settings, role="agent")  # makes and enrols its key
    yield backbone
    await close_backbone(backbone)


async def publish(backbone: Backbone, camera: CameraConfig) -> None:
    await backbone.log.append([Outgoing(CONFIG.name, config_key(camera), encode_entity(camera))])


async def seen_by(backbone: Backbone, settings: Settings, role: str) -> CameraConfig:
    async with open_entities(backbone, settings, None, role=role) as feed:
        return feed.current.cameras["gate"]


def files_that_hold(directory: Path, words: bytes) -> list[str]:
    return [path.name for path in directory.rglob("*") if path.is_file() and words in path.read_bytes()]


async def test_the_agent_reads_a_password_that_stands_nowhere_in_clear(
    agent: Backbone, settings: Settings, tmp_path: Path
) -> None:
    sealed = await sealed_for_agents(GATE, agent.keys, at_ns=agent.clock.now_ns())
    await publish(agent, sealed)
    assert await seen_by(agent, settings, "agent") == GATE
    other = await seen_by(agent, settings, "analyze")
    assert other.password is None and other.sealed_password is not None
    assert (tmp_path / "agent" / "entities.json").is_file(), "the agent's memory is among the files looked at"
    assert files_that_hold(tmp_path, b"hunter2") == []


async def test_a_password_moved_to_another_address_stays_shut_and_the_camera_says_why(
    agent: Backbone, settings: Settings
) -> None:
    sealed = await sealed_for_agents(GATE, agent.keys, at_ns=agent.clock.now_ns())
    moved = sealed.model_copy(update={"url": "rtsp://10.6.6.6:554/main"})
    await publish(agent, moved)
    found = await seen_by(agent, settings, "agent")
    assert found.password is None
    with pytest.raises(SourceFailed, match="enrol the camera again"):
        credentials_of(found, parse_source_url(found.url))


async def test_another_path_of_the_same_camera_keeps_its_password(agent: Backbone, settings: Settings) -> None:
    sealed = await sealed_for_agents(GATE, agent.keys, at_ns=agent.clock.now_ns())
    await publish(agent, sealed.model_copy(update={"url": "rtsp://10.0.0.9:554/sub"}))
    assert (await seen_by(agent, settings, "agent")).password == GATE.password


async def test_without_an_agent_that_could_read_it_a_password_is_refused(agent: Backbone) -> None:
    elsewhere = GATE.model_copy(update={"agent_id": "agent-9"})
    with pytest.raises(Rejected, match=r"no key of agent-9 is enrolled.*public key under `agents`") as caught:
        await sealed_for_agents(elsewhere, agent.keys, at_ns=agent.clock.now_ns())
    assert "hunter2" not in str(caught.value)
    open_camera = CameraConfig(camera_id="yard", url="rtsp://10.0.0.9/", agent_id="agent-9")
    assert await sealed_for_agents(open_camera, agent.keys, at_ns=0) == open_camera


async def test_the_page_enrols_with_a_sealed_password(agent: Backbone, settings: Settings, tmp_path: Path) -> None:
    backbone = await open_backbone(settings, role="console")
    async with open_entities(backbone, settings, None, role="console") as entities:
        host = Host(settings, None, backbone, asyncio.Event(), Readiness(), entities)
        unused: Any = None
        only_enrolling = Console(host, unused, unused, unused, Gate(None))
        page = httpx.ASGITransport(console_app(only_enrolling))
        async with httpx.AsyncClient(transport=page, base_url="http://127.0.0.1") as browser:
            form = {"camera_id": "gate", "url": "rtsp://admin:hunter2@10.0.0.9/main"}
            answer = await browser.post("/api/v1/cameras", json=form)
    await close_backbone(backbone)
    assert answer.status_code == 201, answer.text
    found = await seen_by(agent, settings, "agent")
    assert found.password is not None and found.password.get_secret_value() == "hunter2"
    assert files_that_hold(tmp_path, b"hunter2") == []
