"""Appending: concurrent calls become one write, one flush and one short transaction (group commit).

Belongs here: batching, back-pressure, the space limit, and the order of the two steps. Step one (a thread of its own)
writes the values to their files and flushes them; step two (the index thread) inserts the rows, which is what makes
them exist. While one batch is in step two the next is in step one. When a batch fails, whatever was appended after it and
before its caller could know of it fails too, so that a caller's records never swap places.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from services.backbone.embedded.log_clock import AgeClock, LogTime
from services.backbone.embedded.log_index import IndexWriter
from services.backbone.embedded.log_record import INLINE_LIMIT_BYTES, TOMBSTONE, pack_headers
from services.backbone.embedded.log_schema import OFFSET_BITS, connect, translated
from services.backbone.embedded.log_topics import KnownTopic
from services.backbone.embedded.log_values import ValuePlace, ValueWriter, record_crc32
from services.backbone.in_flight import InFlight
from services.backbone.ports import Outgoing, Position
from services.backbone.record_rules import check_record
from services.contracts.errors import KanhuError, Transient

BATCH_BYTES = 16 * 1024 * 1024
# Of more than this, half is left for the next batch, so that one is written while the other is put into the index.
UNDIVIDED_BYTES = 4 * 1024 * 1024
BATCHES_UNDER_WAY = 2
# Left free on the disk, so that offsets can still be committed and records trimmed when appending cannot go on.
FREE_FLOOR_BYTES = 16 * 1024 * 1024
# This part of the room that is left a process uses up before it looks again: others append, too.
HEADROOM_SHARES = 8


@dataclass(slots=True)
class _Row:
    topic: KnownTopic
    partition: int
    part_id: int
    key: str
    headers: bytes
    value: bytes | None
    crc32: int
    place: ValuePlace | None = None

    @property
    def length(self) -> int:
        return TOMBSTONE if self.value is None else len(self.value)

    @property
    def is_inline(self) -> bool:
        return self.value is None or len(self.value) <= INLINE_LIMIT_BYTES


@dataclass(slots=True)
class _Call:
    """One ``append``: its rows and the future that its caller awaits (it belongs to the event loop)."""

    rows: list[_Row]
    size_bytes: int
    done: asyncio.Future[list[Position]]
    number: int = 0


class _Pack(NamedTuple):
    record: Outgoing
    size_bytes: int
    headers: bytes
    crc32: int


class _Packing:
    """Checks and packs a record once, although it goes to several topics in one turn of the loop, as chunks do."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._known: dict[int, _Pack] = {}

    def packed(self, record: Outgoing) -> _Pack:
        known = self._known.get(id(record.headers))  # which lives at least as long as what is known
        if known is not None and _is_same(known.record, record):
            return known
        if not self._known:
            self._loop.call_soon(self._known.clear)
        size_bytes, headers = check_record(record), pack_headers(record.headers)
        pack = _Pack(record, size_bytes, headers, record_crc32(record.key, headers, record.value))
        self._known[id(record.headers)] = pack
        return pack


def _is_same(one: Outgoing, other: Outgoing) -> bool:
    """Whether they differ in nothing but their topic; seen without looking at their bytes."""
    return one.headers is other.headers and one.value is other.value and one.key == other.key


def space_used(connection: sqlite3.Connection) -> int:
    """Bytes in value files and in used pages of the database."""
    (files,) = connection.execute("SELECT COALESCE(SUM(size_bytes), 0) FROM value_file").fetchone()
    pages = (
        connection.execute("PRAGMA page_count").fetchone()[0]
        - connection.execute("PRAGMA freelist_count").fetchone()[0]
    )
    return int(files + pages * connection.execute("PRAGMA page_size").fetchone()[0])


