"""Recalling a run that this process does not remember: from its ledger rows, and its init segment from its newest object.

Belongs here: reading what a replay needs. Does not belong here: what is done with it (``core/sealing.py``).
"""

from __future__ import annotations

from services.backbone.ports import Backbone, Outgoing
from services.contracts.errors import Corrupt, NotFound
from services.media.boxes import iter_boxes
from services.retention import announce, ledger
from services.retention.core.commands import Restored
from services.retention.ledger import StoredRun, StreamKey

_HEAD_BYTES = 256 * 1024


class Remembrance:
    """Reads the ledger and the store for one partition."""

    def __init__(self, backbone: Backbone) -> None:
        self._catalog = backbone.need_catalog()
        self._store = backbone.need_store()
        self._clock = backbone.clock

    async def recall(self, key: StreamKey, run_id: str) -> tuple[Restored, list[Outgoing]]:
        """What is known of a run, and what the process before may have died before saying on ``recording.v1``."""
        async with self._catalog.snapshot() as tx:
            stored = await ledger.find_run(tx, key, run_id)
            presumed = await ledger.presumed_gap_open(tx, key)
            gap = await ledger.newest_gap(tx, key)
        again = [announce.gap_recorded(key, gap, self._clock.now_ns())] if gap is not None else []
        if stored is None:
            return Restored(run_id, presumed_gap=presumed), again
        if stored.newest is None:
            return Restored(run_id, begun=True, ended=stored.ended, presumed_gap=presumed), again
        again.append(announce.segment_stored(stored.newest))
        init = await self._init_of(stored)
        newest = stored.newest
        return Restored(
            run_id, stored.facts if init else None, begun=True, ended=stored.ended, init=init, next_seq=stored.next_seq,
            link=bytes.fromhex(newest["last_link"]), next_start_ns=newest["end_ns"], lost=stored.lost,
            presumed_gap=presumed,
        ), again  # fmt: skip

    async def _init_of(self, stored: StoredRun) -> bytes:
        """The init segment that heads the newest object of a run; empty when that object is damaged or gone."""
        assert stored.newest is not None
        head = b""
        try:
            pieces = self._store.read(
                stored.newest["object_key"], stored.newest["version_id"], start=0, length=_HEAD_BYTES
            )
            async for piece in pieces:
                head += piece
            return head[: _init_length(head)]
        except (Corrupt, NotFound):
            return b""


def _init_length(head: bytes) -> int:
    """Where the first ``moof`` begins. Boxes after it may be cut off by the end of what was read."""
    try:
        for box in iter_boxes(head):
            if box.kind == b"moof":
                return box.start
    except Corrupt:
        at = head.find(b"moof")
        if at >= 4:
            return at - 4
        raise
    raise Corrupt("the object holds no media")
