"""Every statement the console sends to the catalog. Reading only."""

from __future__ import annotations

from sqlalchemy import Select, and_, desc, or_, select

from services.backbone.catalog_schema import coverage, gap, incident, segment, sensor_reading, source_status, watched

SEGMENTS_AT_MOST = 20_000
GAPS_AT_MOST = 5_000
WATCHED_AT_MOST = 5_000
_HOUR_NS = 3_600_000_000_000


def segments_between(camera_id: str, start_ns: int, end_ns: int) -> Select[tuple[int, int]]:
    """Start and end of the recorded stream's segments that overlap a window."""
    return (
        select(segment.c.start_ns, segment.c.end_ns)
        .where(segment.c.camera_id == camera_id, segment.c.stream == "record")
        .where(segment.c.start_ns < end_ns, segment.c.end_ns > start_ns)
        .order_by(segment.c.start_ns)
        .limit(SEGMENTS_AT_MOST)
    )


def gaps_between(camera_id: str, start_ns: int, end_ns: int) -> Select[tuple[object, ...]]:
    return (
        select(gap.c.start_ns, gap.c.end_ns, gap.c.cause, gap.c.detail, gap.c.presumed, gap.c.declared_by)
        .where(gap.c.camera_id == camera_id, gap.c.stream == "record")
        .where(gap.c.start_ns < end_ns, or_(gap.c.end_ns.is_(None), gap.c.end_ns > start_ns))
        .order_by(gap.c.start_ns)
        .limit(GAPS_AT_MOST)
    )


def watched_between(camera_id: str, start_ns: int, end_ns: int) -> Select[tuple[object, ...]]:
    """How a camera was watched in a window. Rows are an hour long at most, so none that begins earlier reaches into it."""
    columns = (
        watched.c.from_ns, watched.c.to_ns, watched.c.mode, watched.c.cause, watched.c.frames_per_s,
        watched.c.asked_frames_per_s, watched.c.view,
    )  # fmt: skip
    return (
        select(*columns)
        .where(watched.c.camera_id == camera_id, watched.c.from_ns > start_ns - _HOUR_NS, watched.c.from_ns < end_ns)
        .where(watched.c.to_ns > start_ns)
        .order_by(watched.c.from_ns)
        .limit(WATCHED_AT_MOST)
    )


def newest_gaps(limit: int) -> Select[tuple[object, ...]]:
    columns = (
        gap.c.camera_id,
        gap.c.start_ns,
        gap.c.end_ns,
        gap.c.cause,
        gap.c.detail,
        gap.c.presumed,
        gap.c.declared_by,
    )
    return select(*columns).where(gap.c.stream == "record").order_by(desc(gap.c.start_ns)).limit(limit)


def coverage_of(camera_id: str) -> Select[tuple[int, int]]:
    """From when and until when the ledger accounts for a camera's recorded stream."""
    return select(coverage.c.from_ns, coverage.c.until_ns).where(
        coverage.c.camera_id == camera_id, coverage.c.stream == "record"
    )


def newest_incidents(limit: int) -> Select[tuple[object, ...]]:
    return select(incident.c.record).order_by(desc(incident.c.opened_ns)).limit(limit)


def incident_record(incident_id: str) -> Select[tuple[object, ...]]:
    return select(incident.c.record).where(incident.c.incident_id == incident_id)


def statuses() -> Select[tuple[object, ...]]:
    return select(source_status.c.source_id, source_status.c.kind, source_status.c.observed_ns, source_status.c.record)


def newest_reading(sensor_id: str) -> Select[tuple[object, ...]]:
    """The newest measured value of one sensor (a heartbeat is none)."""
    return (
        select(sensor_reading.c.kind, sensor_reading.c.observed_ns, sensor_reading.c.record)
        .where(and_(sensor_reading.c.sensor_id == sensor_id, sensor_reading.c.kind != "heartbeat"))
        .order_by(desc(sensor_reading.c.observed_ns))
        .limit(1)
    )


def first_segment_of_run(run_id: str) -> Select[tuple[object, ...]]:
    """Where the init segment of a run can be read once it is sealed."""
    return (
        select(segment.c.object_key, segment.c.version_id)
        .where(segment.c.run_id == run_id)
        .order_by(segment.c.first_seq)
        .limit(1)
    )
