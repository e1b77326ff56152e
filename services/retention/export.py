"""Exporting footage: whole GOPs that cover a range, one MP4 a contiguous run, bytes as the agent made them.

Chunks are cut out of stored segments by their trailers and written behind the init segment, with a trailer of their own, so that
each file plays anywhere and verifies alone. A file appears under its name only when it is whole.

Does not belong here: which segments exist (``footage.py``), who may export (``console``).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.backbone.durable_file import sync_directory, translate
from services.backbone.ports import Backbone, ObjectStore
from services.contracts.errors import Corrupt
from services.contracts.media_record import ChunkFacts
from services.contracts.time import format_rfc3339
from services.media import chain
from services.media.segment import SegmentBuilder, Trailer, decode_trailer, trailer_bytes_at_end
from services.retention.footage import Row, segments_between

_TRAILER_GUESS_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Cut:
    """Chunks ``[first, end)`` of a stored segment, as its trailer lists them."""

    key: str
    version_id: str
    trailer: Trailer
    first: int
    end: int

    @property
    def facts(self) -> tuple[ChunkFacts, ...]:
        return self.trailer.chunks[self.first : self.end]

    @property
    def start_byte(self) -> int:
        return self.trailer.init_bytes + sum(self.trailer.sizes[: self.first])

    @property
    def size_bytes(self) -> int:
        return sum(self.trailer.sizes[self.first : self.end])


async def export_footage(
    backbone: Backbone, camera_id: str, from_ns: int, to_ns: int, out: Path, *, stream: str = "record"
) -> list[Row]:
    """Write the files and describe each: ``kind`` file, path, run, bounds, digest, chunks. No footage: an empty list."""
    async with backbone.need_catalog().snapshot() as tx:
        rows = await segments_between(tx, camera_id, from_ns, to_ns, stream)
    written: list[Row] = []
    store = backbone.need_store()
    pieces: list[_Cut] = []
    async for cut in _cuts(store, rows, from_ns, to_ns):
        if pieces and not _continues(pieces[-1], cut):
            written.append(await _write(store, pieces, _numbered(out, len(written))))
            pieces = []
        pieces.append(cut)
    if pieces:
        written.append(await _write(store, pieces, _numbered(out, len(written))))
    return written


async def _cuts(store: ObjectStore, rows: Iterable[Mapping[Any, Any]], from_ns: int, to_ns: int) -> AsyncIterator[_Cut]:
    """The wanted part of each segment. Segments of overlapping runs stay together by run."""
    by_run: dict[str, list[Mapping[Any, Any]]] = {}
    for row in rows:
        by_run.setdefault(row["run_id"], []).append(row)
    for mine in by_run.values():
        for row in sorted(mine, key=lambda row: int(row["first_seq"])):
            trailer = await _trailer_of(store, row)
            first, end = whole_gops(trailer.chunks, from_ns, to_ns)
            if first < end:
                yield _Cut(row["object_key"], row["version_id"], trailer, first, end)


def whole_gops(chunks: tuple[ChunkFacts, ...], from_ns: int, to_ns: int) -> tuple[int, int]:
    """Which chunks cover ``[from_ns, to_ns)``, enlarged to whole GOPs: indices ``[first, end)``, empty if none overlaps."""
    wanted = [index for index, facts in enumerate(chunks) if facts.start_ns < to_ns and facts.end_ns > from_ns]
    if not wanted:
        return 0, 0
    first, end = wanted[0], wanted[-1] + 1
    while first > 0 and not chunks[first].sync:
        first -= 1
    while end < len(chunks) and not chunks[end].sync:
        end += 1
    return first, end


def _continues(before: _Cut, after: _Cut) -> bool:
    last, first = before.facts[-1], after.facts[0]
    same = before.trailer.run == after.trailer.run and before.trailer.genesis == after.trailer.genesis
    return (
        same and first.seq == last.seq + 1 and first.start_ns == last.end_ns and first.prev_link == chain.link_of(last)
    )


async def _trailer_of(store: ObjectStore, row: Mapping[Any, Any]) -> Trailer:
    """The trailer of a stored segment, read by range from its end."""
    key, version_id, size_bytes = row["object_key"], row["version_id"], int(row["size_bytes"])
    tail = await _read(store, key, version_id, max(0, size_bytes - _TRAILER_GUESS_BYTES), _TRAILER_GUESS_BYTES)
    length = trailer_bytes_at_end(tail)
    if length is None or length > size_bytes:
        raise Corrupt(f"{key} does not end with a segment trailer; run kanhu check")
    if length > len(tail):
        tail = await _read(store, key, version_id, size_bytes - length, length)
    return decode_trailer(tail[-length:])


async def _read(store: ObjectStore, key: str, version_id: str, start: int, length: int) -> bytes:
    pieces = [piece async for piece in store.read(key, version_id, start=start, length=length)]
    return b"".join(pieces)


def _numbered(out: Path, index: int) -> Path:
    """FILE.mp4 for the first, FILE.2.mp4, FILE.3.mp4 … for further ones."""
    return out if index == 0 else out.with_name(f"{out.stem}.{index + 1}{out.suffix}")


async def _write(store: ObjectStore, cuts: list[_Cut], path: Path) -> Row:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.draft")
    head = cuts[0]
    init = await _read(store, head.key, head.version_id, 0, head.trailer.init_bytes)
    builder = SegmentBuilder(head.trailer.run, init)
    digest = hashlib.sha256()
    try:
        with draft.open("xb") as target:

            def put(octets: bytes) -> None:
                digest.update(octets)
                target.write(octets)

            await asyncio.to_thread(put, init)
            for cut in cuts:
                async for piece in store.read(cut.key, cut.version_id, start=cut.start_byte, length=cut.size_bytes):
                    await asyncio.to_thread(put, piece)
                for facts, size in zip(cut.facts, cut.trailer.sizes[cut.first : cut.end], strict=True):
                    builder.add_facts(facts, size)
            await asyncio.to_thread(put, builder.trailer())
            target.flush()
            await asyncio.to_thread(os.fsync, target.fileno())
        draft.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise translate(error, f"writing {path}") from error
    finally:
        draft.unlink(missing_ok=True)
    return _describe(path, builder, digest.hexdigest())


def _describe(path: Path, builder: SegmentBuilder, sha256: str) -> Row:
    chunks = builder.chunks
    return {
        "kind": "file", "path": str(path), "camera_id": builder.run.camera_id, "run_id": builder.run.run_id,
        "start": format_rfc3339(chunks[0].start_ns), "end": format_rfc3339(chunks[-1].end_ns),
        "start_ns": chunks[0].start_ns, "end_ns": chunks[-1].end_ns, "sha256": sha256, "chunks": len(chunks),
        "first_seq": chunks[0].seq, "last_seq": chunks[-1].seq, "signed": chunks[-1].signature is not None,
    }  # fmt: skip
