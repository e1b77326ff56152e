"""Exporting footage: whole GOPs that cover a range, one MP4 a contiguous run, bytes as the agent made them.

Chunks are cut out of stored segments by their trailers and written behind the init segment, with a trailer of their own, so that
each file plays anywhere and verifies alone. What is not sealed yet comes from the log, in the same form. A file appears under
its name only when it is whole.

Does not belong here: which segments exist (``footage.py``), what the log holds (``tail.py``), who may export (``console``).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from services.backbone.durable_file import sync_directory, translate
from services.backbone.ports import Backbone, Catalog, ObjectStore
from services.contracts.errors import Corrupt
from services.contracts.media_record import ChunkFacts, RunFacts
from services.contracts.time import format_rfc3339
from services.media import chain
from services.media.segment import SegmentBuilder, Trailer, decode_trailer, trailer_bytes_at_end
from services.retention.footage import Row, newest_of_run, sealed_until, segments_between
from services.retention.tail import TailPiece, read_tail

_TRAILER_GUESS_BYTES = 256 * 1024
_PIECE_BYTES = 1024 * 1024


#: Reads so many bytes from an offset of a segment.
ReadRange = Callable[[int, int], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Exported:
    """``files`` describe what was written. ``live_ns``: where the log's footage of a run ends that has not ended."""

    files: list[Row]
    live_ns: int | None = None


@dataclass(frozen=True, slots=True)
class _Cut:
    """Chunks ``[first, end)`` of a segment, or of what has the form of one, as its trailer lists them."""

    read: ReadRange
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
) -> Exported:
    """Write the files and describe each: ``kind`` file, path, run, bounds, digest, chunks. No footage: no file."""
    catalog, store = backbone.need_catalog(), backbone.need_store()
    written: list[Row] = []
    pieces: list[_Cut] = []
    with _scratch_beside(out) as scratch:
        # The log first: what is sealed meanwhile is then in both, and never in neither.
        tail = None
        if stream == "record" and to_ns > await sealed_until(catalog, camera_id):
            tail = await read_tail(
                backbone, camera_id, (from_ns, to_ns), scratch, partial(_stored_init, catalog, store)
            )
        async with catalog.snapshot() as tx:
            rows = await segments_between(tx, camera_id, from_ns, to_ns, stream)
            found = tail.pieces if tail is not None else []
            sealed = {piece.run.run_id: await newest_of_run(tx, piece.run) for piece in found}
        async for cut in _all(_cuts(store, rows, from_ns, to_ns), _tail_cuts(scratch, found, sealed, from_ns, to_ns)):
            if pieces and not _continues(pieces[-1], cut):
                written.append(await _write(pieces, _numbered(out, len(written))))
                pieces = []
            pieces.append(cut)
        if pieces:
            written.append(await _write(pieces, _numbered(out, len(written))))
    return Exported(written, tail.ends_ns if tail is not None else None)


async def _all(*sources: AsyncIterator[_Cut]) -> AsyncIterator[_Cut]:
    for source in sources:
        async for cut in source:
            yield cut


@contextlib.contextmanager
def _scratch_beside(out: Path) -> Iterator[BinaryIO]:
    """A file without a name on the disk that the export goes to; media are on no other for a moment."""
    try:
        with tempfile.TemporaryFile(dir=out.parent) as scratch:
            yield cast(BinaryIO, scratch)
    except OSError as error:
        raise translate(error, f"writing beside {out}") from error


async def _stored_init(catalog: Catalog, store: ObjectStore, run: RunFacts) -> bytes | None:
    """The init segment of a run that has a stored segment."""
    async with catalog.snapshot() as tx:
        row = await newest_of_run(tx, run)
    if row is None:
        return None
    trailer = await _trailer_of(store, row)
    return await _read(store, row["object_key"], row["version_id"], 0, trailer.init_bytes)


async def _tail_cuts(
    scratch: BinaryIO,
    pieces: Iterable[TailPiece],
    sealed: Mapping[str, Mapping[Any, Any] | None],
    from_ns: int,
    to_ns: int,
) -> AsyncIterator[_Cut]:
    """The wanted part of what is not sealed."""
    for piece in pieces:
        newest = sealed[piece.run.run_id]
        trailer = piece.trailer
        unsealed = [
            index for index, facts in enumerate(trailer.chunks) if newest is None or facts.seq > newest["last_seq"]
        ]
        first, end = whole_gops(trailer.chunks[unsealed[0] :], from_ns, to_ns) if unsealed else (0, 0)
        if first < end:
            yield _Cut(partial(_read_file, scratch, piece.start_byte), trailer, unsealed[0] + first, unsealed[0] + end)


async def _read_file(file: BinaryIO, origin: int, start: int, length: int) -> AsyncIterator[bytes]:
    while length > 0:
        piece = await asyncio.to_thread(_read_at, file, origin + start, min(length, _PIECE_BYTES))
        if not piece:
            raise Corrupt("what was read from the log is gone from the disk; export again")
        yield piece
        start, length = start + len(piece), length - len(piece)


def _read_at(file: BinaryIO, position: int, length: int) -> bytes:
    file.seek(position)
    return file.read(length)


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
                yield _Cut(partial(_read_object, store, row["object_key"], row["version_id"]), trailer, first, end)


def _read_object(store: ObjectStore, key: str, version_id: str, start: int, length: int) -> AsyncIterator[bytes]:
    return store.read(key, version_id, start=start, length=length)


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


async def _write(cuts: list[_Cut], path: Path) -> Row:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.draft")
    head = cuts[0]
    init = b"".join([piece async for piece in head.read(0, head.trailer.init_bytes)])
    builder = SegmentBuilder(head.trailer.run, init)
    digest = hashlib.sha256()
    try:
        with draft.open("xb") as target:

            def put(octets: bytes) -> None:
                digest.update(octets)
                target.write(octets)

            await asyncio.to_thread(put, init)
            for cut in cuts:
                async for piece in cut.read(cut.start_byte, cut.size_bytes):
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
