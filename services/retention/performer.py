"""Carries out the commands of the sealing core: scratch files, objects, catalog transactions, dead letters.

The order within a seal keeps I1: object durable and verified by the store → one catalog transaction → what is said on
``recording.v1``. Every command may be repeated as a whole after ``Transient``. Does not belong here: when to repeat,
offsets, deciding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from services.backbone import metrics
from services.backbone.ports import Backbone, Delivered, Outgoing, Position
from services.contracts.dead_letter import DeadLetter, encode_dead_letter
from services.contracts.errors import Corrupt, Rejected
from services.contracts.media_record import Chunk, encode
from services.contracts.settings import Settings
from services.contracts.time import Span
from services.contracts.topics import DEAD_LETTER
from services.media.segment import SegmentBuilder
from services.retention import announce, ledger
from services.retention.core import coverage
from services.retention.core.accounting import accounting
from services.retention.core.commands import (
    AppendChunk,
    BeginRun,
    Command,
    DeclareGap,
    EndRun,
    Ignored,
    Quarantine,
    RefuseTail,
    Seal,
)  # fmt: skip
from services.retention.core.segment_name import segment_key
from services.retention.core.term import retain_until_ns
from services.retention.ledger import Outpaced, StreamKey
from services.retention.scratch import ScratchArea, ScratchFile

#: A dead letter keeps at most this much of a value, so that with its headers it still fits into a record.
_LETTER_BYTES = 7 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What stands around a command: its stream, the record that caused it, footage held in open segments."""

    key: StreamKey
    partition: tuple[str, int]
    record: Delivered | None
    live: tuple[Span, ...]

    @property
    def position(self) -> Position:
        return Position(*self.partition, self.record.offset if self.record is not None else -1)


