"""What waits to be decoded of one camera: bounded, and newest first when late.

Loss is by design here, silence about it is not: everything that is let go is counted and told to ``on_dropped`` with its cause.
Whole GOPs go, never part of one, because a chunk without those before it back to its sync chunk cannot be decoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from services.contracts.media_record import Chunk
from services.contracts.status import SkipCause


@dataclass(frozen=True, slots=True)
class Waiting:
    """A chunk and when it came here (monotonic ns)."""

    chunk: Chunk
    offered_ns: int


@dataclass(slots=True)
class Backlog:
    """Chunks in order. ``limit_chunks`` and ``limit_bytes`` bound memory, ``late_ns`` bounds staleness (capture time)."""

    late_ns: int
    limit_chunks: int = 256
    limit_bytes: int = 8 * 1024 * 1024
    on_dropped: Callable[[Chunk, SkipCause], None] | None = None
    skipped_chunks: int = 0
    _waiting: deque[Waiting] = field(default_factory=deque)
    _bytes: int = 0
    _taken_ns: deque[int] = field(default_factory=lambda: deque(maxlen=64))

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def bytes_waiting(self) -> int:
        return self._bytes

    def waited_ns(self, monotonic_ns: int) -> int:
        """How long the oldest chunk has waited; 0 when none waits."""
        return monotonic_ns - self._waiting[0].offered_ns if self._waiting else 0

    def add(self, chunk: Chunk, offered_ns: int = 0) -> None:
        """Queue a chunk; over a limit the queue jumps to its newest sync chunk (or empties, if it has none ahead)."""
        self._waiting.append(Waiting(chunk, offered_ns))
        self._bytes += len(chunk.value)
        if len(self._waiting) > self.limit_chunks or self._bytes > self.limit_bytes:
            self._jump("overflow", emptying=True)

    def take(self, now_ns: int, monotonic_ns: int | None = None) -> Chunk | None:
        """The next chunk to decode. What is late is let go up to a sync chunk.

        When we are the ones who are slow (the oldest has waited here for half of ``late_ns``), the newest goes first. When it
        came late (a replay after a restart), what is in time is seen in order, so that tracks are rebuilt from it.
        """
        if self._waiting and self._late(self._waiting[0], now_ns):
            self._jump("late", emptying=False, in_time_ns=now_ns)
        if monotonic_ns is not None and self.waited_ns(monotonic_ns) > self.late_ns // 2:
            self._jump("late", emptying=False)
        if not self._waiting:
            return None
        waiting = self._waiting.popleft()
        self._bytes -= len(waiting.chunk.value)
        self._taken_ns.append(waiting.offered_ns)
        return waiting.chunk

    def take_some(self, now_ns: int, monotonic_ns: int, limit: int) -> list[Chunk]:
        """Up to ``limit`` chunks of one run in order: what one turn decodes."""
        taken: list[Chunk] = []
        self._taken_ns.clear()
        while len(taken) < limit and (not taken or self._goes_on(taken[0])):
            chunk = self.take(now_ns, monotonic_ns)
            if chunk is None:
                break
            taken.append(chunk)
        return taken

    def put_back(self, chunks: Sequence[Chunk]) -> None:
        """The last of those just taken, for which a turn had no time, go to the front again; they have waited all along."""
        for chunk in reversed(chunks):
            self._waiting.appendleft(Waiting(chunk, self._taken_ns.pop()))
            self._bytes += len(chunk.value)

    def clear(self, cause: SkipCause = "withdrawn") -> None:
        """Let everything go (the camera left)."""
        self._drop(len(self._waiting), cause)

    def _goes_on(self, first: Chunk) -> bool:
        return bool(self._waiting) and self._waiting[0].chunk.run.run_id == first.run.run_id

    def _late(self, waiting: Waiting, now_ns: int) -> bool:
        return now_ns - waiting.chunk.facts.end_ns > self.late_ns

    def _jump(self, cause: SkipCause, *, emptying: bool, in_time_ns: int | None = None) -> None:
        """To the newest sync chunk, or to the first one that is in time."""
        syncs = [i for i, waiting in enumerate(self._waiting) if waiting.chunk.facts.sync]
        newest = syncs[-1] if syncs else None
        if in_time_ns is not None:
            newest = next((i for i in syncs if not self._late(self._waiting[i], in_time_ns)), newest)
        if newest:
            self._drop(newest, cause)
        elif emptying:
            self._drop(len(self._waiting), cause)

    def _drop(self, count: int, cause: SkipCause) -> None:
        for _ in range(count):
            chunk = self._waiting.popleft().chunk
            self._bytes -= len(chunk.value)
            if self.on_dropped is not None:
                self.on_dropped(chunk, cause)
        self.skipped_chunks += count
