"""Whether the spool has room for more footage.

The last part of the limit is kept for what must never be refused (ends of runs, gaps, readings and what is already on
its way), so footage stops a little before it. It starts again only when a good part has been drained, so that a log
that comes and goes does not cut footage into crumbs.
"""

from __future__ import annotations

from dataclasses import dataclass

_MAX_RESERVE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SpoolRoom:
    """``open`` is whether footage is taken. Sizes in bytes."""

    limit_bytes: int
    open: bool = True

    @property
    def close_at_bytes(self) -> int:
        """Used bytes from which footage is refused."""
        return self.limit_bytes - min(self.limit_bytes // 8, _MAX_RESERVE_BYTES)

    @property
    def reopen_at_bytes(self) -> int:
        """Used bytes at or below which footage is taken again."""
        return self.limit_bytes * 3 // 4

    def after(self, used_bytes: int) -> SpoolRoom:
        """The room when ``used_bytes`` are in the spool."""
        still_open = used_bytes < self.close_at_bytes if self.open else used_bytes <= self.reopen_at_bytes
        return self if still_open == self.open else SpoolRoom(self.limit_bytes, still_open)
