"""The clause of ``kanhu check`` that looks at the log: I2, committed offsets never run ahead of the ledger.

Belongs here: reading back what the group ``retention`` says it is done with. Does not belong here: other clauses.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping

from services.backbone.ports import Consumer, Delivered, TopicPartition
from services.contracts.dead_letter import decode_dead_letter
from services.contracts.errors import Corrupt
from services.contracts.media_record import Chunk, decode
from services.contracts.topics import DEAD_LETTER, VIDEO_RECORD
from services.retention.findings import Findings, Inspected, broken, note
from services.retention.recorder import GROUP

#: How far below each committed offset the log is read back; what was lost further down shows as a hole in coverage (I5).
READ_BACK_RECORDS = 500


async def check_commits(inspected: Inspected) -> Findings:
    """I2: every chunk below a committed offset is in a ledger row, or was refused and is in the dead letters."""
    committed = await inspected.backbone.log.committed(GROUP)
    mine = {place: offset for place, offset in committed.items() if place.topic == VIDEO_RECORD.name and offset > 0}
    if inspected.quick or not mine:
        yield note("I2", GROUP, "not looked at: " + ("--quick" if inspected.quick else "nothing was committed yet"))
        return
    ledger = _ledger_of(inspected)
    refused = await _refused_origins(inspected)
    async with inspected.backbone.log.consumer([VIDEO_RECORD.name], group=None) as consumer:
        for place, offset in sorted(mine.items()):
            async for record in _below(consumer, place, offset):
                origin = f"{record.topic}/{record.partition}/{record.offset}"
                chunk = _chunk_of(record)
                if chunk is None or origin in refused or _holds(ledger, chunk):
                    continue
                message = f"chunk {chunk.facts.seq} of run {chunk.run.run_id} is committed and in no ledger row"
                yield broken("I2", origin, message, "report this; stop the recorder and keep the log")


Spans = Mapping[tuple[str, str, str], list[tuple[int, int]]]


def _ledger_of(inspected: Inspected) -> Spans:
    spans: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    for row in inspected.records.segments:
        spans[row["camera_id"], row["stream"], row["run_id"]].append((row["first_seq"], row["last_seq"]))
    for each in spans.values():
        each.sort()
    return spans


def _holds(ledger: Spans, chunk: Chunk) -> bool:
    spans = ledger.get((chunk.run.camera_id, chunk.run.stream, chunk.run.run_id), [])
    at = bisect_right(spans, (chunk.facts.seq, 1 << 62)) - 1
    return at >= 0 and spans[at][0] <= chunk.facts.seq <= spans[at][1]


def _chunk_of(record: Delivered) -> Chunk | None:
    try:
        media = decode(record.headers, record.value or b"")
    except Corrupt:
        return None
    return media if isinstance(media, Chunk) else None


async def _refused_origins(inspected: Inspected) -> set[str]:
    origins: set[str] = set()
    async with inspected.backbone.log.consumer([DEAD_LETTER.name], group=None) as consumer:
        ends = dict(await consumer.end_offsets())
        if not any(ends.values()):
            return origins
        while records := await consumer.poll(max_records=64, timeout_s=0.5):
            origins |= {decode_dead_letter(record.headers, record.value or b"").origin for record in records}
    return origins


async def _below(consumer: Consumer, place: TopicPartition, offset: int) -> AsyncIterator[Delivered]:
    """The last records of a partition below an offset."""
    others = consumer.assignment() - {place}
    consumer.pause(others)
    consumer.resume([place])
    await consumer.seek(place, max(0, offset - READ_BACK_RECORDS))
    while records := await consumer.poll(max_records=64, timeout_s=0.5):
        for record in records:
            if record.topic_partition == place and record.offset < offset:
                yield record
        if records[-1].offset + 1 >= offset:
            return
