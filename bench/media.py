"""Cost of the media arithmetic per access unit, against hashing the same bytes once.

    python -m bench.media [--seconds 2] [--json]

Hypothesis: muxing (with the digest, the chain and the signatures it includes) costs at most a few microseconds beyond
SHA-256 of the media, reading a chunk about one microsecond a sample, and verifying nothing that shows beside SHA-256.
All figures are process CPU time, so a busy neighbour does not count. Streams are made up: 25 frames per second, GOP of 2 s.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import report
from services.contracts.ids import new_run_id
from services.contracts.media_record import Chunk, MediaRecord, RunStart
from services.media import chain
from services.media.access_unit import AccessUnit, make_access_unit
from services.media.cmaf_reader import parse_chunk
from services.media.muxer import RunMuxer, StreamFacts
from services.media.nal import join_annex_b, join_length_prefixed, split
from services.media.segment import build_segment
from services.media.verify import verify_segment

FRAMES_PER_S, GOP, FRAME_TICKS = 25, 50, 3_600
_SPS = bytes.fromhex("6764001facd9405005ba1000000300100000030320f1831960")
_PPS = bytes.fromhex("68ebe3cb22c0")
_SETS = (_SPS, _PPS)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.media", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU time to spend on each figure")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(argv)
    rows = [measure(megabits, chosen.seconds) for megabits in (0.5, 2.0, 8.0)]
    report.emit(
        "media", rows, as_json=chosen.json, notes=["us per access unit, CPU time; sync pictures are 8 times larger"]
    )
    return 0


def measure(megabits_per_s: float, seconds: float) -> dict[str, Any]:
    """One row: a minute of a stream of a bit rate."""
    pictures = _pictures(megabits_per_s)
    count = len(pictures)
    annex_b, prefixed = [join_annex_b(each) for each in pictures], [join_length_prefixed(each) for each in pictures]
    units = [_unit(number, split(octets, 4)) for number, octets in enumerate(prefixed)]
    key = Ed25519PrivateKey.generate()
    public_key = key.public_key().public_bytes_raw()
    records = _mux(units, key)
    start = next(record for record in records if isinstance(record, RunStart))
    chunks = [record for record in records if isinstance(record, Chunk)]
    segment = build_segment(start.run, start.init, chunks)
    hashing = _cost(lambda: [sha256(octets).digest() for octets in prefixed], seconds) / count

    def us(action: Callable[[], object]) -> float:
        return _cost(action, seconds) / count * 1e6

    mux_us, verify_us = us(lambda: _mux(units, key)), us(lambda: verify_segment(segment, public_key))
    return {
        "mbit_per_s": megabits_per_s, "units": count, "bytes_per_unit": sum(map(len, prefixed)) // count,
        "hash_us": hashing * 1e6, "split_annex_b_us": us(lambda: [split(octets, None) for octets in annex_b]),
        "split_prefixed_us": us(lambda: [split(octets, 4) for octets in prefixed]), "mux_us": mux_us,
        "parse_us": us(lambda: [parse_chunk(chunk.value) for chunk in chunks]), "verify_us": verify_us,
        "build_segment_us": us(lambda: build_segment(start.run, start.init, chunks)),
        "mux_to_hash": mux_us / (hashing * 1e6), "verify_to_hash": verify_us / (hashing * 1e6),
        "overhead_percent": 100 * (len(segment) / sum(map(len, prefixed)) - 1),
    }  # fmt: skip


def _pictures(megabits_per_s: float) -> list[tuple[bytes, ...]]:
    """A minute of NAL units: parameter sets and a large slice at each sync picture, a small slice otherwise."""
    noise = Random(1).randbytes(1 << 20).replace(b"\0", b"\1")
    per_gop = megabits_per_s * 1e6 / 8 * GOP / FRAMES_PER_S
    small = int(per_gop / (GOP + 7))
    pictures: list[tuple[bytes, ...]] = []
    for number in range(60 * FRAMES_PER_S):
        at = number * 4_099 % (len(noise) - 9 * small)
        if number % GOP == 0:
            pictures.append((*_SETS, b"\x65\x88\x84" + noise[at : at + 8 * small]))
        else:
            pictures.append((b"\x41\x9a\x24" + noise[at : at + small],))
    return pictures


def _unit(number: int, nals: tuple[bytes | memoryview, ...]) -> AccessUnit:
    ticks = number * FRAME_TICKS
    return make_access_unit(
        "h264", nals, pts=ticks, dts=ticks, arrival_ns=1_900_000_000_000_000_000 + number * 40_000_000
    )


def _mux(units: Sequence[AccessUnit], key: Ed25519PrivateKey) -> list[MediaRecord]:
    key_id = chain.key_id(key.public_key().public_bytes_raw())
    facts = StreamFacts("camera", "record", "agent", key_id, "h264", 90_000)
    muxer = RunMuxer(facts, new_run_id=new_run_id, sign=key.sign)
    records: list[MediaRecord] = []
    for unit in units:
        records += muxer.push(unit)
    return records + muxer.flush("maintenance", "bench")


def _cost(action: Callable[[], object], seconds: float) -> float:
    """CPU seconds of one call: the best of several."""
    action()
    best, spent = float("inf"), 0.0
    while spent < seconds:
        began = time.process_time()
        action()
        took = time.process_time() - began
        best, spent = min(best, took), spent + max(took, 1e-6)
    return best


if __name__ == "__main__":
    raise SystemExit(main())
