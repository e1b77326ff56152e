"""Which media records are let in at all: names that may stand in an object key, numbers that a catalog can hold.

Belongs here: checks that need nothing but the record. Does not belong here: keys and chains (``sealing.py``).
"""

from __future__ import annotations

from services.backbone.ports import Delivered
from services.contracts.errors import Corrupt, Rejected
from services.contracts.ids import check_name
from services.contracts.media_record import Chunk, Gap, MediaRecord, RunEnd, RunStart, decode
from services.contracts.time import DAY_NS

#: The first and last instants that are taken for a capture time: 1970-01-01 and 2242-03-16, ns UTC.
_FIRST_NS, _LAST_NS = 0, 1 << 63
_LAST_NS -= 200 * DAY_NS
#: No chunk of a camera lasts longer, whatever its headers say.
LONGEST_CHUNK_NS = 60 * 1_000_000_000
_MOST_CHUNKS = 1 << 32


def read_media_record(record: Delivered) -> MediaRecord:
    """Decode and admit a record of ``video.record.v1``; ``Corrupt`` says what is wrong with it."""
    if record.value is None:
        raise Corrupt("a tombstone has no place on a media topic")
    media = decode(record.headers, record.value)
    camera_id, agent_id = (
        (media.camera_id, media.agent_id) if isinstance(media, Gap) else (media.run.camera_id, media.run.agent_id)
    )
    try:
        check_name(camera_id, "camera")
        check_name(agent_id, "agent")
    except Rejected as error:
        raise Corrupt(str(error)) from error
    if camera_id != record.key:
        raise Corrupt(f"the record's key {record.key[:80]!r} is not its camera {camera_id!r}")
    for instant_ns in _instants(media):
        if not _FIRST_NS <= instant_ns < _LAST_NS:
            raise Corrupt(f"{instant_ns} is not an instant that a clock can show")
    return media


def _instants(media: MediaRecord) -> tuple[int, ...]:
    match media:
        case RunStart():
            return (media.start_ns,)
        case Chunk():
            if media.facts.duration_ns > LONGEST_CHUNK_NS or media.facts.seq >= _MOST_CHUNKS:
                raise Corrupt(f"chunk {media.facts.seq} of {media.facts.duration_ns} ns is beyond any camera")
            return (media.facts.start_ns, media.facts.end_ns)
        case RunEnd():
            return (media.end_ns,)
        case Gap():
            return (media.start_ns, media.end_ns if media.end_ns is not None else media.start_ns)
