"""What waits to be decoded of one camera: bounded, and newest first when late.

Loss is by design here, silence about it is not: everything that is let go is counted. Whole GOPs go, never part of one, because
a chunk without those before it back to its sync chunk cannot be decoded.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from services.contracts.media_record import Chunk


@dataclass(slots=True)
class Backlog:
    """Chunks of one run in order. ``limit_chunks`` and ``limit_bytes`` bound memory, ``late_ns`` bounds staleness."""

    late_ns: int
    limit_chunks: int = 256
    limit_bytes: int = 8 * 1024 * 1024
    skipped_chunks: int = 0
    _waiting: deque[Chunk] = field(default_factory=deque)
    _bytes: int = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def bytes_waiting(self) -> int:
        return self._bytes

    def add(self, chunk: Chunk) -> None:
        """Queue a chunk; over a limit the queue jumps to its newest sync chunk (or empties, if it has none ahead)."""
        self._waiting.append(chunk)
        self._bytes += len(chunk.value)
        if len(self._waiting) > self.limit_chunks or self._bytes > self.limit_bytes:
            self._jump(emptying=True)

    def take(self, now_ns: int) -> Chunk | None:
        """The next chunk to decode. When the oldest is late, everything before the newest sync chunk is let go."""
        if self._waiting and now_ns - self._waiting[0].facts.end_ns > self.late_ns:
            self._jump(emptying=False)
        if not self._waiting:
            return None
        chunk = self._waiting.popleft()
        self._bytes -= len(chunk.value)
        return chunk

    def clear(self) -> None:
        """Let everything go (the run is over or the camera left)."""
        self._drop(len(self._waiting))

    def _jump(self, *, emptying: bool) -> None:
        newest = max((i for i, chunk in enumerate(self._waiting) if chunk.facts.sync), default=None)
        if newest:
            self._drop(newest)
        elif emptying:
            self._drop(len(self._waiting))

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._bytes -= len(self._waiting.popleft().value)
        self.skipped_chunks += count
