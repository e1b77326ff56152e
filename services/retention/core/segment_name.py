"""The object key of a segment: it follows from what is in it, so that storing it twice is storing it once."""

from __future__ import annotations

from services.contracts.media_record import RunFacts
from services.contracts.time import utc_day


def segment_key(institution_id: str, run: RunFacts, first_seq: int, start_ns: int) -> str:
    """``{institution}/{camera}/{stream}/{YYYY}/{MM}/{DD}/{run_id}/{first_seq}.mp4``; the day is UTC, that of the first sample."""
    place = f"{institution_id}/{run.camera_id}/{run.stream}/{utc_day(start_ns)}"
    return f"{place}/{run.run_id}/{first_seq:010d}.mp4"
