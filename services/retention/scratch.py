"""Scratch files of open segments: bytes on their way into an object. Never evidence; whatever a dead process left is discarded.

Belongs here: appending, cutting back and reading those files, and the area they live in. Does not belong here: which
chunk goes where.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from services.backbone.durable_file import translate
from services.contracts.settings import EmbeddedBackbone, Settings

_PIECE_BYTES = 1024 * 1024
_LOCK = ".lock"


def scratch_root(settings: Settings) -> Path:
    """Where this installation's recorders keep scratch: beside the data of a box, else in the system's temporary place."""
    if isinstance(settings.backbone, EmbeddedBackbone):
        return Path(settings.backbone.data) / "retention" / "scratch"
    return Path(tempfile.gettempdir()) / f"kanhu-retain-{os.getuid()}"


class ScratchArea:
    """One process's own directory below ``root``, locked while the process lives; those of dead ones are removed."""

    def __init__(self, root: Path) -> None:
        with _translated(root):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._discard_abandoned(root)
            self.path = root / secrets.token_hex(8)
            self.path.mkdir(mode=0o700)
            self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _discard_abandoned(self, root: Path) -> None:
        for place in root.iterdir():
            lock = place / _LOCK
            with contextlib.suppress(OSError), lock.open("r+b") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(place, ignore_errors=True)

    def file(self, name: str) -> ScratchFile:
        """A new, empty scratch file; one of the same name is replaced."""
        return ScratchFile(self.path / name)

    def close(self) -> None:
        os.close(self._lock)
        shutil.rmtree(self.path, ignore_errors=True)


class ScratchFile:
    """Bytes of one open segment. Every write says where it goes, so that repeating a failed one does no harm."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self._digest = hashlib.sha256()
        with _translated(path):
            path.write_bytes(b"")

    def append(self, octets: bytes) -> None:
        """Write at the end. ``Transient`` when the disk is full; the file is then as it was."""
        with _translated(self.path), self.path.open("r+b") as out:
            out.seek(self.size_bytes)
            out.write(octets)
        self.size_bytes += len(octets)
        self._digest.update(octets)

    def cut_back(self, size_bytes: int) -> None:
        """Forget everything from ``size_bytes`` on."""
        with _translated(self.path):
            os.truncate(self.path, size_bytes)
        digest = hashlib.sha256()
        for piece in self._pieces(size_bytes):
            digest.update(piece)
        self.size_bytes, self._digest = size_bytes, digest

    def read(self, start: int, length: int) -> bytes:
        with _translated(self.path), self.path.open("rb") as source:
            source.seek(start)
            return source.read(length)

    def sha256(self) -> bytes:
        """Of the whole file as it was written (not as the disk may have it: the store compares)."""
        return self._digest.digest()

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _pieces(self, size_bytes: int) -> Iterator[bytes]:
        for start in range(0, size_bytes, _PIECE_BYTES):
            yield self.read(start, min(_PIECE_BYTES, size_bytes - start))


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise translate(error, f"writing scratch {path}") from error
