"""Housekeeping of an open log: runs the deletions of ``log_trim`` in small transactions, so that appending is never held up.

Any of the processes that have the log open may do it, also several at once.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from services.backbone.embedded.log_appender import space_used
from services.backbone.embedded.log_clock import AgeClock
from services.backbone.embedded.log_index import IndexWriter
from services.backbone.embedded.log_schema import translated
from services.backbone.embedded.log_trim import (
    compact_all,
    expired_before,
    forget_unreferred,
    idle_files,
    remove_files,
    remove_strays,
    seal_orphans,
    trim_step,
    trimmables,
)
from services.contracts.errors import Rejected

# Above the first share of the limit retention shrinks, until usage falls below the second.
_PRESSED_ABOVE = 0.75
_RELIEVED_BELOW = 0.6
_SHRINKS = (1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 64, 0.0)


class Housekeeping:
    """``roll`` has this writer's own files sealed."""

    def __init__(
        self,
        directory: Path,
        index: IndexWriter,
        *,
        writer: str,
        ages: AgeClock,
        limit_bytes: int | None,
        roll: Callable[[Sequence[int]], Future[None]],
    ) -> None:
        self._directory = directory
        self._index = index
        self._writer = writer
        self._ages = ages
        self._limit_bytes = limit_bytes
        self._roll = roll

    async def sweep(self, *, urgent: bool) -> None:
        """Everything that is due: retention, compaction, relief, files. ``urgent``: an append was refused for lack of room."""
        await self._index.run(partial(seal_orphans, directory=self._directory), durable=False)
        await self._expire(1.0)
        await self._index.run(lambda tx: compact_all(tx, self._ages.now_ns(tx)))
        await self.remove_unreferred()
        if urgent or await self._is_pressed(_PRESSED_ABOVE):
            for shrink in _SHRINKS:
                await self._expire(shrink)
                await self.remove_unreferred()
                if not await self._is_pressed(_RELIEVED_BELOW):
                    break
        await self._remove_strays()

    async def trim(self, before: Mapping[int, int]) -> None:
        """Delete what lies below an offset, by part id."""
        await self._trim_parts(before)
        await self.remove_unreferred()

    async def trim_committed(self, group: str) -> None:
        committed = await self._index.run(partial(_committed, group=group), durable=False)
        await self.trim(committed)

    async def forget_group(self, group: str) -> None:
        await self._index.run(partial(_forget_group, group=group))

    async def remove_unreferred(self) -> None:
        """Remove the files that no record refers to, our own open ones included."""
        idle = await self._index.run(partial(idle_files, writer=self._writer), durable=False)
        if idle:
            await asyncio.wrap_future(self._roll(idle))
        file_ids = await self._index.run(forget_unreferred)
        if file_ids:
            with translated(self._directory):
                await asyncio.to_thread(remove_files, self._directory, file_ids)

    async def _expire(self, shrink: float) -> None:
        def due(tx: sqlite3.Connection) -> dict[int, int]:
            age_ns = self._ages.mark(tx)
            return {part.part_id: expired_before(tx, part, age_ns, shrink) for part in trimmables(tx)}

        await self._trim_parts(await self._index.run(due, durable=False))

    async def _trim_parts(self, before: Mapping[int, int]) -> None:
        for part_id, offset in before.items():
            while await self._index.run(partial(trim_step, part_id=part_id, before=offset), durable=False):
                pass

    async def _is_pressed(self, share: float) -> bool:
        if self._limit_bytes is None:
            return False
        return await self._index.run(space_used, durable=False) > share * self._limit_bytes

    async def _remove_strays(self) -> None:
        def known(tx: sqlite3.Connection) -> tuple[frozenset[int], int]:
            newest = tx.execute(
                "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'value_file'"
            ).fetchone()
            return frozenset(row[0] for row in tx.execute("SELECT file_id FROM value_file")), newest[0]

        file_ids, newest = await self._index.run(known, durable=False)
        with translated(self._directory):
            await asyncio.to_thread(remove_strays, self._directory, file_ids, newest)


def _committed(tx: sqlite3.Connection, group: str) -> dict[int, int]:
    rows = tx.execute(
        "SELECT part_id, next_offset FROM claim JOIN consumer_group USING (group_id) WHERE name = ?", (group,)
    )
    return dict(rows.fetchall())


def _forget_group(tx: sqlite3.Connection, group: str) -> None:
    row = tx.execute("SELECT group_id FROM consumer_group WHERE name = ?", (group,)).fetchone()
    if row is None:
        return
    if tx.execute("SELECT 1 FROM member WHERE group_id = ?", row).fetchone():
        raise Rejected(f"group {group!r} has members; stop them first")
    tx.execute("DELETE FROM claim WHERE group_id = ?", row)
    tx.execute("DELETE FROM consumer_group WHERE group_id = ?", row)
