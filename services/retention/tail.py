"""The newest footage of a camera, as the log holds it: what no stored segment has yet, for an export.

It is held to what the recorder holds it to: digests, links and the signature of an enrolled agent. So it ends with
the newest signature, a GOP behind the camera. Media lie in a scratch file in the form of segments, one run after another.

Does not belong here: sealing (``core``), writing what a person gets (``export.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import BinaryIO

import structlog

from services.backbone.ports import Backbone, Delivered, TopicPartition
from services.backbone.reading import read_to_end
from services.backbone.record_rules import partition_of
from services.contracts.errors import Corrupt, KanhuError
from services.contracts.media_record import Chunk, ChunkFacts, RunEnd, RunFacts, RunStart, decode
from services.contracts.topics import VIDEO_RECORD
from services.media import chain
from services.media.segment import Trailer
from services.retention.recorder import GROUP
from services.retention.trust import Trust

logger = structlog.get_logger(__name__)

#: A GOP without end is signed every ten seconds; more without a signature is not the agent's.
_MOST_UNSIGNED = 512

InitOf = Callable[[RunFacts], Awaitable[bytes | None]]


@dataclass(slots=True)
class TailPiece:
    """Chunks of one run that follow one another. Its init segment lies at ``start_byte`` of the scratch file."""

    run: RunFacts
    genesis: bytes
    init_bytes: int
    start_byte: int
    facts: list[ChunkFacts] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    @property
    def trailer(self) -> Trailer:
        last_link = chain.link_of(self.facts[-1])
        return Trailer(self.run, self.init_bytes, self.genesis, tuple(self.facts), tuple(self.sizes), last_link)


@dataclass(slots=True)
class Tail:
    """``ends_ns`` is where verified footage of a run ends that has not ended; ``None`` when there is no such run."""

    pieces: list[TailPiece] = field(default_factory=list)
    ends_ns: int | None = None


async def read_tail(
    backbone: Backbone, camera_id: str, span_ns: tuple[int, int], scratch: BinaryIO, init_of: InitOf
) -> Tail | None:
    """What the log holds of ``[from, to)`` that may not be sealed, whole GOPs; ``None`` when the log cannot be read.

    ``init_of`` gives the init segment of a run whose beginning is sealed already. Chunks that are sealed may be among them.
    """
    collector = _Collector(scratch, span_ns, Trust(backbone.keys, backbone.clock), init_of)
    try:
        committed = await backbone.log.committed(GROUP)
        async with backbone.log.consumer([VIDEO_RECORD.name], group=None) as consumer:
            partitions = len({one.partition for one in consumer.assignment()}) or VIDEO_RECORD.partitions
            place = TopicPartition(VIDEO_RECORD.name, partition_of(camera_id, partitions))
            async for record in read_to_end(consumer, begin={place: committed.get(place, 0)}):
                if record.key == camera_id:
                    await collector.take(record)
    except KanhuError as error:
        logger.warning("what is not sealed yet cannot be read from the log", error=str(error))
        return None
    return Tail(collector.pieces, collector.ends_ns)


class _Collector:
    """Takes the records of one camera in order; whatever does not fit the chain or bears no good signature is left out."""

    def __init__(self, scratch: BinaryIO, span_ns: tuple[int, int], trust: Trust, init_of: InitOf) -> None:
        self._scratch = scratch
        self._from_ns, self._to_ns = span_ns
        self._trust = trust
        self._init_of = init_of
        self._inits: dict[str, bytes | None] = {}
        self._unsigned: list[Chunk] = []
        self.pieces: list[TailPiece] = []
        self._live_run: RunFacts | None = None
        self.ends_ns: int | None = None

    async def take(self, record: Delivered) -> None:
        try:
            media = decode(record.headers, record.value or b"")
        except Corrupt:
            return  # the recorder makes it a dead letter
        if isinstance(media, RunStart):
            self._inits[media.run.run_id] = media.init
        elif isinstance(media, RunEnd):
            if media.run == self._live_run:
                self._live_run, self.ends_ns = None, None
        elif isinstance(media, Chunk) and media.run.stream == "record":
            await self._chunk(media, record.appended_ns)

    async def _chunk(self, chunk: Chunk, appended_ns: int) -> None:
        before = self._before(chunk.run)
        if before is not None and chunk.facts.seq <= before.seq:
            return  # said again
        if chain.digest(chunk.value) != chunk.facts.digest:
            self._unsigned = []
            return
        if before is not None and not _follows(before, chunk.facts):
            self._unsigned = []
        self._unsigned.append(chunk)
        del self._unsigned[:-_MOST_UNSIGNED]
        if chunk.facts.signature is not None:
            await self._settle(chunk, appended_ns)

    def _before(self, run: RunFacts) -> ChunkFacts | None:
        if self._unsigned:
            return self._unsigned[-1].facts if self._unsigned[-1].run == run else None
        return self.pieces[-1].facts[-1] if self.pieces and self.pieces[-1].run == run else None

    async def _settle(self, chunk: Chunk, appended_ns: int) -> None:
        """What came since the last signature is vouched for by this one, or by none."""
        chunks, self._unsigned = [one for one in self._unsigned if one.run == chunk.run], []
        init = await self._init(chunk.run)
        key = await self._trust.public_key(chunk.run.key_id, at_ns=appended_ns)
        if init is None or key is None:
            return
        genesis = chain.genesis(chunk.run, chain.digest(init))
        if not chain.chunk_is_signed_by(key, chunk.run, genesis, chunk.facts):
            return
        self._live_run, self.ends_ns = chunk.run, chunk.facts.end_ns
        if chunks[0].facts.sync and chunks[0].facts.start_ns >= self._to_ns:
            return
        await asyncio.to_thread(self._write, chunks, init, genesis)

    async def _init(self, run: RunFacts) -> bytes | None:
        if run.run_id not in self._inits:
            self._inits[run.run_id] = await self._init_of(run)
        return self._inits[run.run_id]

    def _write(self, chunks: list[Chunk], init: bytes, genesis: bytes) -> None:
        first, piece = chunks[0].facts, self.pieces[-1] if self.pieces else None
        goes_on = piece is not None and piece.run == chunks[0].run and _follows(piece.facts[-1], first)
        if piece is not None and first.sync and piece.facts[-1].end_ns <= self._from_ns:
            self._scratch.seek(piece.start_byte)  # nobody asked for it
            self._scratch.truncate()
            self.pieces.pop()
            goes_on = False
        if piece is None or not goes_on:
            piece = TailPiece(chunks[0].run, genesis, len(init), self._scratch.tell())
            self.pieces.append(piece)
            self._scratch.write(init)
        for chunk in chunks:
            self._scratch.write(chunk.value)
            piece.facts.append(chunk.facts)
            piece.sizes.append(len(chunk.value))


def _follows(before: ChunkFacts, facts: ChunkFacts) -> bool:
    return facts.seq == before.seq + 1 and facts.start_ns == before.end_ns and facts.prev_link == chain.link_of(before)
