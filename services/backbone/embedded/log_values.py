"""Value files: where records' larger values lie, each file appended to by one writer and for one topic.

Belongs here: files, their locks, writing and reading of bytes. Does not belong here: what the index says of them, save
through the few functions that a caller passes in.

A *writer* is one open log in one process; it holds a lock on ``writers/ID.lock`` for as long as it lives, so that any
other process sees at once that it died (the kernel drops the lock). Files are made after their row, appended past the
last acknowledged byte only, and removed after their row: whatever a crash leaves is either unreferred or unmade.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from services.backbone.durable_file import start_writing_out
from services.contracts.errors import Corrupt, Transient

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BUFFERS_PER_WRITE = 512
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ValuePlace:
    """Where a value lies: ``length`` bytes at ``position`` of a file."""

    file_id: int
    position: int


def value_path(directory: Path, file_id: int) -> Path:
    return directory / "values" / f"{file_id:012d}.values"


def record_crc32(key: str, headers: bytes, value: bytes | None) -> int:
    """CRC-32 (ISO 3309) over key, packed headers and value."""
    return zlib.crc32(value or b"", zlib.crc32(headers, zlib.crc32(key.encode())))


class WriterLock:
    """The sign of life of one open log."""

    def __init__(self, directory: Path) -> None:
        self.writer = secrets.token_hex(8)
        folder = directory / "writers"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / f"{self.writer}.lock"
        unlocked = folder / f"{self.writer}.new"
        self._file = os.open(unlocked, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        unlocked.rename(self._path)  # so that nobody ever sees it unlocked

    def release(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def is_writer_alive(directory: Path, writer: str) -> bool:
    """Whether the process of a writer still has it open."""
    try:
        lock = os.open(directory / "writers" / f"{writer}.lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


class ValueWriter:
    """Appends values; one open file per topic, so that topics of different retention never hold each other's files.

    ``register`` makes a file's row and returns its id; ``seal`` says that a file gets no more. Used by one thread; another one
    makes the next file while the last fills, since its row and its name cost the disk a flush each, and nobody waits for them so.
    """

    def __init__(
        self, directory: Path, *, roll_bytes: int, register: Callable[[], int], seal: Callable[[int], None]
    ) -> None:
        self._directory = directory
        self._roll_bytes = roll_bytes
        self._register = register
        self._seal = seal
        self._open: dict[int, _OpenFile] = {}
        self._spare: Future[_OpenFile] | None = None
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="log-spare")
        (directory / "values").mkdir(mode=0o700, exist_ok=True)

    def write(self, values: Sequence[tuple[int, bytes]]) -> list[ValuePlace]:
        """Write (topic id, value) pairs in order and make them durable; on any error nothing of them counts."""
        by_topic: dict[int, list[int]] = {}
        for index, (topic_id, _) in enumerate(values):
            by_topic.setdefault(topic_id, []).append(index)
        places: list[ValuePlace | None] = [None] * len(values)
        for topic_id, indices in by_topic.items():
            file = self._file_for(topic_id)
            with self._giving_up(topic_id):
                starts = file.append([values[index][1] for index in indices])
            for index, start in zip(indices, starts, strict=True):
                places[index] = ValuePlace(file.file_id, start)
        for topic_id in by_topic:  # the disk is at work on all of them by now
            with self._giving_up(topic_id):
                self._open[topic_id].sync()
        return [place for place in places if place is not None]

    @contextlib.contextmanager
    def _giving_up(self, topic_id: int) -> Iterator[None]:
        """A file that failed gets no more: who knows what is in it."""
        try:
            yield
        except OSError as error:
            self._give_up(topic_id)
            raise _write_error(error, self._directory) from error

    def roll(self, file_id: int) -> None:
        """Begin a new file with the next write, if this one is open."""
        for topic_id, file in list(self._open.items()):
            if file.file_id == file_id:
                self._give_up(topic_id)

    def close(self) -> None:
        for topic_id in list(self._open):
            self._give_up(topic_id)
        self._maker.shutdown(wait=True)
        spare, self._spare = self._spare, None
        if spare is not None and spare.exception() is None:
            self._retire(spare.result())

    def _file_for(self, topic_id: int) -> _OpenFile:
        file = self._open.get(topic_id)
        if file is not None and file.size_bytes < self._roll_bytes:
            if self._spare is None and file.size_bytes >= self._roll_bytes // 2:
                self._spare = self._maker.submit(self._make)
            return file
        if file is not None:
            self._give_up(topic_id)
        spare, self._spare = self._spare, None
        file = self._open[topic_id] = self._make() if spare is None else spare.result()
        return file

    def _make(self) -> _OpenFile:
        file_id = self._register()
        try:
            return _OpenFile(value_path(self._directory, file_id), file_id)
        except OSError as error:
            self._seal(file_id)
            raise _write_error(error, self._directory) from error

    def _give_up(self, topic_id: int) -> None:
        self._retire(self._open.pop(topic_id))

    def _retire(self, file: _OpenFile) -> None:
        file.close()
        self._seal(file.file_id)


class _OpenFile:
    """A value file being appended to."""

    def __init__(self, path: Path, file_id: int) -> None:
        self.file_id = file_id
        self.size_bytes = 0
        self._synced_bytes = 0
        self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def append(self, values: Sequence[bytes]) -> list[int]:
        """Write values; durable after ``sync``. Returns where each begins."""
        self._synced_bytes = self.size_bytes
        starts = []
        with self._undone():
            for value in values:
                starts.append(self.size_bytes)
                self.size_bytes += len(value)
            _write_all(self._file, values, self._synced_bytes)
        return starts

    def sync(self) -> None:
        with self._undone():
            os.fdatasync(self._file)

    @contextlib.contextmanager
    def _undone(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self.size_bytes = self._synced_bytes
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.size_bytes)
            raise

    def close(self) -> None:
        os.close(self._file)


def _write_all(file: int, values: Sequence[bytes], position: int) -> None:
    """Write buffers one after another; the disk begins with each piece while the next is copied."""
    for buffers in _pieces(values):
        begun = position
        while buffers:
            written = os.pwritev(file, buffers, position)
            position += written
            buffers = _rest(buffers, written)
        start_writing_out(file, begun, position - begun)


def _pieces(values: Sequence[bytes]) -> Iterator[list[memoryview]]:
    piece: list[memoryview] = []
    size_bytes = 0
    for value in values:
        piece.append(memoryview(value))
        size_bytes += len(value)
        if size_bytes >= _PIECE_BYTES or len(piece) == _BUFFERS_PER_WRITE:
            yield piece
            piece, size_bytes = [], 0
    if piece:
        yield piece


def _rest(buffers: list[memoryview], written: int) -> list[memoryview]:
    """What a write of so many bytes has left over."""
    for index, buffer in enumerate(buffers):
        if written < len(buffer):
            return [buffer[written:], *buffers[index + 1 :]]
        written -= len(buffer)
    return []


def _write_error(error: OSError, directory: Path) -> Transient:
    if error.errno in _NO_SPACE:
        return Transient(f"no space left for the log in {directory}; free some, then it goes on by itself")
    return Transient(f"values cannot be written to the log in {directory}: {error.strerror}; check its disk")


class ValueReader:
    """Reads values back. Keeps a few files open until told to forget them; used by one thread."""

    _KEEP_OPEN = 8

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: OrderedDict[int, int] = OrderedDict()

    def read(self, place: ValuePlace, length: int) -> bytes:
        """The bytes; ``Corrupt`` when the file is missing, short or unreadable at that place."""
        try:
            value = self._read(self._file(place.file_id), place.position, length)
        except FileNotFoundError as error:
            raise Corrupt(f"value file {place.file_id} is missing") from error
        except OSError as error:
            if error.errno != errno.EIO:
                raise Transient(f"value file {place.file_id} cannot be read: {error.strerror}") from error
            raise Corrupt(f"value file {place.file_id} is unreadable at {place.position}: {error.strerror}") from error
        if len(value) < length:
            raise Corrupt(f"value file {place.file_id} ends at {place.position + len(value)}, inside a value")
        return value

    def forget(self) -> None:
        """Close what is open."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _read(self, file: int, position: int, length: int) -> bytes:
        value = os.pread(file, length, position)
        while 0 < len(value) < length:
            more = os.pread(file, length - len(value), position + len(value))
            if not more:
                break
            value += more
        return value

    def _file(self, file_id: int) -> int:
        file = self._files.get(file_id)
        if file is None:
            file = self._files[file_id] = os.open(value_path(self._directory, file_id), os.O_RDONLY)
            if len(self._files) > self._KEEP_OPEN:
                os.close(self._files.popitem(last=False)[1])
        self._files.move_to_end(file_id)
        return file
