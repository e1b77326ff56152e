"""Clauses of ``kanhu check`` that look at stored objects: I1, I3, I4, I7 and the media's side of I9.

Belongs here: each object against its ledger row. Does not belong here: rows among themselves (``check_rows.py``).
"""

from __future__ import annotations

import hashlib

from services.backbone.ports import StoredObject
from services.contracts.errors import Corrupt, NotFound
from services.contracts.policy import LEGAL_FLOOR_DAYS
from services.contracts.time import DAY_NS, NS_PER_S, format_rfc3339
from services.media.cmaf_reader import parse_chunk
from services.media.segment import Segment, read_segment
from services.media.verify import verify_segment
from services.retention.core.term import ceiling_ns
from services.retention.findings import Finding, Findings, Inspected, Row, broken, note, segment_name

_RESTORE = "restore the object from a copy; until then its span is not on record"


async def check_objects(inspected: Inspected) -> Findings:
    """Every ledger row: its object is there, whole, kept long enough, and verifies by itself."""
    unsigned = 0
    for row in inspected.records.segments:
        async for finding in _check_object(inspected, row):
            yield finding
        unsigned += not row["signed"]
    if unsigned:
        yield note("I7", "segments", f"{unsigned} segments end without a signature: their agent died within a GOP")


async def _check_object(inspected: Inspected, row: Row) -> Findings:
    store = inspected.backbone.need_store()
    name = segment_name(row)
    try:
        stored = await store.stat(row["object_key"], row["version_id"])
    except NotFound:
        yield broken("I1", name, f"object {row['object_key']} version {row['version_id']} is not there", _RESTORE)
        return
    except Corrupt as error:
        yield broken("I1", name, str(error), _RESTORE)
        return
    for finding in _judge_metadata(inspected, row, stored):
        yield finding
    if not inspected.quick:
        async for finding in _read_object(inspected, row):
            yield finding


def _judge_metadata(inspected: Inspected, row: Row, stored: StoredObject) -> list[Finding]:
    name = segment_name(row)
    found: list[Finding] = []
    if stored.size_bytes != row["size_bytes"] or stored.sha256.hex() != row["sha256"]:
        said = f"{row['size_bytes']} bytes {row['sha256'][:16]}…"
        there = f"{stored.size_bytes} bytes {stored.sha256.hex()[:16]}…"
        found.append(broken("I1", name, f"the ledger says {said}, the store has {there}", _RESTORE))
    floor_ns = row["end_ns"] + LEGAL_FLOOR_DAYS * DAY_NS
    kept_ns = stored.retain_until_ns
    if kept_ns is None or kept_ns // NS_PER_S < min(floor_ns, row["retain_until_ns"]) // NS_PER_S:
        until = "nothing" if kept_ns is None else format_rfc3339(kept_ns)
        message = f"the store protects it until {until}, not until {format_rfc3339(row['retain_until_ns'])}"
        found.append(broken("I3", name, message, "lengthen its retention at once"))
    if row["retain_until_ns"] < floor_ns:
        message = f"the ledger keeps it for less than {LEGAL_FLOOR_DAYS} days from capture"
        found.append(broken("I3", name, message, "correct the row; see the policy it was written under"))
    ceiling = ceiling_ns(inspected.settings.retain.policy, row["end_ns"])
    if inspected.now_ns > ceiling and not stored.legal_hold:
        message = f"unheld footage should have been deleted by {format_rfc3339(ceiling)}"
        found.append(
            broken("I4", name, message, "delete it through the store, or place a legal hold if a case needs it")
        )
    return found


