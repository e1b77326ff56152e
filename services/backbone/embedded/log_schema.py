"""The embedded log's SQLite database: tables, connections, and the one place where SQLite's errors get their meaning.

Belongs here: what the tables are and how to open them. Does not belong here: statements of appending, reading, groups.

A record's place is one integer, ``part_id << 40 | offset``, and the key of its row, so that a partition is one range of
a single B-tree. Small values stand in the row; larger ones in an append-only value file (``log_values``).
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from services.contracts.errors import Corrupt, KanhuError, Rejected, Transient

DATABASE_NAME = "log.db"
SCHEMA_VERSION = 1
OFFSET_BITS = 40
MAX_OFFSET = (1 << OFFSET_BITS) - 1

_TABLES = (
    "CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE topic (
        topic_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL,
        retention_ms INTEGER NOT NULL, lossless INTEGER NOT NULL, compacted INTEGER NOT NULL)""",
    # first_offset: the oldest that may still be there; next_offset: what the next record gets
    """CREATE TABLE part (
        part_id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, partition INTEGER NOT NULL,
        first_offset INTEGER NOT NULL DEFAULT 0, next_offset INTEGER NOT NULL DEFAULT 0,
        compacted_to INTEGER NOT NULL DEFAULT 0, UNIQUE (topic_id, partition))""",
    # live: rows that refer to the file; sealed: nobody will append to it again
    """CREATE TABLE value_file (
        file_id INTEGER PRIMARY KEY AUTOINCREMENT, writer TEXT NOT NULL, size_bytes INTEGER NOT NULL DEFAULT 0,
        live INTEGER NOT NULL DEFAULT 0, sealed INTEGER NOT NULL DEFAULT 0)""",
    # aged_ns: the log's own age clock (LogClock), never the wall clock; length -1: a tombstone
    """CREATE TABLE record (
        place INTEGER PRIMARY KEY, key TEXT NOT NULL, headers BLOB NOT NULL, appended_ns INTEGER NOT NULL,
        aged_ns INTEGER NOT NULL, length INTEGER NOT NULL, crc32 INTEGER NOT NULL, file_id INTEGER, position INTEGER,
        inline_value BLOB)""",
    """CREATE TABLE consumer_group (
        group_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, generation INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE member (
        member_id TEXT PRIMARY KEY, group_id INTEGER NOT NULL, topics TEXT NOT NULL, writer TEXT NOT NULL,
        boot_id TEXT NOT NULL, lease_until_ns INTEGER NOT NULL) WITHOUT ROWID""",
    # owner: member_id or NULL; next_offset: committed
    """CREATE TABLE claim (
        group_id INTEGER NOT NULL, part_id INTEGER NOT NULL, owner TEXT, next_offset INTEGER NOT NULL,
        PRIMARY KEY (group_id, part_id)) WITHOUT ROWID""",
)

_FULL = {sqlite3.SQLITE_FULL}
_AWAY = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT,
}  # fmt: skip
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def connect(directory: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """Open the database for one thread at a time. Transactions are begun explicitly; commits are durable (FULL)."""
    with translated(directory):
        connection = sqlite3.connect(
            directory / DATABASE_NAME, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout_s * 1000)}")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA wal_autocheckpoint = 1000")
            connection.execute("PRAGMA journal_size_limit = 8388608")
            connection.execute("PRAGMA cache_size = -4096")
        except BaseException:
            connection.close()
            raise
        return connection


def create(directory: Path, busy_timeout_s: float) -> None:
    """Make the database if it is not there; safe when several processes do it at once."""
    deadline = time.monotonic() + max(busy_timeout_s, 1.0)
    while True:
        try:
            return _create(directory, busy_timeout_s)
        except Transient:
            # Switching to WAL does not wait for the lock as other statements do.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _create(directory: Path, busy_timeout_s: float) -> None:
    with contextlib.closing(connect(directory, busy_timeout_s)) as connection, translated(directory):
        (directory / DATABASE_NAME).chmod(0o600)
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise Rejected(
                    f"the log in {directory} was written by a newer release (schema {version}); upgrade this one"
                )
            if version == 0:
                for table in _TABLES:
                    connection.execute(table)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


@contextlib.contextmanager
def translated(directory: Path) -> Iterator[None]:
    """Give SQLite's and the operating system's errors their meaning, with the cause attached."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, directory) from error
    except OSError as error:
        raise Transient(
            f"the log in {directory} cannot be used: {error.strerror or error}; check its disk and permissions"
        ) from error


def _translate(error: sqlite3.Error, directory: Path) -> KanhuError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _FULL:
        return Transient(f"no space left for the log in {directory}; free some, then it goes on by itself")
    if code in _BROKEN:
        return Corrupt(f"the log's database in {directory} is damaged ({error}); restore it or move it away")
    if code in _AWAY:
        return Transient(f"the log's database in {directory} is not available: {error}", retry_after_s=1.0)
    return Corrupt(f"the log's database in {directory} does not hold what it should: {error}")
