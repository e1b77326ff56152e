"""The configuration FILE: one YAML document for every command; its JSON schema is published in docs/reference.

Secrets are named by file or environment variable, never written here (a camera's password may be, with a warning).
Any scalar can be overridden by an environment variable: ``KANHU_BACKBONE__KAFKA__BOOTSTRAP=host:9092``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from services.contracts.cloud_event import Payload
from services.contracts.entity import CameraConfig, SensorConfig
from services.contracts.ids import AgentId, InstitutionId
from services.contracts.policy import RetentionPolicy

GIB = 1024**3


class Institution(Payload):
    institution_id: InstitutionId = "demo"
    title: str = "示范托育园 Demo nursery"
    time_zone: str = "Asia/Shanghai"


class EmbeddedBackbone(Payload):
    """Everything under one directory, for one institution's box."""

    mode: Literal["embedded"] = "embedded"
    data: str = Field(description="directory of the installation")
    log_limit_bytes: int = Field(
        default=20 * GIB, gt=0, description="the log refuses records beyond this; agents then spool"
    )


class TlsSettings(Payload):
    """A connection over TLS; ``tls: true`` is enough. The server's certificate and name are always verified."""

    ca_file: str | None = Field(
        default=None, description="certificates of the authorities to believe, PEM; default: those of the system"
    )
    cert_file: str | None = Field(default=None, description="our certificate and its chain, PEM, if the server asks")
    key_file: str | None = Field(default=None, description="its private key, PEM, not encrypted")

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together; give both or none")
        return self


def _switched(value: Any) -> Any:
    """``tls: true`` is ``tls: {}``; as a word, too, since the environment knows no other."""
    match str(value).lower() if isinstance(value, bool | str) else None:
        case "true":
            return {}
        case "false":
            return None
    return value


Tls = Annotated[TlsSettings | None, BeforeValidator(_switched, json_schema_input_type=TlsSettings | bool | None)]


class KafkaSaslSettings(Payload):
    """A name and a password for Kafka."""

    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    username: str
    password_file: str | None = None
    password_env: str | None = "KANHU_KAFKA_PASSWORD"


class KafkaSettings(Payload):
    bootstrap: str = Field(description="HOST:PORT[,HOST:PORT]")
    replication: int = Field(default=1, ge=1)
    tls: Tls = Field(default=None, description="without it everything travels in the clear")
    sasl: KafkaSaslSettings | None = None

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if self.sasl is not None and self.tls is None:
            raise ValueError("sasl without tls would send the password where others can read it; add tls: true")
        return self


class S3Settings(Payload):
    endpoint: str = Field(description="HOST:PORT")
    secure: bool = Field(default=True, description="over TLS; with `tls` one says whom to believe and who we are")
    tls: Tls = None
    bucket: str = "kanhu-footage"
    access_key_file: str | None = None
    access_key_env: str | None = "KANHU_S3_ACCESS_KEY"
    secret_key_file: str | None = None
    secret_key_env: str | None = "KANHU_S3_SECRET_KEY"
    region: str = "cn-north-1"

    @model_validator(mode="after")
    def _no_papers_in_the_clear(self) -> Self:
        if self.tls is not None and not self.secure:
            raise ValueError("secure: false and tls contradict each other; leave one of them out")
        return self


class PostgresSettings(Payload):
    host: str
    port: int = 5432
    database: str = "kanhu"
    user: str = "kanhu"
    password_file: str | None = None
    password_env: str | None = "KANHU_POSTGRES_PASSWORD"
    tls: Tls = Field(
        default=None, description="without it TLS is used if the server offers it, and nothing is verified"
    )


class DistributedBackbone(Payload):
    mode: Literal["distributed"]
    kafka: KafkaSettings
    s3: S3Settings
    postgres: PostgresSettings
    keys: str = Field(description="directory with this service's private keys (a mounted secret)")


class MqttSettings(Payload):
    host: str
    port: int = 1883
    username: str | None = None
    password_file: str | None = None
    password_env: str | None = None
    tls: Tls = Field(default=None, description="brokers usually listen for it at port 8883")


