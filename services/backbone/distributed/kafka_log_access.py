"""How every client of Kafka gets in: the address, TLS and a name with its password."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from typing import Any, Literal

from aiokafka.conn import collect_hosts
from pydantic import SecretStr

from services.backbone.tls import tls_complaint
from services.contracts.errors import KanhuError, Rejected, Transient

_HANDSHAKE_LIMIT_S = 3.0
_ALERT_LIMIT_S = 0.5

Mechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]


@dataclass(frozen=True, slots=True)
class KafkaSasl:
    """A name and a password that the broker checks. Only over TLS: PLAIN sends them as they are."""

    mechanism: Mechanism
    username: str
    password: SecretStr


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """``bootstrap``: HOST:PORT, several with commas between. Without ``tls`` everything travels in the clear."""

    bootstrap: str
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    sasl: KafkaSasl | None = field(default=None, repr=False)

    def options(self) -> dict[str, Any]:
        """What aiokafka's producer, consumer and admin client take alike. Holds the password: never log it."""
        options: dict[str, Any] = {"bootstrap_servers": self.bootstrap, "security_protocol": self._protocol()}
        if self.tls is not None:
            options["ssl_context"] = self.tls
        if self.sasl is not None:
            options |= {
                "sasl_mechanism": self.sasl.mechanism,
                "sasl_plain_username": self.sasl.username,
                "sasl_plain_password": self.sasl.password.get_secret_value(),
            }
        return options

    async def complaint(self, *, let_in_before: bool) -> KanhuError | None:
        """What is wrong with TLS between us and the first broker that answers at all; ``None`` if nothing is.

        The client library says only that it could not get in. ``Rejected``: wrong from the start; who was let in before is
        shut out by a change at the broker, which passes, and for which nothing may be dropped: ``Transient``.
        """
        for host, port, _ in collect_hosts(self.bootstrap) if self.tls is not None else ():
            try:
                await self._shake_hands(host, port)
            except (ConnectionResetError, ConnectionAbortedError, ssl.SSLEOFError):
                return Transient(f"Kafka at {host}:{port} hangs up where TLS should begin; is this its port for TLS?")
            except (OSError, TimeoutError) as error:
                if (said := tls_complaint(error)) is None:
                    continue
                kind = Transient if let_in_before else Rejected
                return kind(f"Kafka at {host}:{port}: {said}")
            return None
        return None

    async def _shake_hands(self, host: str, port: int) -> None:
        async with asyncio.timeout(_HANDSHAKE_LIMIT_S):
            reader, writer = await asyncio.open_connection(host, port, ssl=self.tls)
        try:
            with contextlib.suppress(TimeoutError):  # TLS 1.3: what the server thinks of us comes after the handshake
                async with asyncio.timeout(_ALERT_LIMIT_S):
                    await reader.read(1)
        finally:
            writer.close()

    def _protocol(self) -> str:
        if self.sasl is None:
            return "SSL" if self.tls is not None else "PLAINTEXT"
        return "SASL_SSL" if self.tls is not None else "SASL_PLAINTEXT"
