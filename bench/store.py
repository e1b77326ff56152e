"""Throughput of each object store against the barest way to the same medium, same sizes, same run.

    python -m bench.store [--seconds 4] [--json]

Hypothesis: what the store adds (hash, names, locks, retention, verification) costs at most a fifth: at 4 MiB and 16 MiB the
directory writes at >= 0.8 of a raw file write with fsync, and the S3 adapter at >= 0.8 of a bare ``put_object`` of the
vendor's SDK. The two of a pair take turns, put by put, on the same disk, so that neither gets the quieter half; medians
of single puts are compared. One put at a time, into one folder for each size, as a run's segments lie in one.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from minio import Minio
from pydantic import SecretStr

from bench.report import emit
from deploy.local.servers import MinioServer
from services.backbone.distributed.s3_store import S3Store
from services.backbone.embedded.directory_store import DirectoryStore
from services.backbone.ports import ObjectStore
from services.backbone.system_clock import SystemClock
from services.contracts.time import DAY_NS

SIZES = {"256KiB": 256 * 1024, "4MiB": 4 * 1024**2, "16MiB": 16 * 1024**2}
GOAL = 0.8
#: A put of a few hundred KiB is all round trips; segments are megabytes.
_JUDGED_BYTES = 4 * 1024**2

Put = Callable[[str, bytes], Awaitable[None]]


def raw_file(root: Path) -> Put:
    async def put(key: str, body: bytes) -> None:
        await asyncio.to_thread(write, root / key, body)

    def write(path: Path, body: bytes) -> None:
        path.parent.mkdir(exist_ok=True)
        with path.open("wb", buffering=0) as target:
            view = memoryview(body)
            while view:
                view = view[target.write(view) :]
            os.fsync(target.fileno())

    return put


def bare_sdk(client: Minio, bucket: str) -> Put:
    async def put(key: str, body: bytes) -> None:
        await asyncio.to_thread(client.put_object, bucket, key, io.BytesIO(body), len(body), part_size=64 * 1024**2)

    return put


def ours(store: ObjectStore, digests: dict[str, bytes]) -> Put:
    """The digest is given, as the recorder gives it; the store (or its server) computes it again to verify."""
    clock = SystemClock()

    async def put(key: str, body: bytes) -> None:
        await store.put(key, body, sha256=digests[key], retain_until_ns=clock.now_ns() + DAY_NS)

    return put


async def compare(bare: Put, own: Put, digests: dict[str, bytes], size: int, seconds: float) -> dict[str, float]:
    """Median MB/s of each, put by put in turns, the first of each pair changing."""
    spent: dict[Put, list[float]] = {bare: [], own: []}
    deadline = time.monotonic() + seconds
    number = 0
    while time.monotonic() < deadline or number < 6:
        body = os.urandom(size)
        key = f"{size}/{number:010d}.mp4"
        digests[key] = hashlib.sha256(body).digest()
        for put in (bare, own) if number % 2 else (own, bare):
            began = time.perf_counter()
            await put(key, body)
            spent[put].append(time.perf_counter() - began)
        number += 1
    bare_s, own_s = (statistics.median(spent[each][1:]) for each in (bare, own))  # the first opens connections
    return {
        "bare_mb_per_s": round(size / bare_s / 1e6, 1), "store_mb_per_s": round(size / own_s / 1e6, 1),
        "ratio": round(bare_s / own_s, 3), "puts": number,
    }  # fmt: skip


async def measure(seconds: float) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="kanhu-bench-") as folder, MinioServer() as minio:
        raw = Path(folder) / "raw"
        raw.mkdir()
        minio.client().make_bucket("bare")
        directory, s3 = DirectoryStore(Path(folder) / "objects", SystemClock()), open_s3(minio)
        digests: dict[str, bytes] = {}
        pairs = {
            "directory": (raw_file(raw), ours(directory, digests)),
            "s3": (bare_sdk(minio.client(), "bare"), ours(s3, digests)),
        }
        for store in (directory, s3):
            await store.prepare()
        for adapter, (bare, own) in pairs.items():
            for label, size in SIZES.items():
                figures = await compare(bare, own, digests, size, seconds)
                goal = GOAL if size >= _JUDGED_BYTES else None
                rows.append({"adapter": adapter, "size": label, **figures, "goal": goal})
        await s3.close()
    return rows


def open_s3(minio: MinioServer) -> S3Store:
    return S3Store(
        minio.address, bucket="bench", secure=False, region=minio.region,
        access_key=SecretStr(minio.access_key), secret_key=SecretStr(minio.secret_key),
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.store", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="per adapter and size")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    rows = asyncio.run(measure(arguments.seconds))
    emit(
        "store",
        rows,
        as_json=arguments.json,
        notes=["ratio: throughput of the store over the bare way; one put at a time"],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
