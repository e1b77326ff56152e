"""Clauses of ``kanhu check`` that look at rows and the log: continuity of runs, I2, I5, I6, I7's quarantine, I8, I9.

Belongs here: rows among themselves, and against the log. Does not belong here: objects (``check_objects.py``).
"""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby, pairwise

from services.backbone.audit import AuditTrail
from services.contracts.dead_letter import decode_dead_letter
from services.contracts.time import NS_PER_S, format_rfc3339
from services.contracts.topics import DEAD_LETTER, VIDEO_RECORD
from services.retention.findings import Finding, Findings, Inspected, Row, broken, note, segment_name

_GRACE_S = 120.0


async def check_continuity(inspected: Inspected) -> Findings:
    """I1: adjacent segments of a run continue each other; where chunks are missing, a gap says so."""
    gaps = _by_stream(inspected.records.gaps)
    ordered = sorted(inspected.records.segments, key=lambda row: (*_run_of(row), row["first_seq"]))
    for _, mine in groupby(ordered, key=_run_of):
        for before, after in pairwise(mine):
            finding = _judge_pair(before, after, gaps[before["camera_id"], before["stream"]])
            if finding is not None:
                yield finding


def _run_of(row: Row) -> tuple[str, str, str]:
    return row["camera_id"], row["stream"], row["run_id"]


def _by_stream(rows: tuple[Row, ...]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        found[row["camera_id"], row["stream"]].append(row)
    return found


def _judge_pair(before: Row, after: Row, gaps: list[Row]) -> Finding | None:
    name = segment_name(after)
    if after["first_seq"] <= before["last_seq"]:
        return broken("I1", name, f"chunk {after['first_seq']} is in two segments", "report this; it is a defect")
    if after["first_seq"] == before["last_seq"] + 1:
        if after["prev_link"] == before["last_link"]:
            return None
        return broken("I1", name, "the hash chain is broken before it", "one of the two segments was replaced")
    hole = f"chunks {before['last_seq'] + 1}..{after['first_seq'] - 1}"
    covered = any(
        gap["start_ns"] <= before["end_ns"] and (gap["end_ns"] is None or gap["end_ns"] >= after["start_ns"])
        for gap in gaps
    )
    if covered or after["start_ns"] <= before["end_ns"]:
        return None
    return broken(
        "I5", name, f"{hole} before it are neither on record nor a gap", "a row was removed; restore the catalog"
    )


async def check_coverage(inspected: Inspected) -> Findings:
    """I5: from the first instant of each stream on, every instant is a segment or a gap, and the present is, too."""
    segments, gaps = _by_stream(inspected.records.segments), _by_stream(inspected.records.gaps)
    for key, extent in inspected.records.coverage.items():
        for finding in _judge_stream(inspected, extent, segments[key], gaps[key]):
            yield finding
    accounted = {camera_id for camera_id, _ in inspected.records.coverage}
    for camera_id in sorted(inspected.cameras - accounted):
        remedy = "start the agent and the recorder, or remove the camera"
        yield broken("I5", f"camera {camera_id}", "it is enrolled, but there is neither footage nor a gap", remedy)


def _judge_stream(inspected: Inspected, extent: Row, segments: list[Row], gaps: list[Row]) -> list[Finding]:
    name = f"stream {extent['camera_id']}/{extent['stream']}"
    found: list[Finding] = []
    spans = [(row["start_ns"], row["end_ns"], f"segment {row['first_seq']}") for row in segments]
    for gap in gaps:
        if gap["end_ns"] is not None and gap["end_ns"] < gap["start_ns"]:
            found.append(
                broken("I5", name, f"a gap at {format_rfc3339(gap['start_ns'])} ends before it begins", "correct it")
            )
        spans.append((gap["start_ns"], inspected.now_ns if gap["end_ns"] is None else gap["end_ns"], "gap"))
    reached = extent["from_ns"]
    for start_ns, end_ns, what in sorted(spans):
        if start_ns > min(reached, extent["until_ns"]) and reached < extent["until_ns"]:
            between = f"{format_rfc3339(reached)} and {format_rfc3339(min(start_ns, extent['until_ns']))}"
            remedy = "a row was removed or altered; restore the catalog from a backup"
            found.append(broken("I5", name, f"nothing accounts for the time between {between} (before {what})", remedy))
        reached = max(reached, end_ns)
    if reached < extent["until_ns"]:
        message = (
            f"nothing accounts for the time between {format_rfc3339(reached)} and {format_rfc3339(extent['until_ns'])}"
        )
        found.append(broken("I5", name, message, "a row was removed or altered; restore the catalog from a backup"))
    stale_s = (inspected.now_ns - reached) / NS_PER_S
    settings = inspected.settings.retain
    if stale_s > settings.segment_s + settings.presume_gap_s + _GRACE_S:
        message = f"nothing accounts for the time since {format_rfc3339(reached)}"
        found.append(broken("I5", name, message, "start kanhu retain; it will catch up or declare the gap"))
    open_gaps = sum(gap["end_ns"] is None for gap in gaps)
    if open_gaps > 1:
        found.append(broken("I5", name, f"{open_gaps} gaps are open at once", "report this; it is a defect"))
    return found


async def check_audit(inspected: Inspected) -> Findings:
    """I6: every audit chain is whole."""
    backbone = inspected.backbone
    for chain_id in inspected.records.audit_chains:
        trail = AuditTrail(backbone.need_catalog(), backbone.log, backbone.clock, chain_id=chain_id)
        verdict = await trail.verify()
        if not verdict.whole:
            where = f"audit chain {chain_id} entry {verdict.broken_at}"
            yield broken("I6", where, verdict.detail, "compare with audit.v1, which carries the same entries")


async def check_quarantine(inspected: Inspected) -> Findings:
    """I7: how much media was refused. None of it is in evidence; somebody should look."""
    count = 0
    reasons: dict[str, int] = {}
    async with inspected.backbone.log.consumer([DEAD_LETTER.name], group=None) as consumer:
        ends = dict(await consumer.end_offsets())
        while records := await consumer.poll(max_records=64, timeout_s=0.3):
            for record in records:
                letter = decode_dead_letter(record.headers, record.value or b"")
                if letter.origin.startswith(VIDEO_RECORD.name + "/") and record.offset < ends[record.topic_partition]:
                    count += 1
                    reason = letter.reason.split(":")[0][:80]
                    if reason in reasons or len(reasons) < 8:
                        reasons[reason] = reasons.get(reason, 0) + 1
            if all(record.offset + 1 >= ends[record.topic_partition] for record in records[-1:]):
                break
    if count:
        worst = ", ".join(
            f"{reason} ({number})" for reason, number in sorted(reasons.items(), key=lambda each: -each[1])[:3]
        )
        yield note("I7", DEAD_LETTER.name, f"{count} media records were refused: {worst}")


async def check_delivery(inspected: Inspected) -> Findings:
    """I8 cannot be judged: this version delivers to nobody."""
    yield note("I8", "incidents", "not yet applicable: this version delivers no alerts to persons")


async def check_clocks(inspected: Inspected) -> Findings:
    """I9: clock samples stand beside capture times; footage of an undisciplined clock is marked, not corrected."""
    untrusted = sum(row["clock_uncertainty_ns"] < 0 for row in inspected.records.segments)
    if untrusted:
        message = f"{untrusted} segments are time_untrusted: their agent's clock is disciplined by no source"
        yield note("I9", "segments", message)
