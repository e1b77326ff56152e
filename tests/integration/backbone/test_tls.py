"""TLS to real servers: in with the right authority, name and certificate; out, with a word why, without."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from deploy.local.servers import MinioServer
from services.backbone.assembly import close_backbone, open_backbone
from services.backbone.catalog_schema import segment
from services.backbone.distributed.kafka_log import KafkaLog
from services.backbone.distributed.kafka_log_access import KafkaAccess, KafkaSasl, Mechanism
from services.backbone.distributed.postgres_catalog import PostgresCatalog
from services.backbone.distributed.s3_store import S3Store
from services.backbone.ports import Outgoing
from services.backbone.settings_file import load_settings
from services.backbone.tls import client_context
from services.contracts.errors import KanhuError, Rejected, Transient
from services.contracts.settings import TlsSettings
from services.contracts.topics import CONFIG
from tests.harness.certificates import Authority
from tests.harness.log_site import drain, topic
from tests.harness.tls_servers import PASSWORD, TlsKafka, TlsMinio, TlsPostgres

# The client libraries leave the sockets of failed handshakes to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
UNBELIEVED = "signed by an authority that is not believed here; name that authority's certificate as ca_file"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module", autouse=True)
def collected() -> Iterator[None]:
    """What was left is collected here, and complained of in nobody else's test."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def papers(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> dict[str, TlsSettings]:
    """What a client may hold: the right papers, a stranger's authority, none of our own, another's certificate."""
    folder = tmp_path_factory.mktemp("papers")
    ca = str(authority.write(folder))
    other = Authority("a stranger")
    cert, key = map(str, authority.issue("kanhu").write(folder, "client"))
    forged, forged_key = map(str, other.issue("kanhu").write(folder, "forged"))
    return {
        "right": TlsSettings(ca_file=ca, cert_file=cert, key_file=key),
        "stranger": TlsSettings(ca_file=str(other.write(folder, "other.pem")), cert_file=cert, key_file=key),
        "no certificate": TlsSettings(ca_file=ca),
        "forged certificate": TlsSettings(ca_file=ca, cert_file=forged, key_file=forged_key),
        "system": TlsSettings(),
    }


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postgres_tls(authority: Authority) -> Iterator[TlsPostgres]:
    with TlsPostgres(authority) as server:
        yield server


def catalog_of(server: TlsPostgres, tls: TlsSettings | None, host: str = "127.0.0.1") -> PostgresCatalog:
    return PostgresCatalog(
        host, server.port, database=server.database, user=server.user, password=SecretStr(server.password),
        tls=None if tls is None else client_context(tls),
    )  # fmt: skip


async def count_segments(catalog: PostgresCatalog) -> int:
    async with catalog.snapshot() as reading:
        [row] = await reading.rows(select(func.count().label("rows")).select_from(segment))
        return int(row["rows"])


async def complaint_of(catalog: PostgresCatalog) -> KanhuError:
    with pytest.raises(KanhuError) as caught:
        await catalog.migrate()
    await catalog.close()
    return caught.value


async def test_a_catalog_opens_over_tls_with_the_right_papers(
    postgres_tls: TlsPostgres, papers: dict[str, TlsSettings]
) -> None:
    catalog = catalog_of(postgres_tls, papers["right"])
    await catalog.migrate()
    assert await count_segments(catalog) == 0
    await catalog.close()


@pytest.mark.parametrize("held", ["stranger", "system"])
async def test_a_database_of_an_unknown_authority_is_not_believed(
    postgres_tls: TlsPostgres, papers: dict[str, TlsSettings], held: str
) -> None:
    complaint = await complaint_of(catalog_of(postgres_tls, papers[held]))
    assert isinstance(complaint, Rejected) and UNBELIEVED in str(complaint)


@pytest.mark.parametrize(
    ("held", "said"),
    [("no certificate", "valid client certificate"), ("forged certificate", "authority of our certificate")],
)
async def test_a_database_that_asks_for_a_certificate_gets_ours_or_says_so(
    postgres_tls: TlsPostgres, papers: dict[str, TlsSettings], held: str, said: str
) -> None:
    complaint = str(await complaint_of(catalog_of(postgres_tls, papers[held])))
    # In TLS 1.3 the server judges us after the handshake: its word may be lost with the connection.
    assert said in complaint or "closed in the middle of operation" in complaint


