"""The area where objects arrive: written, hashed and made durable under a name that nobody reads.

Belongs here: receiving a body and clearing away what a killed process left. Does not belong here: where it goes then.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from services.backbone.durable_file import start_writing_out, sync_directory

#: One is hashed while the disk writes the one before.
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """A durable file, read-only, not yet in its place."""

    path: Path
    size_bytes: int
    sha256: bytes


class Incoming:
    """One directory on the file system of the objects, so that a rename puts an object in its place."""

    def __init__(self, directory: Path, *, leftover_age_s: float) -> None:
        self._directory = directory
        self._leftover_age_s = leftover_age_s

    def prepare(self) -> None:
        """Make the area and remove what killed processes left: old enough, and locked by nobody alive."""
        self._directory.mkdir(mode=0o750, exist_ok=True)
        sync_directory(self._directory.parent)
        for path in self._directory.iterdir():
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime >= self._leftover_age_s and _abandoned(path):
                    path.unlink()

    @contextlib.contextmanager
    def receive(self, body: Path | bytes) -> Iterator[Received]:
        """Write a body durably; whatever is not renamed away when the block ends is removed."""
        path = self._directory / f"{os.getpid()}-{secrets.token_hex(8)}.part"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o440)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as target:
                fcntl.flock(target, fcntl.LOCK_EX)
                size_bytes, digest = _copy(body, target)
                os.fsync(target.fileno())
                yield Received(path, size_bytes, digest)
        finally:
            path.unlink(missing_ok=True)


def _copy(body: Path | bytes, target: BinaryIO) -> tuple[int, bytes]:
    digest = hashlib.sha256()
    size_bytes = 0
    for piece in _pieces(body):
        _write(piece, target)
        if len(piece) == _PIECE_BYTES:
            start_writing_out(target.fileno(), size_bytes, len(piece))
        digest.update(piece)
        size_bytes += len(piece)
    return size_bytes, digest.digest()


def _write(view: memoryview, target: BinaryIO) -> None:
    while view:  # an unbuffered write may be short, also on a disk that is filling up
        view = view[target.write(view) :]


def _pieces(body: Path | bytes) -> Iterator[memoryview]:
    if isinstance(body, bytes):
        whole = memoryview(body)
        for start in range(0, len(whole), _PIECE_BYTES):
            yield whole[start : start + _PIECE_BYTES]
        return
    with body.open("rb", buffering=0) as source:
        while piece := source.read(_PIECE_BYTES):
            yield memoryview(piece)


def _abandoned(path: Path) -> bool:
    with path.open("rb") as leftover:
        try:
            fcntl.flock(leftover, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