class HttpSensorSettings(Payload):
    """Readings over HTTP: ``POST /v1/readings`` with a bearer token."""

    listen: str = "127.0.0.1:0"
    token_file: str


class AgentSettings(Payload):
    agent_id: AgentId = "agent-1"
    data: str | None = Field(default=None, description="directory for spool and state; default: DATA/agent")
    spool_limit_bytes: int = Field(default=50 * GIB, gt=0, description="about 55 h of one 2 Mbit/s camera")
    chunk_ms: int = Field(default=320, ge=40, le=500, description="longest CMAF chunk; what a dead agent may lose")
    stall_s: float = Field(default=5.0, gt=0, description="a source silent this long is reconnected and a gap begins")
    mqtt: MqttSettings | None = None
    http: HttpSensorSettings | None = None


class AnalyzeSettings(Payload):
    analyzer_id: str = "analyze-1"
    models: str | None = Field(default=None, description="directory of installed models; default: DATA/models")
    detector: str = Field(
        default="auto",
        description="name of an installed model; auto: the packaged detector of simulated rooms for sim: cameras, "
        "the first installed model for others",
    )
    provider: Literal["cpu", "cuda", "tensorrt", "openvino"] = Field(
        default="cpu",
        description="where models run; where it cannot be loaded the CPU runs them, and an error says what is needed",
    )
    batch_size: int = Field(
        default=1,
        ge=1,
        le=64,
        description="pictures of several cameras in one run of the model; for GPUs (threads should be at least as many)",
    )
    batch_wait_ms: float = Field(
        default=5.0, ge=0, le=200, description="how long the first picture of a batch waits for others"
    )
    threads: int = Field(default=2, ge=1, le=64)
    score: float = Field(default=0.4, gt=0, lt=1)
    motion_gate: bool = Field(
        default=True,
        description="do not run the detector on frames in which nothing moved since it last ran and nobody is being followed",
    )
    look_every_s: float = Field(
        default=5.0,
        ge=0.2,
        le=60,
        description="with the motion gate: run the detector at least this often all the same",
    )
    late_s: float = Field(default=10.0, gt=0, description="chunks older than this are skipped to the newest sync chunk")


class RetainSettings(Payload):
    policy: RetentionPolicy = Field(default_factory=RetentionPolicy)
    segment_s: float = Field(default=60.0, gt=0, le=600)
    presume_gap_s: float = Field(default=15.0, gt=0, description="a camera silent this long is shown as a presumed gap")


class ConsoleSettings(Payload):
    listen: str = "127.0.0.1:8600"
    token_file: str | None = Field(default=None, description="required when listening beyond the loopback address")


class Observability(Payload):
    """``/metrics``, ``/healthz`` and ``/readyz`` of each service; port 0 picks a free one and logs it."""

    listen: str = "127.0.0.1:0"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"


class AgentIdentity(Payload):
    """An enrolled agent: media signed by another key is quarantined (I7). The agent logs its public key at start."""

    agent_id: AgentId
    public_key: str = Field(pattern=r"^[0-9a-f]{64}$", description="raw Ed25519 public key, hexadecimal")


class Settings(Payload):
    """The whole FILE."""

    institution: Institution = Field(default_factory=Institution)
    backbone: Annotated[EmbeddedBackbone | DistributedBackbone, Field(discriminator="mode")]
    cameras: list[CameraConfig] = Field(default_factory=list)
    sensors: list[SensorConfig] = Field(default_factory=list)
    agents: list[AgentIdentity] = Field(default_factory=list, description="enrolled besides those in the key store")
    agent: AgentSettings = Field(default_factory=AgentSettings)
    analyze: AnalyzeSettings = Field(default_factory=AnalyzeSettings)
    retain: RetainSettings = Field(default_factory=RetainSettings)
    console: ConsoleSettings = Field(default_factory=ConsoleSettings)
    observability: Observability = Field(default_factory=Observability)
