"""Eclipse Mosquitto, the MQTT broker that an institution's sensors talk to, from Debian's package."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Sequence

import aiomqtt

from deploy.local.server_process import LOOPBACK, LocalServer, ServerError, complete, which

READY_TOPIC = "kanhu/ready"


class MosquittoServer(LocalServer):
    """Anonymous unless given a name and a password. Retained messages survive even ``kill``."""

    label = "mosquitto"

    def __init__(self, *, username: str | None = None, password: str | None = None) -> None:
        super().__init__()
        self.username = username
        self.password = password
        self._binary = which("mosquitto", "mosquitto")
        self._configuration = self.directory / "mosquitto.conf"

    def prepare(self) -> None:
        lines = [
            f"listener {self.port} {LOOPBACK}",
            "persistence true",
            f"persistence_location {self.directory}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            "log_type error",
            "log_type warning",
            "log_type notice",
            f"allow_anonymous {'false' if self.username else 'true'}",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # else it becomes a user who may not write here
        if self.username:
            lines.append(f"password_file {self._write_passwords()}")
        self._configuration.write_text("\n".join(lines) + "\n")

    def _write_passwords(self) -> str:
        passwords = str(self.directory / "passwords")
        command = [
            which("mosquitto_passwd", "mosquitto"),
            "-b",
            "-c",
            passwords,
            self.username or "",
            self.password or "",
        ]
        written = subprocess.run(command, capture_output=True, text=True, check=False)
        if written.returncode:
            raise ServerError(f"Mosquitto's password file cannot be written: {written.stderr}")
        return passwords

    def command(self) -> Sequence[str]:
        return [self._binary, "-c", str(self._configuration)]

    def probe(self) -> None:
        complete(self._round_trip())

    async def _round_trip(self) -> None:
        mark = uuid.uuid4().bytes
        async with aiomqtt.Client(
            LOOPBACK, self.port, username=self.username, password=self.password, timeout=5
        ) as client:
            await client.subscribe(READY_TOPIC, qos=1)
            await client.publish(READY_TOPIC, mark, qos=1)
            async for message in client.messages:
                if message.payload == mark:
                    return
