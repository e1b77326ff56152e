"""The golden bytes of each version, and how they were made: ``python -m tests.unit.media.make_golden`` writes what is missing.

A golden file is never rewritten: footage with those bytes exists somewhere. Another form is another version and another file.
"""

from __future__ import annotations

from pathlib import Path

from services.contracts.media_record import Gap, MediaRecord, encode
from services.media.segment import build_segment, find_trailer
from tests.unit.media import material as m

FOLDER = Path(__file__).parent / "golden"


def golden_files() -> dict[str, bytes]:
    """What today's code makes of the made-up streams, by file name."""
    start, chunks, end = m.one_run(12)
    ((h265, h265_chunks, _),) = m.runs(m.mux(m.units(3, codec="h265"), m.muxer("h265")))
    order = [0, 4, 2, 1, 3, 8, 6, 5, 7]
    with_b_frames = [
        m.unit(n, sync=n == 0, sets=m.SETS_H264_B if n == 0 else (), pts=pts * 3600, dts=(n - 2) * 3600)
        for n, pts in enumerate(order)
    ]
    ((_, reordered, _),) = m.runs(m.mux(with_b_frames))
    segment = build_segment(start.run, start.init, chunks)
    trailer_at = find_trailer(segment)
    gap = Gap("door", "record", "agent-1", m.START_NS, m.START_NS + 5, "power", "mains off\n第二次", "camera")
    return {
        "init_h264_v1.mp4": start.init, "init_h265_v1.mp4": h265.init,
        "chunk_h264_v1.m4s": chunks[0].value, "chunk_h265_v1.m4s": h265_chunks[0].value,
        "chunk_b_frames_v1.m4s": reordered[0].value, "trailer_v1.bin": segment[trailer_at:],
        "segment_v1.mp4": segment, "headers_v1.txt": b"\n".join(map(headers, [start, *chunks, end, gap])),
    }  # fmt: skip


def headers(record: MediaRecord) -> bytes:
    """The headers of a record as lines."""
    return b"".join(name.encode() + b": " + value + b"\n" for name, value in encode(record)[0])


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, octets in golden_files().items():
        path = FOLDER / name
        if not path.exists():
            path.write_bytes(octets)
            print(f"wrote {path.name}: {len(octets)} bytes")


if __name__ == "__main__":
    main()