async def test_a_database_with_another_name_is_not_believed(
    postgres_tls: TlsPostgres, papers: dict[str, TlsSettings]
) -> None:
    complaint = await complaint_of(catalog_of(postgres_tls, papers["right"], host="localhost"))
    assert isinstance(complaint, Rejected) and "its certificate is for another name" in str(complaint)


async def test_a_certificate_that_expires_under_way_is_waited_for_and_nothing_is_refused_for_good(
    postgres_tls: TlsPostgres, authority: Authority, papers: dict[str, TlsSettings]
) -> None:
    catalog = catalog_of(postgres_tls, papers["right"])
    await catalog.migrate()
    async with catalog.snapshot():  # holds the one connection there is, so that the next one must come in anew
        await asyncio.to_thread(postgres_tls.show, authority.issue("postgres", expired=True))
        await postgres_tls.reload()
        try:
            with pytest.raises(Transient, match="its certificate has expired; have it renewed there"):
                for _ in range(50):  # the server reads its configuration when it comes to it
                    async with catalog.snapshot(), catalog.snapshot():
                        await asyncio.sleep(0.05)
                    await catalog._engine.dispose()
        finally:
            await asyncio.to_thread(postgres_tls.show, authority.issue("postgres"))
            await asyncio.to_thread(postgres_tls.restart)
    await catalog.close()


# --- Kafka -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kafka_tls(authority: Authority) -> Iterator[TlsKafka]:
    with TlsKafka(authority) as server:
        yield server


async def round_trip(access: KafkaAccess) -> None:
    """Make a topic, append to it, read it as a member of a group."""
    things = topic(partitions=1)
    log = KafkaLog(access, append_timeout_s=6.0)
    try:
        await log.ensure([things])
        await log.append([Outgoing(things.name, "k", b"through the tunnel")])
        async with log.consumer([things.name], group="tls") as consumer:
            assert [record.value for record in await drain(consumer, 1)] == [b"through the tunnel"]
    finally:
        await log.close()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
async def test_a_log_over_tls_with_name_and_password(
    kafka_tls: TlsKafka, papers: dict[str, TlsSettings], mechanism: Mechanism
) -> None:
    sasl = KafkaSasl(mechanism, "kanhu", SecretStr(PASSWORD))
    await round_trip(KafkaAccess(f"127.0.0.1:{kafka_tls.sasl_port}", client_context(papers["no certificate"]), sasl))


async def test_a_log_over_tls_with_a_certificate(kafka_tls: TlsKafka, papers: dict[str, TlsSettings]) -> None:
    await round_trip(KafkaAccess(f"127.0.0.1:{kafka_tls.mutual_port}", client_context(papers["right"])))


async def test_a_wrong_password_is_refused_for_good_and_told_nowhere(
    kafka_tls: TlsKafka, papers: dict[str, TlsSettings], caplog: pytest.LogCaptureFixture
) -> None:
    sasl = KafkaSasl("SCRAM-SHA-512", "kanhu", SecretStr("guessed-at"))
    access = KafkaAccess(f"127.0.0.1:{kafka_tls.sasl_port}", client_context(papers["right"]), sasl)
    with pytest.raises(KanhuError) as caught:
        await round_trip(access)
    assert "guessed-at" not in f"{caught.value}{caplog.text}{access}{sasl}"


@pytest.mark.parametrize(
    ("held", "host", "said"),
    [
        ("stranger", "127.0.0.1", UNBELIEVED),
        ("right", "localhost", "its certificate is for another name"),
        ("no certificate", "127.0.0.1", "name cert_file and key_file"),
        ("forged certificate", "127.0.0.1", "our certificate"),
    ],
)
async def test_a_broker_that_is_not_believed_or_does_not_believe_us_says_why(
    kafka_tls: TlsKafka, papers: dict[str, TlsSettings], held: str, host: str, said: str
) -> None:
    with pytest.raises(Rejected) as caught:
        await round_trip(KafkaAccess(f"{host}:{kafka_tls.mutual_port}", client_context(papers[held])))
    assert said in str(caught.value) and f"{host}:{kafka_tls.mutual_port}" in str(caught.value)


async def test_a_broker_without_tls_at_this_port_says_so(kafka_tls: TlsKafka, papers: dict[str, TlsSettings]) -> None:
    with pytest.raises(Transient, match=r"hangs up where TLS should begin; is this its port for TLS\?"):
        await round_trip(KafkaAccess(kafka_tls.address, client_context(papers["right"])))


