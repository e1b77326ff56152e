"""Reading records: a bounded, fair share of each partition, every value checked against its CRC.

Belongs here: fetching. Does not belong here: who may read what (``log_groups``) and waiting (``log_wakeup``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.backbone.embedded.log_record import TOMBSTONE, unpack_headers
from services.backbone.embedded.log_schema import MAX_OFFSET, OFFSET_BITS, connect, translated
from services.backbone.embedded.log_values import ValuePlace, ValueReader, record_crc32
from services.backbone.ports import Delivered, TopicPartition
from services.contracts.errors import Corrupt

FETCH_BYTES = 16 * 1024 * 1024
#: So few records are asked for in one statement, whatever partitions they are of: a reader that keeps up finds a few in many.
_FEW_RECORDS = 32
_COLUMNS = "place, key, headers, appended_ns, length, crc32, file_id, position, inline_value"


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """A record whose stored bytes are not what was appended. ``value`` is what could be read of it."""

    topic: str
    partition: int
    offset: int
    key: str
    reason: str
    value: bytes = b""


@dataclass(slots=True)
class Fetched:
    """``next_offsets`` of the partitions from which something was taken, damaged and trimmed records included."""

    records: list[Delivered] = field(default_factory=list)
    damaged: list[DamagedRecord] = field(default_factory=list)
    next_offsets: dict[TopicPartition, int] = field(default_factory=dict)


class Reader:
    """A read connection and the open value files. Used by one thread at a time."""

    def __init__(self, directory: Path, parts: Mapping[TopicPartition, int]) -> None:
        self._directory = directory
        self._parts = parts
        self._span = min(parts.values(), default=0), max(parts.values(), default=-1)
        self._connection = connect(directory, 2.0)
        self._values = ValueReader(directory)
        self._first = 0

    def fetch(self, positions: Mapping[TopicPartition, int], max_records: int) -> Fetched:
        """Take up to ``max_records`` records and about ``FETCH_BYTES``, beginning at another partition each time."""
        fetched = Fetched()
        room_bytes = FETCH_BYTES
        try:
            with translated(self._directory):
                ready = self._ready(positions)
                waiting = sum(end - positions[partition] for partition, end in ready)
                few = self._few(positions, ready) if waiting <= min(max_records, _FEW_RECORDS) else None
                for index, (partition, end) in enumerate(ready):
                    room = max_records - len(fetched.records)
                    if room <= 0 or room_bytes <= 0:
                        break
                    share = -(-room // (len(ready) - index))
                    rows = few[partition] if few is not None else self._rows(partition, positions[partition], share)
                    room_bytes -= self._take(partition, rows, room_bytes, fetched)
                    # Nothing left where something was: it has been trimmed or compacted away.
                    fetched.next_offsets.setdefault(partition, end)
        finally:
            self._values.forget()  # a removed file that is still open would keep its space
        return fetched

    def bounds(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
        """First offset that may still be there, and the offset that the next record will get."""
        with translated(self._directory):
            found = self._bounds()
        return {partition: found[self._parts[partition]] for partition in partitions}

    def close(self) -> None:
        self._values.forget()
        self._connection.close()

    def _bounds(self) -> dict[int, tuple[int, int]]:
        rows = self._connection.execute("SELECT part_id, first_offset, next_offset FROM part")
        return {part_id: (first, following) for part_id, first, following in rows}

    def _ready(self, positions: Mapping[TopicPartition, int]) -> list[tuple[TopicPartition, int]]:
        """Partitions with something to read, and where they end."""
        ends: dict[int, int] = dict(
            self._connection.execute(
                "SELECT part_id, next_offset FROM part WHERE part_id BETWEEN ? AND ?", self._span
            ).fetchall()
        )
        parts = self._parts
        ready = [(at, ends[parts[at]]) for at, offset in positions.items() if offset < ends[parts[at]]]
        self._first += 1
        turn = self._first % len(ready) if ready else 0
        return ready[turn:] + ready[:turn]

    def _few(
        self, positions: Mapping[TopicPartition, int], ready: Sequence[tuple[TopicPartition, int]]
    ) -> dict[TopicPartition, list[Sequence[Any]]]:
        """All rows that are ready, by partition."""
        found: dict[int, list[Sequence[Any]]] = {self._parts[partition]: [] for partition, _ in ready}
        places = [self._parts[at] << OFFSET_BITS | offset for at, end in ready for offset in range(positions[at], end)]
        if places:
            asked = ",".join("?" * len(places))
            statement = f"SELECT {_COLUMNS} FROM record WHERE place IN ({asked}) ORDER BY place"  # noqa: S608
            for row in self._connection.execute(statement, places):
                found[row[0] >> OFFSET_BITS].append(row)
        return {partition: found[self._parts[partition]] for partition, _ in ready}

    def _rows(self, partition: TopicPartition, offset: int, room: int) -> sqlite3.Cursor:
        """Rows of a partition from an offset on."""
        base = self._parts[partition] << OFFSET_BITS
        return self._connection.execute(
            f"SELECT {_COLUMNS} FROM record WHERE place BETWEEN ? AND ? ORDER BY place LIMIT ?",  # noqa: S608
            (base | offset, base | MAX_OFFSET, room),
        )

    def _take(self, partition: TopicPartition, rows: Iterable[Sequence[Any]], room_bytes: int, fetched: Fetched) -> int:
        """Read what the rows say; return how many bytes were taken."""
        taken_bytes = 0
        try:
            for row in rows:
                self._read(partition, row, fetched)
                fetched.next_offsets[partition] = (row[0] & MAX_OFFSET) + 1
                taken_bytes += max(row[4], 0) + len(row[2])
                if taken_bytes >= room_bytes:
                    break
        finally:
            if isinstance(rows, sqlite3.Cursor):
                rows.close()
        return taken_bytes

    def _read(self, partition: TopicPartition, row: Sequence[Any], fetched: Fetched) -> None:
        place, key, headers, appended_ns, length, crc32, file_id, position, value = row
        offset = place & MAX_OFFSET
        try:
            if length != TOMBSTONE and file_id is not None:
                value = self._values.read(ValuePlace(file_id, position), length)
            if record_crc32(key, headers, value) != crc32:
                raise Corrupt("its bytes do not match their CRC-32")
            record = Delivered(*partition, offset, key, value, unpack_headers(headers), appended_ns)
        except Corrupt as error:
            if self._is_there(place):
                fetched.damaged.append(DamagedRecord(*partition, offset, key, str(error), value or b""))
            return
        fetched.records.append(record)

    def _is_there(self, place: int) -> bool:
        """Whether the row is still there, seen afresh: one trimmed meanwhile is not damaged."""
        connection = connect(self._directory, 2.0)
        try:
            return connection.execute("SELECT 1 FROM record WHERE place = ?", (place,)).fetchone() is not None
        except sqlite3.Error:
            return True
        finally:
            connection.close()
