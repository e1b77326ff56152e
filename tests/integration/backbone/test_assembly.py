"""Opening an installation: which ports each role gets, ready for use, on both backbones."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from deploy.local.servers import distributed_file
from services.backbone.assembly import Role, close_backbone, open_backbone, role_of
from services.backbone.catalog_schema import segment
from services.backbone.key_trust import key_id_of
from services.backbone.ports import Backbone, Outgoing
from services.backbone.settings_file import for_data_directory, load_settings
from services.contracts import topics
from services.contracts.errors import NotFound, Rejected, Transient
from services.contracts.settings import AgentIdentity, Settings

REMOTE = Ed25519PrivateKey.generate().public_key().public_bytes_raw()


@pytest.fixture(params=["embedded", "distributed"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "embedded":
        plain = for_data_directory(tmp_path / "data", environment={})
    else:
        servers = [request.getfixturevalue(name) for name in ("kafka", "minio", "postgres")]
        database, bucket = servers[2].create_database(), f"test-{secrets.token_hex(6)}"
        file = distributed_file(tmp_path, *servers, database=database, bucket=bucket)
        plain = load_settings(file, environment={})
    return plain.model_copy(update={"agents": [AgentIdentity(agent_id="remote", public_key=REMOTE.hex())]})


@asynccontextmanager
async def opened(settings: Settings, role: Role) -> AsyncIterator[Backbone]:
    backbone = await open_backbone(settings, role=role)
    try:
        yield backbone
    finally:
        await close_backbone(backbone)
        await close_backbone(backbone)  # twice does no harm


@pytest.mark.parametrize("role", ["analyze", "retain", "console"])
async def test_a_service_of_the_centre_gets_every_port_ready_for_use(settings: Settings, role: Role) -> None:
    async with opened(settings, role) as backbone:
        await backbone.log.append([Outgoing(topics.STATUS.name, "door", b"{}")])
        body = role.encode()
        store = backbone.need_store()
        await store.put(f"{role}.bin", body, sha256=hashlib.sha256(body).digest(), retain_until_ns=None)
        async with backbone.need_catalog().snapshot() as reading:
            assert (await reading.rows(select(func.count().label("rows")).select_from(segment)))[0]["rows"] == 0
        assert abs(backbone.clock.now_ns()) > 0


async def test_agents_of_the_file_are_enrolled(settings: Settings) -> None:
    async with opened(settings, "retain") as backbone:
        assert await backbone.keys.trusted(key_id_of(REMOTE), at_ns=1) == REMOTE
        with pytest.raises(NotFound):
            await backbone.keys.trusted("0" * 16, at_ns=1)


async def test_an_agent_gets_no_store_and_no_catalog_and_can_sign(settings: Settings) -> None:
    async with opened(settings, "agent") as backbone:
        assert backbone.store is None and backbone.catalog is None
        assert len((await backbone.keys.signer("agent-1")).sign(b"x")) == 64


async def test_services_that_open_at_once_do_not_hinder_each_other(settings: Settings) -> None:
    roles: tuple[Role, ...] = ("agent", "analyze", "retain", "console", "tool")
    await close_backbone(await open_backbone(settings, role="retain"))  # a tool opens only what is there
    for backbone in await asyncio.gather(*(open_backbone(settings, role=role) for role in roles)):
        await close_backbone(backbone)


async def test_a_box_trusts_its_own_agent(tmp_path: Path) -> None:
    settings = for_data_directory(tmp_path / "data", environment={})
    async with opened(settings, "retain") as centre, opened(settings, "agent") as agent:
        signer = await agent.keys.signer(settings.agent.agent_id)
        assert await centre.keys.trusted(signer.key_id, at_ns=1) == signer.public_key


async def test_a_tool_makes_no_installation_where_none_is(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="no installation"):
        await open_backbone(for_data_directory(tmp_path / "typo", environment={}), role="tool")
    assert not (tmp_path / "typo").exists()


async def test_a_place_that_cannot_be_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Rejected):
        await open_backbone(for_data_directory(tmp_path / "file" / "data", environment={}), role="retain")


def _nowhere(tmp_path: Path) -> Settings:
    file = tmp_path / "kanhu.yaml"
    file.write_text(
        "backbone:\n  mode: distributed\n  kafka: {bootstrap: '127.0.0.1:1'}\n"
        "  s3: {endpoint: '127.0.0.1:1', secure: false}\n  postgres: {host: 127.0.0.1, port: 1}\n"
        f"  keys: {tmp_path / 'keys'}\n"
    )
    return load_settings(file, environment={})


async def test_servers_that_are_away_are_transient(tmp_path: Path) -> None:
    with pytest.raises(Transient):
        async with asyncio.timeout(60):
            await open_backbone(_nowhere(tmp_path), role="retain")


async def test_an_agent_opens_while_the_log_is_away(tmp_path: Path) -> None:
    async with asyncio.timeout(20):
        async with opened(_nowhere(tmp_path), "agent") as backbone:
            with pytest.raises(Transient):
                await backbone.log.append([Outgoing(topics.STATUS.name, "door", b"{}")])


@pytest.mark.parametrize(
    ("name", "role"), [("agent", "agent"), ("retain", "retain"), ("console", "console"), ("check", "tool")]
)
def test_a_service_name_is_its_role(name: str, role: str) -> None:
    naming: Callable[[str], str] = role_of
    assert naming(name) == role
