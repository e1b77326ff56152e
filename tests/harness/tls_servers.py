"""The real servers, speaking TLS with certificates of a test's own authority.

Belongs here: what each server must be told. Does not belong here: what clients find (the tests).
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import urllib3
from minio import Minio

from deploy.local.kafka_server import CLUSTER_ID, KafkaServer
from deploy.local.server_process import ServerError, free_port
from deploy.local.servers import MinioServer, MosquittoServer, PostgresServer
from tests.harness.certificates import Authority, Pair

PASSWORD = "between these two only"


class TlsPostgres(PostgresServer):
    """Speaks TLS only, and asks for a certificate of our authority."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self._authority = authority

    def prepare(self) -> None:
        super().prepare()
        self._place("ca.pem", self._authority.pem)
        self.show(self._authority.issue("postgres"))
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(
                "ssl = on\nssl_ca_file = 'ca.pem'\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n"
            )
        (self._data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n")

    def show(self, pair: Pair) -> None:
        """The server's certificate from its next start, or reading of its configuration, on."""
        self._place("server.pem", pair.certificate)
        self._place("server.key", pair.key)

    async def reload(self) -> None:
        connection = await self._connect(self.database)
        try:
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            await connection.close()

    def _place(self, name: str, text: str) -> None:
        path = self._data / name
        path.write_text(text)
        path.chmod(0o600)
        owner = self._data.stat()
        shutil.chown(path, owner.st_uid, owner.st_gid)

    async def _connect(self, database: str) -> Any:
        import asyncpg

        context = ssl.create_default_context(cadata=self._authority.pem)
        cert, key = await asyncio.to_thread(self._authority.issue("probe").write, self.directory, "probe")
        context.load_cert_chain(cert, key)
        return await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=self.user, password=self.password, database=database, ssl=context,
            timeout=5,
        )  # fmt: skip


class TlsKafka(KafkaServer):
    """A second listener for those from outside: TLS, a name and its password by SCRAM or PLAIN; a third: certificates."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self._authority = authority
        self.sasl_port, self.mutual_port = free_port(), free_port()

    def prepare(self) -> None:
        super().prepare()
        own = self._authority.issue("kafka")
        keystore, truststore = self.directory / "keystore.pem", self.directory / "truststore.pem"
        keystore.write_text(own.key + own.certificate)
        truststore.write_text(self._authority.pem)
        self._properties.write_text(
            self._with_listeners(self._properties.read_text()) + self._papers(keystore, truststore)
        )
        shutil.rmtree(self.directory / "data")
        command = [*self._java, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._properties)]
        command += ["--add-scram", f"SCRAM-SHA-512=[name=kanhu,password={PASSWORD}]"]
        formatted = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if formatted.returncode:
            raise ServerError(f"Kafka's storage cannot be formatted:\n{formatted.stdout}{formatted.stderr}")

    def _with_listeners(self, text: str) -> str:
        outside = f"SECURE://127.0.0.1:{self.sasl_port},MUTUAL://127.0.0.1:{self.mutual_port}"
        plain = f"listeners=PLAINTEXT://127.0.0.1:{self.port}"
        text = text.replace(plain, f"{plain},{outside}")  # also those that are advertised
        return text.replace("CONTROLLER:PLAINTEXT", "CONTROLLER:PLAINTEXT,SECURE:SASL_SSL,MUTUAL:SSL")

    def _papers(self, keystore: Path, truststore: Path) -> str:
        module = "org.apache.kafka.common.security"
        return f"""
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.mutual.ssl.client.auth=required
listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.secure.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;
listener.name.secure.plain.sasl.jaas.config={module}.plain.PlainLoginModule required user_kanhu="{PASSWORD}";
"""


class TlsMinio(MinioServer):
    """Speaks TLS only."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self._authority = authority

    def prepare(self) -> None:
        super().prepare()
        (self.directory / "certs").mkdir()
        self.show(self._authority.issue("minio"))

    def show(self, pair: Pair) -> None:
        """The server's certificate from now on: it watches the files, and reads them when both belong together."""
        (self.directory / "certs" / "private.key").write_text(pair.key)
        (self.directory / "certs" / "public.crt").write_text(pair.certificate)

    def command(self) -> Sequence[str]:
        return [*super().command(), "--certs-dir", str(self.directory / "certs")]

    def client(self, timeout_s: float = 10.0) -> Minio:
        context = ssl.create_default_context(cadata=self._authority.pem)
        pool = urllib3.PoolManager(timeout=urllib3.Timeout(timeout_s), retries=False, ssl_context=context)
        return Minio(
            self.address, access_key=self.access_key, secret_key=self.secret_key, region=self.region, http_client=pool
        )


class TlsMosquitto(MosquittoServer):
    """Besides the plain port a second one, ``tls_port``, that asks for a certificate of our authority."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self._authority = authority
        self.tls_port = free_port()

    def prepare(self) -> None:
        super().prepare()
        ca = self._authority.write(self.directory)
        cert, key = self._authority.issue("mosquitto").write(self.directory, "server")
        with self._configuration.open("a") as configuration:
            configuration.write(
                f"listener {self.tls_port} 127.0.0.1\ncafile {ca}\ncertfile {cert}\nkeyfile {key}\nrequire_certificate true\n"
            )
