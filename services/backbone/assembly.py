"""Which adapters an installation gets. The only module of the backbone that names them; all imports are lazy.

Belongs here: opening and closing all ports of one process. Does not belong here: retries (``running.py``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from services.backbone.ports import Backbone, Catalog, Clock, KeyStore, Log, ObjectStore
from services.backbone.settings_file import read_secret
from services.backbone.system_clock import SystemClock
from services.contracts import topics
from services.contracts.errors import Rejected, Transient
from services.contracts.settings import (
    DistributedBackbone,
    EmbeddedBackbone,
    KafkaSettings,
    PostgresSettings,
    S3Settings,
    Settings,
)

if TYPE_CHECKING:
    from services.backbone.distributed.kafka_log_access import KafkaAccess

Role = Literal["agent", "analyze", "retain", "console", "tool"]
_ROLES: tuple[Role, ...] = ("agent", "analyze", "retain", "console", "tool")


def role_of(service: str) -> Role:
    """The role of a service name; a name that is none is a tool."""
    return next((role for role in _ROLES if role == service), "tool")


async def open_backbone(settings: Settings, *, role: Role) -> Backbone:
    """Open every port that ``role`` needs, ready for use: topics, bucket and schema exist, agents of FILE are enrolled.

    An agent gets neither store nor catalog, and opens even while the log is away (it spools). A ``tool`` reads an
    installation that exists: it makes no directory, so a mistyped path is ``Rejected``. ``Transient``: try again.
    """
    clock = SystemClock()
    opened: list[Closing] = []
    try:
        if isinstance(settings.backbone, EmbeddedBackbone):
            backbone = await _open_embedded(settings, settings.backbone, role, clock, opened)
        else:
            backbone = await _open_distributed(settings, settings.backbone, role, clock, opened)
        for agent in settings.agents if role != "agent" else ():
            await backbone.keys.enrol(agent.agent_id, bytes.fromhex(agent.public_key), from_ns=0)
    except BaseException:
        for port in reversed(opened):
            await port.close()
        raise
    return backbone


async def open_spool_log(directory: Path) -> Log:
    """The log that an agent spools to: always embedded, without a limit of its own (the agent keeps to its settings)."""
    from services.backbone.embedded.log import EmbeddedLog, LogTuning

    # One process appends and reads: nothing comes from elsewhere that would have to be seen at once.
    return await EmbeddedLog.open(directory, tuning=LogTuning(look_every_s=1.0))


async def close_backbone(backbone: Backbone) -> None:
    """Close every port; safe to call twice."""
    await backbone.log.close()
    if backbone.store is not None:
        await backbone.store.close()
    if backbone.catalog is not None:
        await backbone.catalog.close()


Closing = Log | ObjectStore | Catalog


async def _open_embedded(
    settings: Settings, place: EmbeddedBackbone, role: Role, clock: Clock, opened: list[Closing]
) -> Backbone:
    from services.backbone.embedded.key_directory import KeyDirectory
    from services.backbone.embedded.log import EmbeddedLog

    root = Path(place.data)
    _prepare_root(root, role)
    log = await EmbeddedLog.open(root / "log", limit_bytes=place.log_limit_bytes)
    opened.append(log)
    await log.ensure(topics.ALL)
    keys = KeyDirectory(root / "keys")
    if role == "agent":  # the box's own agent is trusted by the box: they share one directory and one owner
        signer = await keys.signer(settings.agent.agent_id)
        await keys.enrol(settings.agent.agent_id, signer.public_key, from_ns=0)
        return Backbone(log, clock, keys)
    from services.backbone.embedded.directory_store import DirectoryStore
    from services.backbone.embedded.sqlite_catalog import SqliteCatalog

    store = DirectoryStore(root / "objects", clock)
    opened.append(store)
    catalog = SqliteCatalog(root / "catalog.db")
    opened.append(catalog)
    await store.prepare()
    await catalog.migrate()
    return Backbone(log, clock, keys, store, catalog)


def _prepare_root(root: Path, role: Role) -> None:
    if role == "tool" and not root.is_dir():
        raise Rejected(f"there is no installation at {root}; name the directory given to kanhu box --data")
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Rejected(f"{root} cannot be made: {error.strerror}; name a directory this user may write") from error


async def _open_distributed(
    settings: Settings, place: DistributedBackbone, role: Role, clock: Clock, opened: list[Closing]
) -> Backbone:
    from services.backbone.distributed.kafka_log import KafkaLog
    from services.backbone.embedded.key_directory import KeyDirectory

    log = KafkaLog(_kafka_access(place.kafka), replication=place.kafka.replication)
    opened.append(log)
    private = KeyDirectory(Path(place.keys))
    if role == "agent":  # topics are the centre's to make; an agent must start, and spool, while the log is away
        return Backbone(log, clock, private)
    try:
        await log.ensure(topics.ALL)
    except Transient:
        if role != "tool":  # footage can be listed and exported, too, while the log is away
            raise
    catalog = _postgres(place.postgres)
    opened.append(catalog)
    await catalog.migrate()
    store = _s3(place.s3)
    opened.append(store)
    await store.prepare()
    return Backbone(log, clock, _catalog_keys(catalog, private), store, catalog)


def _kafka_access(settings: KafkaSettings) -> KafkaAccess:
    from services.backbone.distributed.kafka_log_access import KafkaAccess, KafkaSasl
    from services.backbone.tls import client_context

    sasl = None
    if (given := settings.sasl) is not None:
        what = f"password of Kafka user {given.username!r}"
        password = read_secret(file=given.password_file, env=given.password_env, what=what)
        sasl = KafkaSasl(given.mechanism, given.username, password)
    return KafkaAccess(settings.bootstrap, None if settings.tls is None else client_context(settings.tls), sasl)


def _postgres(settings: PostgresSettings) -> Catalog:
    from services.backbone.distributed.postgres_catalog import PostgresCatalog
    from services.backbone.tls import client_context

    password = read_secret(
        file=settings.password_file, env=settings.password_env, what=f"password of database user {settings.user!r}"
    )
    return PostgresCatalog(
        settings.host, settings.port, database=settings.database, user=settings.user, password=password,
        tls=None if settings.tls is None else client_context(settings.tls),
    )  # fmt: skip


def _s3(settings: S3Settings) -> ObjectStore:
    from services.backbone.distributed.s3_store import S3Store
    from services.backbone.tls import client_context

    return S3Store(
        settings.endpoint,
        bucket=settings.bucket,
        access_key=read_secret(file=settings.access_key_file, env=settings.access_key_env, what="S3 access key"),
        secret_key=read_secret(file=settings.secret_key_file, env=settings.secret_key_env, what="S3 secret key"),
        secure=settings.secure,
        tls=None if settings.tls is None else client_context(settings.tls),
        region=settings.region,
    )


def _catalog_keys(catalog: Catalog, private: KeyStore) -> KeyStore:
    from services.backbone.distributed.catalog_keys import CatalogKeys

    return CatalogKeys(catalog, private)