class Appender:
    """The way in. ``on_full`` is called from a thread when there is no room; ``on_appended`` from the loop after each batch, with
    the next offset by ``part_id``."""

    def __init__(
        self,
        directory: Path,
        index: IndexWriter,
        loop: asyncio.AbstractEventLoop,
        *,
        writer: str,
        limit_bytes: int | None,
        roll_bytes: int,
        times: LogTime,
        ages: AgeClock,
        on_full: Callable[[], None],
        on_appended: Callable[[Mapping[int, int]], None],
    ) -> None:
        self._directory = directory
        self._index = index
        self._limit_bytes = limit_bytes
        self._times = times
        self._ages = ages
        self._on_full = on_full
        self._on_appended = on_appended
        self._loop = loop
        self._packing = _Packing(loop)
        self._usage = connect(directory, 1.0)
        self._values = ValueWriter(
            directory, roll_bytes=roll_bytes, register=partial(_register_file, index, writer), seal=self._seal
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log-values")
        self._guard = threading.Lock()
        # One batch in each step: what comes meanwhile makes the next batch larger.
        self._under_way = threading.BoundedSemaphore(BATCHES_UNDER_WAY)
        self._waiting: deque[_Call] = deque()
        self._draining = False
        self._numbered = 0
        self._failed_up_to = 0
        self._headroom_bytes = 0
        self._look_again_s = 0.0
        self._failure: KanhuError | None = None
        self._in_flight = InFlight()
        self._closed = False

    async def append(self, records: Sequence[Outgoing], topics: Sequence[KnownTopic]) -> list[Position]:
        """``topics[i]`` is the topic of ``records[i]``."""
        packed = [self._packing.packed(record) for record in records]
        rows = [_row(record, topic, pack) for record, topic, pack in zip(records, topics, packed, strict=True)]
        size_bytes = sum(pack.size_bytes for pack in packed)
        call = _Call(rows, size_bytes, self._loop.create_future())
        await self._in_flight.enter(size_bytes)
        self._enqueue(call)
        return await call.done

    def roll(self, file_ids: Sequence[int]) -> Future[None]:
        """Have open files of this writer sealed, so that they can be removed."""
        return self._thread.submit(self._roll, file_ids)

    def close(self) -> None:
        """Finish what was accepted. Blocks; close the index afterwards."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
        self._thread.submit(self._drain)
        self._thread.submit(self._values.close)
        self._thread.shutdown(wait=True)
        self._usage.close()

    def _roll(self, file_ids: Sequence[int]) -> None:
        for file_id in file_ids:
            self._values.roll(file_id)

    def _enqueue(self, call: _Call) -> None:
        with self._guard:
            if self._closed:
                self._in_flight.leave(call.size_bytes)
                raise Transient("the log is closed; open it again")
            self._numbered += 1
            call.number = self._numbered
            self._waiting.append(call)
            start, self._draining = not self._draining, True
        if start:  # not before what else is appended in this turn of the loop: it shares the flush
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        with self._guard:
            if not self._closed:
                self._thread.submit(self._drain)

    def _drain(self) -> None:
        while True:
            self._under_way.acquire()
            calls = self._take()
            if not calls:
                self._under_way.release()
                return
            try:
                self._write_values(calls)
                stored = self._index.submit(partial(self._insert, calls))
            except BaseException as error:  # handed to the callers
                self._fail(calls, error)
            else:
                stored.add_done_callback(partial(self._answer, calls))

    def _take(self) -> list[_Call]:
        calls: list[_Call] = []
        size_bytes = 0
        with self._guard:
            waiting_bytes = sum(call.size_bytes for call in self._waiting)
            room_bytes = min(BATCH_BYTES, max(UNDIVIDED_BYTES, waiting_bytes // 2))
            while self._waiting and (not calls or self._fits(calls[0], room_bytes - size_bytes, self._waiting[0])):
                calls.append(self._waiting.popleft())
                size_bytes += calls[-1].size_bytes
            if not calls:
                self._draining = False
        return calls

    def _fits(self, first: _Call, room_bytes: int, call: _Call) -> bool:
        """Whether a call may join a batch: neither too large nor on the other side of a failure."""
        same_fate = (first.number <= self._failed_up_to) == (call.number <= self._failed_up_to)
        return same_fate and call.size_bytes <= room_bytes

    def _write_values(self, calls: Sequence[_Call]) -> None:
        self._refuse_after_failure(calls)
        self._require_space(sum(call.size_bytes for call in calls))
        rows = [row for call in calls for row in call.rows if not row.is_inline]
        places = self._values.write([(row.topic.topic_id, row.value or b"") for row in rows])
        for row, place in zip(rows, places, strict=True):
            row.place = place

    def _require_space(self, size_bytes: int) -> None:
        """Refuse what would exceed the limit or fill the disk; looks seldom while there is plenty of room."""
        now = time.monotonic()
        if size_bytes <= self._headroom_bytes and now < self._look_again_s:
            self._headroom_bytes -= size_bytes
            return
        self._headroom_bytes = self._look_for_space(size_bytes) // HEADROOM_SHARES
        self._look_again_s = now + 1.0

    def _look_for_space(self, size_bytes: int) -> int:
        """Bytes that may be appended after these."""
        with translated(self._directory):
            used_bytes = space_used(self._usage)
            disk = os.statvfs(self._directory)
        if self._limit_bytes is not None and used_bytes + size_bytes > self._limit_bytes:
            self._on_full()
            raise Transient(
                f"the log in {self._directory} is full: {used_bytes} of {self._limit_bytes} bytes are used; "
                "it goes on when its consumers catch up, or raise its limit", retry_after_s=1.0,
            )  # fmt: skip
        free_bytes = disk.f_bavail * disk.f_frsize - FREE_FLOOR_BYTES - size_bytes
        if free_bytes < 0:
            self._on_full()
            raise Transient(f"no space left for the log in {self._directory}; free some, then it goes on by itself")
        return free_bytes if self._limit_bytes is None else min(free_bytes, self._limit_bytes - used_bytes - size_bytes)

    def _insert(self, calls: Sequence[_Call], tx: sqlite3.Connection) -> list[list[Position]]:
        self._refuse_after_failure(calls)
        batch = _Insertion(tx, self._times.wall_ns(), self._ages.now_ns(tx))
        positions = [[batch.add(row) for row in call.rows] for call in calls]
        batch.finish()
        return positions

    def _answer(self, calls: Sequence[_Call], stored: Future[list[list[Position]]]) -> None:
        error = stored.exception()
        if error is not None:
            self._fail(calls, error)
        else:
            self._finish(calls, stored.result())

    def _finish(self, calls: Sequence[_Call], outcome: list[list[Position]] | KanhuError) -> None:
        self._under_way.release()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._tell, calls, outcome)

    def _tell(self, calls: Sequence[_Call], outcome: list[list[Position]] | KanhuError) -> None:
        """In the event loop: wake the callers of a batch."""
        for index, call in enumerate(calls):
            self._in_flight.leave(call.size_bytes)
            if call.done.done():  # its caller was cancelled
                continue
            if isinstance(outcome, KanhuError):
                call.done.set_exception(outcome)
            else:
                call.done.set_result(outcome[index])
        if not isinstance(outcome, KanhuError):
            stored = ((call.rows, positions) for call, positions in zip(calls, outcome, strict=True))
            self._on_appended(
                {row.part_id: at.offset + 1 for rows, ats in stored for row, at in zip(rows, ats, strict=True)}
            )

    def _refuse_after_failure(self, calls: Sequence[_Call]) -> None:
        if calls[0].number <= self._failed_up_to and self._failure is not None:
            raise Transient(f"not appended, since a record before it was not: {self._failure}") from self._failure

    def _fail(self, calls: Sequence[_Call], error: BaseException) -> None:
        if not isinstance(error, KanhuError):
            failure: KanhuError = Transient(f"records could not be appended to the log: {error!r}")
            failure.__cause__ = error
        else:
            failure = error
        with self._guard:
            if calls[0].number > self._failed_up_to:
                self._failed_up_to, self._failure = self._numbered, failure
        self._finish(calls, failure)

    def _seal(self, file_id: int) -> None:
        self._index.submit(
            lambda tx: tx.execute("UPDATE value_file SET sealed = 1 WHERE file_id = ?", (file_id,)).rowcount
        )


def _row(record: Outgoing, topic: KnownTopic, pack: _Pack) -> _Row:
    partition, part_id = topic.part_of(record.key)
    return _Row(topic, partition, part_id, record.key, pack.headers, record.value, pack.crc32)


def _register_file(index: IndexWriter, writer: str) -> int:
    def insert(tx: sqlite3.Connection) -> int:
        return tx.execute("INSERT INTO value_file (writer) VALUES (?)", (writer,)).lastrowid or 0

    return index.submit(insert).result()


class _Insertion:
    """The rows of one transaction, and what they change in the tables beside ``record``."""

    def __init__(self, tx: sqlite3.Connection, appended_ns: int, aged_ns: int) -> None:
        self._tx = tx
        self._appended_ns = appended_ns
        self._aged_ns = aged_ns
        self._next: dict[int, int] = {}
        self._files: dict[int, list[int]] = {}
        self._rows: list[tuple[object, ...]] = []

    def add(self, row: _Row) -> Position:
        offset = self._next.get(row.part_id)
        if offset is None:
            (offset,) = self._tx.execute("SELECT next_offset FROM part WHERE part_id = ?", (row.part_id,)).fetchone()
        self._next[row.part_id] = offset + 1
        file_id = position = inline = None
        if row.place is None:
            inline = row.value
        else:
            file_id, position = row.place.file_id, row.place.position
            counts = self._files.setdefault(file_id, [0, 0])
            counts[0] += 1
            counts[1] = max(counts[1], position + row.length)
        self._rows.append(
            (row.part_id << OFFSET_BITS | offset, row.key, row.headers, self._appended_ns, self._aged_ns, row.length,
             row.crc32, file_id, position, inline)
        )  # fmt: skip
        return Position(row.topic.name, row.partition, offset)

    def finish(self) -> None:
        self._tx.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._rows)
        self._tx.executemany(
            "UPDATE part SET next_offset = ? WHERE part_id = ?",
            [(offset, part_id) for part_id, offset in self._next.items()],
        )
        for file_id, (live, size_bytes) in self._files.items():
            changed = self._tx.execute(
                "UPDATE value_file SET live = live + ?, size_bytes = MAX(size_bytes, ?) WHERE file_id = ?",
                (live, size_bytes, file_id),
            )
            if changed.rowcount != 1:
                raise Transient("a value file was removed while it was written to; append again")