# --- S3 --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def minio_tls(authority: Authority) -> Iterator[TlsMinio]:
    with TlsMinio(authority) as server:
        yield server


def store_of(server: MinioServer, tls: TlsSettings | None, host: str = "127.0.0.1") -> S3Store:
    return S3Store(
        f"{host}:{server.port}", bucket="footage", access_key=SecretStr(server.access_key),
        secret_key=SecretStr(server.secret_key), tls=None if tls is None else client_context(tls),
    )  # fmt: skip


async def prepare_bucket(server: MinioServer, tls: TlsSettings | None, host: str = "127.0.0.1") -> None:
    store = store_of(server, tls, host)
    try:
        await store.prepare()
    finally:
        await store.close()


async def test_a_bucket_is_opened_over_tls_and_only_with_its_authority(
    minio_tls: TlsMinio, papers: dict[str, TlsSettings]
) -> None:
    await prepare_bucket(minio_tls, papers["no certificate"])
    for held in (papers["stranger"], None):
        with pytest.raises(Rejected) as caught:
            await prepare_bucket(minio_tls, held)
        assert UNBELIEVED in str(caught.value)


async def test_a_store_with_another_name_is_not_believed(minio_tls: TlsMinio, papers: dict[str, TlsSettings]) -> None:
    with pytest.raises(Rejected, match="its certificate is for another name"):
        await prepare_bucket(minio_tls, papers["right"], host="localhost")


async def test_a_store_without_tls_at_this_port_says_so(minio: MinioServer, papers: dict[str, TlsSettings]) -> None:
    with pytest.raises(Rejected, match="it does not speak TLS at this port"):
        await prepare_bucket(minio, papers["right"])


async def test_a_store_whose_certificate_expires_under_way_is_waited_for(
    minio_tls: TlsMinio, authority: Authority, papers: dict[str, TlsSettings]
) -> None:
    store = store_of(minio_tls, papers["right"])
    await store.prepare()

    async def comes_in_anew() -> bool:
        store._pool.clear()  # a connection that is there already notices nothing
        try:
            return [one async for one in store.versions("")] == []
        except Transient as error:
            assert "its certificate has expired; have it renewed there" in str(error)
            return False

    minio_tls.show(authority.issue("minio", expired=True))
    try:
        await reached(False, comes_in_anew)
    finally:
        minio_tls.show(authority.issue("minio"))
    await reached(True, comes_in_anew)
    await store.close()


async def reached(state: bool, look: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(400):  # the server reads its files when it comes to it
        if await look() == state:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"the server never came to {state}")


# --- All of them -----------------------------------------------------------------------------------------------------


def secret_file(path: Path, secret: str) -> str:
    path.write_text(secret)
    path.chmod(0o600)
    return str(path)


async def test_file_brings_a_service_into_every_server_over_tls(
    postgres_tls: TlsPostgres, kafka_tls: TlsKafka, minio_tls: TlsMinio, papers: dict[str, TlsSettings], tmp_path: Path
) -> None:
    ours = papers["right"].model_dump()
    password = secret_file(tmp_path / "kafka", PASSWORD)
    document = {
        "mode": "distributed",
        "keys": str(tmp_path / "keys"),
        "kafka": {
            "bootstrap": f"127.0.0.1:{kafka_tls.sasl_port}",
            "tls": ours,
            "sasl": {"mechanism": "SCRAM-SHA-512", "username": "kanhu", "password_file": password},
        },
        "s3": {
            "endpoint": minio_tls.address,
            "tls": ours,
            "access_key_file": secret_file(tmp_path / "access", minio_tls.access_key),
            "secret_key_file": secret_file(tmp_path / "secret", minio_tls.secret_key),
        },
        "postgres": {
            "host": "127.0.0.1",
            "port": postgres_tls.port,
            "tls": ours,
            "password_file": secret_file(tmp_path / "postgres", postgres_tls.password),
        },
    }
    file = tmp_path / "kanhu.yaml"
    file.write_text(json.dumps({"backbone": document}))
    backbone = await open_backbone(load_settings(file, environment={}), role="console")
    try:
        await backbone.log.append([Outgoing(CONFIG.name, "camera/gate", None)])
        stored = await backbone.need_store().put(
            "a/b", b"x", sha256=hashlib.sha256(b"x").digest(), retain_until_ns=None
        )
        assert stored.size_bytes == 1
        async with backbone.need_catalog().snapshot() as reading:
            assert await reading.rows(select(segment)) == []
    finally:
        await close_backbone(backbone)
