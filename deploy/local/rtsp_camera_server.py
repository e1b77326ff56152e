"""RTSP cameras: ``rtsp_camera.py`` on the system's Python with Debian's GStreamer, as a child process."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.server_process import LOOPBACK, LocalServer

SCRIPT = Path(__file__).with_name("rtsp_camera.py")
SYSTEM_PYTHON = os.environ.get("KANHU_SYSTEM_PYTHON", "/usr/bin/python3")


class RtspCameraServer(LocalServer):
    """Serves each file of ``mounts`` (name → file) at ``url(name)``, paced in real time.

    ``kill`` unplugs the camera, ``restart`` plugs it in again at the same URL, ``pause`` freezes it with connections open.
    ``once``: the stream ends with the file (RTCP BYE); else it goes round for ever. ``certificate``, a PEM file with its
    private key: ``rtsps://`` only.
    """

    label = "rtsp-camera"

    def __init__(
        self,
        mounts: Mapping[str, Path],
        *,
        once: bool = False,
        user: str | None = None,
        password: str = "",
        fps: float = 25.0,
        certificate: Path | None = None,
    ) -> None:
        super().__init__()
        self.mounts = {name: path.resolve() for name, path in mounts.items()}
        self.once = once
        self.user = user
        self.password = password
        self.fps = fps
        self.certificate = certificate

    def command(self) -> Sequence[str]:
        words = [SYSTEM_PYTHON, str(SCRIPT), "--port", str(self.port), "--fps", str(self.fps)]
        if self.once:
            words.append("--once")
        if self.certificate is not None:
            words += ["--certificate", str(self.certificate)]
        if self.user is not None:
            words += ["--user", self.user, "--password", self.password]
        return [*words, *(f"{name}={path}" for name, path in self.mounts.items())]

    def url(self, name: str, *, credentials: bool = True) -> str:
        """With the user's name and password in it when the camera asks for them, as users write it."""
        secret = f"{self.user}:{self.password}@" if credentials and self.user is not None else ""
        scheme = "rtsp" if self.certificate is None else "rtsps"
        return f"{scheme}://{secret}{self.address}/{name}"

    def probe(self) -> None:
        """Every mount describes its stream, or asks who we are."""
        for name in self.mounts:
            status = self._describe(name)
            assert status == (401 if self.user is not None else 200), f"DESCRIBE /{name}: {status}"

    def _describe(self, name: str) -> int:
        url = self.url(name, credentials=False)
        with self._connection() as connection:
            connection.sendall(f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n".encode())
            answer = connection.recv(4096).decode(errors="replace")
        first = re.match(r"RTSP/1\.0 (\d{3})", answer)
        assert first is not None, f"not an RTSP answer: {answer[:80]!r}"
        return int(first[1])

    def _connection(self) -> socket.socket:
        plain = socket.create_connection((LOOPBACK, self.port), timeout=5)
        if self.certificate is None:
            return plain
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # is it up? whether it is believed is the product's question
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(plain)