async def _read_object(inspected: Inspected, row: Row) -> Findings:
    name = segment_name(row)
    body = bytearray()
    try:
        async for piece in inspected.backbone.need_store().read(row["object_key"], row["version_id"]):
            body += piece
    except (Corrupt, NotFound) as error:
        yield broken("I1", name, str(error), _RESTORE)
        return
    if hashlib.sha256(body).hexdigest() != row["sha256"] or len(body) != row["size_bytes"]:
        yield broken("I1", name, "its bytes do not have the digest of the ledger", _RESTORE)
    async for finding in _judge_media(inspected, row, bytes(body)):
        yield finding


async def _judge_media(inspected: Inspected, row: Row, body: bytes) -> Findings:
    name = segment_name(row)
    run = inspected.records.runs.get((row["camera_id"], row["stream"], row["run_id"]))
    if run is None:
        yield broken("I1", name, "its run has no row", "restore the catalog from a backup")
        return
    try:
        key = await inspected.backbone.keys.trusted(run["key_id"], at_ns=row["stored_ns"])
    except NotFound:
        remedy = "enrol the agent if it is yours; if not, this is foreign footage"
        yield broken("I7", name, f"its key {run['key_id']} is not enrolled", remedy)
        return
    try:
        verdict = verify_segment(body, key)
        segment = read_segment(body)
    except Corrupt as error:
        yield broken("I1", name, f"it cannot be read: {error}", _RESTORE)
        return
    tail_only = verdict.kind == "unsigned" and not row["signed"]
    if not verdict.is_authentic and not tail_only:
        clause = "I7" if verdict.kind in ("wrong_key", "unsigned") else "I1"
        yield broken(clause, name, f"{verdict.kind}: {verdict.detail}", "treat it as tampered with; " + _RESTORE)
        return
    for finding in _compare(row, run, segment):
        yield finding


def _compare(row: Row, run: Row, segment: Segment) -> list[Finding]:
    """The row says of the object what the object says of itself, and media time agrees with capture time (I9)."""
    chunks = segment.trailer.chunks
    said = {
        "run_id": segment.run.run_id, "camera_id": segment.run.camera_id, "stream": segment.run.stream,
        "first_seq": segment.first_seq, "last_seq": segment.last_seq, "start_ns": segment.start_ns,
        "end_ns": segment.end_ns, "prev_link": chunks[0].prev_link.hex(), "last_link": segment.trailer.last_link.hex(),
        "clock_offset_ns": chunks[0].clock.offset_ns, "clock_uncertainty_ns": chunks[0].clock.uncertainty_ns,
    }  # fmt: skip
    wrong = [name for name, value in said.items() if row[name] != value]
    found: list[Finding] = []
    if wrong:
        message = f"the row and the object differ in {', '.join(wrong)}"
        clause = "I9" if all(name.startswith("clock") or name.endswith("_ns") for name in wrong) else "I1"
        found.append(
            broken(clause, segment_name(row), message, "the object is signed, the row is not: correct the row")
        )
    ticks = sum(parse_chunk(value).duration for value in segment.values)
    media_ns = ticks * NS_PER_S // run["timescale"]
    if abs(media_ns - (segment.end_ns - segment.start_ns)) > len(chunks) * (NS_PER_S // run["timescale"] + 1):
        message = f"its samples last {media_ns} ns, its capture times {segment.end_ns - segment.start_ns} ns"
        found.append(
            broken("I9", segment_name(row), message, "capture times were not taken from the media; see the agent")
        )
    return found


async def check_orphans(inspected: Inspected) -> Findings:
    """Objects without a row are no harm (a recorder died before it wrote one), but nobody finds them."""
    known = {(row["object_key"], row["version_id"]) for row in inspected.records.segments}
    count = size_bytes = 0
    prefix = f"{inspected.settings.institution.institution_id}/"
    async for stored in inspected.backbone.need_store().versions(prefix):
        if stored.key.endswith(".mp4") and (stored.key, stored.version_id) not in known:
            count += 1
            size_bytes += stored.size_bytes
    if count:
        yield note(
            "I1", prefix, f"{count} stored segments ({size_bytes} bytes) have no row; they expire with their retention"
        )