class Performer:
    """Performs commands for one partition; its scratch files are its own."""

    def __init__(self, backbone: Backbone, settings: Settings, scratch: ScratchArea) -> None:
        self._backbone = backbone
        self._store = backbone.need_store()
        self._catalog = backbone.need_catalog()
        self._settings = settings
        self._scratch = scratch
        self._files: dict[tuple[StreamKey, str], ScratchFile] = {}

    async def perform(self, command: Command, around: Circumstances) -> list[Outgoing]:
        """Carry out one command; return what is to be said on ``recording.v1`` about it."""
        match command:
            case AppendChunk():
                await asyncio.to_thread(self._append, command, around.key)
            case Seal():
                return await self._seal(command, around)
            case RefuseTail():
                await self._refuse_tail(command, around)
            case Quarantine(reason):
                await self.quarantine(around.record, reason)
            case Ignored():
                metrics.DUPLICATES.inc()
            case _:
                return await self._account(command, around)
        return []

    async def quarantine(self, record: Delivered | None, reason: str) -> None:
        """Send a record as it came to the dead letters."""
        if record is not None:
            origin = f"{record.topic}/{record.partition}/{record.offset}"
            await self._bury([DeadLetter(origin, reason, record.value or b"", record.headers)])

    def discard(self) -> None:
        """Drop all scratch; the log still has what was in it."""
        for file in self._files.values():
            file.discard()
        self._files.clear()

    # -- scratch and objects -------------------------------------------------------------------------------------------

    def _append(self, command: AppendChunk, key: StreamKey) -> None:
        slot = (key, command.run_id)
        if command.seq == command.first_seq:
            name = f"{key.camera_id}.{key.stream}.{command.run_id}.{command.first_seq}"
            file = self._scratch.file(name)
            file.append(command.init + command.value)
            self._files[slot] = file
        else:
            self._files[slot].append(command.value)

    async def _refuse_tail(self, command: RefuseTail, around: Circumstances) -> None:
        slot = (around.key, command.run.run_id)
        file = self._files[slot]
        topic, partition = around.partition
        end = file.size_bytes
        start = end - sum(chunk.size_bytes for chunk in command.held)
        at = start
        letters: list[DeadLetter] = []
        for held in command.held:
            value = await asyncio.to_thread(file.read, at, held.size_bytes)
            at += held.size_bytes
            headers, _ = encode(Chunk(command.run, held.facts, value))
            letters.append(DeadLetter(f"{topic}/{partition}/{held.offset}", command.reason, value, headers))
        await self._bury(letters)
        if command.keep:
            await asyncio.to_thread(file.cut_back, start)
        else:
            file.discard()
            del self._files[slot]

    async def _bury(self, letters: Iterable[DeadLetter]) -> None:
        outgoing: list[Outgoing] = []
        for letter in letters:
            headers, value = encode_dead_letter(letter)
            outgoing.append(Outgoing(DEAD_LETTER.name, letter.origin, value[:_LETTER_BYTES], headers))
        for record in outgoing:
            await self._backbone.log.append([record])
        metrics.QUARANTINED.inc(len(outgoing))

    async def _seal(self, command: Seal, around: Circumstances) -> list[Outgoing]:
        slot = (around.key, command.run.run_id)
        file = self._files[slot]
        row = self._row(command, around)
        body_bytes = len(command.init) + sum(chunk.size_bytes for chunk in command.chunks)
        if file.size_bytes == body_bytes:
            await asyncio.to_thread(file.append, _trailer(command))
        digest = file.sha256()
        try:
            stored = await self._store.put(
                row["object_key"], file.path, sha256=digest, retain_until_ns=row["retain_until_ns"]
            )
        except Corrupt as error:  # the scratch disk lied; the log has the truth
            raise Outpaced(f"the scratch of {row['object_key']} is damaged: {error}") from error
        if stored.sha256 != digest or stored.size_bytes != file.size_bytes:
            raise Rejected(f"the store kept {row['object_key']} otherwise than it was given; check the store")
        row |= {"version_id": stored.version_id, "size_bytes": stored.size_bytes, "sha256": digest.hex(),
                "stored_ns": self._backbone.clock.now_ns()}  # fmt: skip
        async with self._catalog.transaction() as tx:
            fresh = await ledger.write_segment(tx, self._catalog, row)
            known = await ledger.known_around(tx, around.key, command.start_ns)
            change = coverage.footage_stored(known, command.start_ns, command.end_ns)
            upto = (command.run.run_id, command.last_seq + 1)
            await ledger.write_change(tx, self._catalog, around.key, change, row["stored_ns"], upto=upto)
        metrics.SEGMENTS_STORED.inc(fresh)
        file.discard()
        return [announce.segment_stored(row)]

    def _row(self, command: Seal, around: Circumstances) -> dict[str, Any]:
        policy = self._settings.retain.policy
        clock = command.chunks[0].facts.clock
        topic, partition = around.partition
        institution = self._settings.institution.institution_id
        return {
            "camera_id": around.key.camera_id, "stream": around.key.stream, "run_id": command.run.run_id,
            "first_seq": command.first_seq, "last_seq": command.last_seq,
            "start_ns": command.start_ns, "end_ns": command.end_ns,
            "object_key": segment_key(institution, command.run, command.first_seq, command.start_ns),
            "prev_link": command.prev_link.hex(), "last_link": command.last_link.hex(), "signed": command.signed,
            "clock_offset_ns": clock.offset_ns, "clock_uncertainty_ns": clock.uncertainty_ns,
            "camera_offset_ns": clock.camera_offset_ns,
            "retain_until_ns": retain_until_ns(policy, command.end_ns), "policy_version": policy.version,
            "log_position": ledger.format_position(Position(topic, partition, command.chunks[-1].offset)),
        }  # fmt: skip

    # -- coverage ------------------------------------------------------------------------------------------------------

    async def _account(self, command: Command, around: Circumstances) -> list[Outgoing]:
        """Perform a command that only moves rows: one transaction, then what is to be said about it."""
        now_ns = self._backbone.clock.now_ns()
        instant_ns, decide = accounting(command)
        position = around.position if isinstance(command, DeclareGap) else None
        async with self._catalog.transaction() as tx:
            if isinstance(command, BeginRun) and not await ledger.write_run(tx, self._catalog, command.start):
                return []
            if isinstance(command, EndRun):
                end = command.end
                fresh = await ledger.end_run(tx, around.key, end.run.run_id, command.end_ns, end.cause)
                if not fresh or command.covered_elsewhere:
                    return []
            known = await ledger.known_around(tx, around.key, instant_ns, around.live, position)
            change = decide(known)
            await ledger.write_change(tx, self._catalog, around.key, change, now_ns)
        for put in change.puts:
            metrics.GAPS_RECORDED.labels(cause=put.cause).inc()
        return announce.gaps_changed(around.key, change, now_ns)


def _trailer(command: Seal) -> bytes:
    builder = SegmentBuilder(command.run, command.init)
    for chunk in command.chunks:
        builder.add_facts(chunk.facts, chunk.size_bytes)
    return builder.trailer()
