"""The one thread of a log through which everything is written to its index, in order, a transaction at a time.

Belongs here: transactions, their order and their durability. Does not belong here: what is done inside them.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from services.backbone.embedded.log_schema import connect, translated
from services.contracts.errors import Transient

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]


class IndexWriter:
    """Runs jobs in the order in which they were submitted, each in a transaction of its own."""

    def __init__(self, directory: Path, busy_timeout_s: float) -> None:
        self._directory = directory
        self._connection = connect(directory, busy_timeout_s)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log-index")
        self._durable = True
        self._closed = False

    def submit(self, job: Job[T], *, durable: bool = True) -> Future[T]:
        """Queue a job. ``durable=False`` spares the disk a flush where a power failure may undo the job (leases)."""
        if self._closed:
            raise Transient("the log is closed; open it again")
        return self._thread.submit(self._transact, job, durable)

    async def run(self, job: Job[T], *, durable: bool = True) -> T:
        return await asyncio.wrap_future(self.submit(job, durable=durable))

    def close(self) -> None:
        """Wait for what was submitted, then close the database. Blocks."""
        if not self._closed:
            self._closed = True
            self._thread.shutdown(wait=True)
            self._connection.close()

    def _transact(self, job: Job[T], durable: bool) -> T:
        with translated(self._directory):
            tx = self._connection
            if durable != self._durable:
                tx.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            tx.execute("BEGIN IMMEDIATE")
            try:
                result = job(tx)
                tx.execute("COMMIT")
            except BaseException:
                if tx.in_transaction:
                    tx.execute("ROLLBACK")
                raise
            return result
