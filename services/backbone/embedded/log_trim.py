"""What may leave the embedded log, and when: retention, compaction, value files that nothing refers to any more.

Belongs here: statements that delete. Does not belong here: when they run (``log``).

On a lossless topic nothing leaves before every group that ever read it has committed it. Under pressure (the log nears its
limit) retention shrinks by halves, within that rule, until there is room.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from services.backbone.embedded.log_record import TOMBSTONE
from services.backbone.embedded.log_schema import MAX_OFFSET, OFFSET_BITS
from services.backbone.embedded.log_values import is_writer_alive, value_path

ROWS_PER_STEP = 2000
TOMBSTONE_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Trimmable:
    """A partition and how far it may be trimmed at most. ``floor`` is None when no group holds anything back."""

    part_id: int
    first_offset: int
    next_offset: int
    retention_ms: int
    lossless: bool
    compacted: bool
    floor: int | None


def trimmables(tx: sqlite3.Connection) -> list[Trimmable]:
    rows = tx.execute(
        "SELECT part_id, first_offset, part.next_offset, retention_ms, lossless, compacted, "
        "(SELECT MIN(claim.next_offset) FROM claim WHERE claim.part_id = part.part_id) "
        "FROM part JOIN topic USING (topic_id)"
    )
    return [
        Trimmable(part_id, first, following, retention_ms, bool(lossless), bool(compacted), floor)
        for part_id, first, following, retention_ms, lossless, compacted, floor in rows
    ]


def expired_before(tx: sqlite3.Connection, part: Trimmable, age_ns: int, shrink: float) -> int:
    """The offset below which a partition's records have outlived their retention times ``shrink``."""
    if part.compacted or part.retention_ms < 0 or (shrink < 1 and part.lossless and part.floor is None):
        return part.first_offset
    end = part.next_offset
    if part.lossless and part.floor is not None:
        end = min(end, part.floor)
    base = part.part_id << OFFSET_BITS
    row = tx.execute(
        "SELECT place FROM record WHERE place >= ? AND place < ? AND aged_ns > ? ORDER BY place LIMIT 1",
        (base | part.first_offset, base | end, age_ns - int(part.retention_ms * 1e6 * shrink)),
    ).fetchone()
    return end if row is None else int(row[0]) & MAX_OFFSET


def trim_step(tx: sqlite3.Connection, part_id: int, before: int) -> bool:
    """Delete the oldest records below an offset, a bounded number; return whether more remain."""
    base = part_id << OFFSET_BITS
    first, following = tx.execute("SELECT first_offset, next_offset FROM part WHERE part_id = ?", (part_id,)).fetchone()
    before = min(before, following)
    if before <= first:
        return False
    row = tx.execute(
        "SELECT place FROM record WHERE place >= ? AND place < ? ORDER BY place LIMIT 1 OFFSET ?",
        (base | first, base | before, ROWS_PER_STEP),
    ).fetchone()
    upto = before if row is None else row[0] & MAX_OFFSET
    _delete(tx, "place >= ? AND place < ?", (base | first, base | upto))
    tx.execute("UPDATE part SET first_offset = ? WHERE part_id = ?", (upto, part_id))
    return row is not None


def compact_all(tx: sqlite3.Connection, age_ns: int) -> None:
    """Compact what is declared so."""
    for part in trimmables(tx):
        if part.compacted:
            compact(tx, part, age_ns)


def compact(tx: sqlite3.Connection, part: Trimmable, age_ns: int) -> None:
    """Keep the newest record of each key, and a tombstone for a day."""
    base = part.part_id << OFFSET_BITS
    bounds = (base, base | MAX_OFFSET)
    superseded = "place BETWEEN ? AND ? AND place NOT IN (SELECT MAX(place) FROM record WHERE place BETWEEN ? AND ? GROUP BY key)"
    changed = tx.execute(
        "SELECT compacted_to FROM part WHERE part_id = ? AND compacted_to < next_offset", (part.part_id,)
    ).fetchone()
    if changed is not None:
        _delete(tx, superseded, bounds + bounds)
        tx.execute("UPDATE part SET compacted_to = next_offset WHERE part_id = ?", (part.part_id,))
    _delete(
        tx,
        "place BETWEEN ? AND ? AND length = ? AND aged_ns < ?",
        (*bounds, TOMBSTONE, age_ns - TOMBSTONE_MS * 1_000_000),
    )


def _delete(tx: sqlite3.Connection, condition: str, parameters: tuple[int, ...]) -> None:
    counts = tx.execute(
        f"SELECT file_id, COUNT(*) FROM record WHERE {condition} AND file_id IS NOT NULL GROUP BY file_id",  # noqa: S608
        parameters,
    ).fetchall()
    tx.executemany(
        "UPDATE value_file SET live = live - ? WHERE file_id = ?", [(count, file_id) for file_id, count in counts]
    )
    tx.execute(f"DELETE FROM record WHERE {condition}", parameters)  # noqa: S608


def seal_orphans(tx: sqlite3.Connection, directory: Path) -> None:
    """Seal what writers left open that are no more."""
    writers = [row[0] for row in tx.execute("SELECT DISTINCT writer FROM value_file WHERE sealed = 0")]
    for writer in writers:
        if not is_writer_alive(directory, writer):
            tx.execute("UPDATE value_file SET sealed = 1 WHERE writer = ?", (writer,))


def forget_unreferred(tx: sqlite3.Connection) -> list[int]:
    """Delete the rows of sealed files without live records; the files are to be removed after this is durable."""
    rows = tx.execute("DELETE FROM value_file WHERE sealed = 1 AND live = 0 RETURNING file_id").fetchall()
    return [file_id for (file_id,) in rows]


def idle_files(tx: sqlite3.Connection, writer: str) -> list[int]:
    """Files that a writer still appends to and whose records are all gone."""
    rows = tx.execute(
        "SELECT file_id FROM value_file WHERE writer = ? AND sealed = 0 AND live = 0 AND size_bytes > 0", (writer,)
    ).fetchall()
    return [file_id for (file_id,) in rows]


def remove_files(directory: Path, file_ids: Iterable[int]) -> None:
    for file_id in file_ids:
        value_path(directory, file_id).unlink(missing_ok=True)


def remove_strays(directory: Path, known: frozenset[int], newest: int) -> None:
    """Remove value files whose row is gone (a crash between the two), and locks of writers that are no more."""
    for path in (directory / "values").glob("*.values"):
        if path.stem.isdigit() and int(path.stem) not in known and int(path.stem) <= newest:
            path.unlink(missing_ok=True)
    for path in (directory / "writers").glob("*.lock"):
        if not is_writer_alive(directory, path.stem):
            path.unlink(missing_ok=True)
