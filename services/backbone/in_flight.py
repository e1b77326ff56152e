"""How many bytes may be on their way into a log at once.

Belongs here: letting callers in, in the order in which they came. Does not belong here: what becomes of their records.
"""

from __future__ import annotations

import asyncio

#: Of the callers of one log. More would only wait elsewhere.
IN_FLIGHT_BYTES = 64 * 1024 * 1024


class InFlight:
    """Belongs to one event loop. Who brings more than there is ever room for is let in alone."""

    def __init__(self, limit_bytes: int = IN_FLIGHT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._turn = asyncio.Lock()
        self._room = asyncio.Event()

    async def enter(self, size_bytes: int) -> None:
        """Wait for room, behind whoever waits already. Whoever is let in goes on before the next one is."""
        async with self._turn:
            while self._bytes and self._bytes + size_bytes > self._limit_bytes:
                self._room.clear()
                await self._room.wait()
            self._bytes += size_bytes

    def leave(self, size_bytes: int) -> None:
        """What was let in has arrived, or never will."""
        self._bytes -= size_bytes
        self._room.set()
