"""A log whose connection can be broken in every way: away, silent, torn in the middle of an append."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

from services.backbone.ports import Consumer, Log, Outgoing, Position
from services.contracts.errors import Transient
from services.contracts.topics import Topic

Mode = Literal["up", "away", "silent", "torn", "late"]


class FaultyLog:
    """Passes appends on to ``inner`` (or keeps them itself) as ``mode`` says. ``taken`` is what it really has, in order.

    away: ``Transient`` at once. silent: takes nothing and does not answer until the mode changes, then fails. torn: takes the
    first half of a batch, then ``Transient``. late: takes everything, but answers only when the mode changes.
    """

    def __init__(self, inner: Log | None = None) -> None:
        self._inner = inner
        self._mode: Mode = "up"
        self._changed = asyncio.Event()
        self.taken: list[Outgoing] = []
        self.under_way = 0
        self.most_under_way = 0

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        self._changed.set()
        self._changed = asyncio.Event()

    async def append(self, records: Sequence[Outgoing]) -> list[Position]:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return await self._append(records)
        finally:
            self.under_way -= 1

    async def _append(self, records: Sequence[Outgoing]) -> list[Position]:
        await asyncio.sleep(0)
        match self._mode:
            case "away":
                raise Transient("the log is away")
            case "silent":
                await self._changed.wait()
                raise Transient("the log did not answer")
            case "torn":
                await self._take(records[: (len(records) + 1) // 2])
                raise Transient("the log went away in the middle")
            case "late":
                changed = self._changed
                positions = await self._take(records)
                await changed.wait()
                return positions
            case "up":
                return await self._take(records)

    async def _take(self, records: Sequence[Outgoing]) -> list[Position]:
        first = len(self.taken)
        self.taken += records
        if self._inner is not None:
            return await self._inner.append(records)
        return [Position(record.topic, 0, first + index) for index, record in enumerate(records)]

    async def ensure(self, topics: Iterable[Topic]) -> None:
        if self._inner is not None:
            await self._inner.ensure(topics)

    def consumer(self, topics: Sequence[str], **options: Any) -> AbstractAsyncContextManager[Consumer]:
        assert self._inner is not None, "this log can only be appended to"
        return self._inner.consumer(topics, **options)

    async def close(self) -> None:
        if self._inner is not None:
            await self._inner.close()
