"""Throughput of the log, per adapter, against a raw file written and flushed in the same batches, in the same run.

    python -m bench.log [--mebibytes 384] [--rounds 5] [--directory DIR] [--without-kafka] [--json]

Hypothesis: durable appending to the embedded log reaches at least 0.8 of what the disk gives to one file that is written and
flushed (fdatasync) in batches of the size that the log itself came to. Kafka acknowledges from memory (its durability is
replication) and the raw file does not, which favours Kafka; so its ratio stands beside ``ratio_flushed``, where Kafka's time runs
on until its files are flushed, too. Beside both stands what aiokafka alone reaches on the same broker in the same rounds
(``bare_mb_per_s``, ``of_bare``). Rounds alternate between them, nobody begins before the disk has what the one before left in
memory, and each row shows the medians of all and of their ratios round by round, since a shared disk changes its mind.
``cpu_ms_per_mib`` is this process's, ``broker_ms_per_mib`` the broker's: they tell more than the clock on a busy machine.
Reading is from the page cache, against pread of the raw file: the log's share of the processor, not of the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from aiokafka import AIOKafkaProducer

from bench.report import emit
from deploy.local.server_process import LocalServer
from services.backbone.distributed.kafka_log import KafkaLog
from services.backbone.distributed.kafka_log_appender import FRAMED_RECORD_BYTES
from services.backbone.distributed.kafka_log_lanes import BATCH_BYTES
from services.backbone.embedded.log import EmbeddedLog
from services.backbone.ports import Log, Outgoing
from services.contracts.topics import Topic

MIB = 1024 * 1024
GOAL = 0.8


@dataclass(frozen=True)
class Load:
    """Records of one size, appended by as many callers as an installation has cameras, or so."""

    record_bytes: int
    callers: int


LOADS = (Load(128 * 1024, 64), Load(4 * MIB, 8))


class MeasuredKafka(KafkaLog):
    """A Kafka log whose broker is known to the bench."""

    server: LocalServer


class FlushCount:
    """How often this process flushed file data while installed."""

    def __init__(self) -> None:
        self.flushes = 0
        self._real: Callable[[Any], None] = os.fdatasync

    def _flush(self, file: Any) -> None:
        self.flushes += 1
        self._real(file)

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        os.fdatasync = self._flush  # type: ignore[assignment]
        try:
            yield
        finally:
            os.fdatasync = self._real  # type: ignore[assignment]


def write_raw(path: Path, value: bytes, count: int, batch: int) -> float:
    """Write ``count`` values to a new file, ``batch`` at a time, each batch flushed; seconds."""
    file = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    began = time.perf_counter()
    for first in range(0, count, batch):
        pending = [value] * min(batch, count - first)
        os.pwritev(file, pending, first * len(value))
        os.fdatasync(file)
    took_s = time.perf_counter() - began
    os.close(file)
    return took_s


def read_raw(path: Path, size: int) -> float:
    file = os.open(path, os.O_RDONLY)
    began = time.perf_counter()
    position = 0
    while value := os.pread(file, size, position):
        position += len(value)
    took_s = time.perf_counter() - began
    os.close(file)
    return took_s


async def first_records(log: Log, topic: Topic, callers: int) -> None:
    """One small record of each caller before the clock runs: by then a new topic's leaders are known."""
    await log.append([Outgoing(topic.name, f"camera-{index}", b"first") for index in range(callers)])


async def write_log(log: Log, topic: Topic, value: bytes, count: int, callers: int) -> float:
    """Append ``count`` values by ``callers`` at once, each waiting for its acknowledgement before it goes on; seconds."""
    numbers = iter(range(count))

    async def caller(key: str) -> None:
        for _ in numbers:
            await log.append([Outgoing(topic.name, key, value)])

    began = time.perf_counter()
    await asyncio.gather(*(caller(f"camera-{index}") for index in range(callers)))
    return time.perf_counter() - began


async def warm_up(log: Log) -> None:
    """Let a broker compile what it does with a request, as one in service has; rounds of large records are few requests."""
    topic = _topic("bench-warm-up")
    await log.ensure([topic])
    await write_log(log, topic, bytes(5000), 5000, callers=8)


async def write_bare(address: str, topic: Topic, value: bytes, count: int, callers: int) -> float:
    """The same by aiokafka alone, which promises the same: all in-sync replicas, idempotent; seconds."""
    numbers = iter(range(count))
    producer = AIOKafkaProducer(
        bootstrap_servers=address, acks="all", enable_idempotence=True,
        max_request_size=FRAMED_RECORD_BYTES, max_batch_size=BATCH_BYTES,
    )  # fmt: skip

    async def caller(key: bytes) -> None:
        for _ in numbers:
            await producer.send_and_wait(topic.name, value, key)

    async with producer:
        began = time.perf_counter()
        await asyncio.gather(*(caller(b"camera-%d" % index) for index in range(callers)))
        return time.perf_counter() - began


async def read_log(log: Log, topic: Topic, count: int) -> float:
    async with log.consumer([topic.name], group=None) as reader:
        began = time.perf_counter()
        got = 0
        while got < count:
            got += len(await reader.poll(timeout_s=5.0))
        return time.perf_counter() - began


@dataclass(frozen=True)
class Round:
    """What one round of one log took; seconds, CPU seconds with ``cpu``."""

    batch: int
    took_s: float
    raw_s: float
    read_s: float
    raw_read_s: float
    cpu_s: float
    flush_s: float = 0.0
    broker_cpu_s: float | None = None
    bare_s: float | None = None
    bare_cpu_s: float | None = None


async def measure(log: Log, load: Load, total_bytes: int, rounds: int, folder: Path) -> list[dict[str, Any]]:
    value, count = os.urandom(load.record_bytes), max(total_bytes // load.record_bytes, load.callers)
    done = [await _one_round(log, load, value, count, turn, folder) for turn in range(rounds + 1)]
    return _rows(log, load, count, done[1:])  # the first is a warm-up


async def _one_round(log: Log, load: Load, value: bytes, count: int, turn: int, folder: Path) -> Round:
    topic, beside = (_topic(f"bench-{load.record_bytes}-{turn}-{time.time_ns()}{end}") for end in ("", "-bare"))
    broker = log.server if isinstance(log, MeasuredKafka) else None
    await log.ensure([topic])
    await first_records(log, topic, load.callers)
    await asyncio.to_thread(os.sync)
    flushes, before_s, broker_before_s = FlushCount(), time.process_time(), _cpu_s(broker)
    with flushes.installed():
        took_s = await write_log(log, topic, value, count, load.callers)
    cpu_s, broker_cpu_s = time.process_time() - before_s, _cpu_s(broker)
    flush_s = await asyncio.to_thread(flush_topic, broker.directory, topic) if broker else 0.0
    await asyncio.to_thread(os.sync)
    # Kafka flushes when it likes: it is compared with the batches in which its callers wait.
    batch = max(1, round(count / flushes.flushes)) if flushes.flushes else max(1, load.callers // 2)
    raw = folder / "raw"
    raw_s = await asyncio.to_thread(write_raw, raw, value, count, batch)
    read_s = await read_log(log, topic, count + load.callers)
    raw_read_s = await asyncio.to_thread(read_raw, raw, load.record_bytes)
    raw.unlink()
    if isinstance(log, EmbeddedLog):
        await log.trim({partition: count + load.callers for partition in await _partitions(log, topic)})
    taken = Round(batch, took_s, raw_s, read_s, raw_read_s, cpu_s, flush_s)
    if not isinstance(log, MeasuredKafka) or broker_cpu_s is None or broker_before_s is None:
        return taken
    await log.ensure([beside])
    await first_records(log, beside, load.callers)
    await asyncio.to_thread(os.sync)
    before_s = time.process_time()
    bare_s = await write_bare(log.server.address, beside, value, count, load.callers)
    bare_cpu_s = time.process_time() - before_s
    return replace(taken, broker_cpu_s=broker_cpu_s - broker_before_s, bare_s=bare_s, bare_cpu_s=bare_cpu_s)


def _rows(log: Log, load: Load, count: int, done: Sequence[Round]) -> list[dict[str, Any]]:
    mb, mib = count * load.record_bytes / 1e6, count * load.record_bytes / MIB

    def median(figure: Callable[[Round], float | None]) -> float | None:
        found = [number for one in done if (number := figure(one)) is not None]
        return statistics.median(found) if found else None

    def over(part: float | None, whole: float | None) -> float | None:
        return None if part is None or whole is None else part / whole

    common = {
        "adapter": "kafka" if isinstance(log, MeasuredKafka) else "embedded",
        "record_kib": load.record_bytes // 1024, "callers": load.callers,
        "raw_batch_records": median(lambda one: one.batch),
    }  # fmt: skip
    append = {
        "mb_per_s": median(lambda one: mb / one.took_s), "raw_mb_per_s": median(lambda one: mb / one.raw_s),
        "ratio": median(lambda one: one.raw_s / one.took_s),
        "ratio_flushed": median(lambda one: one.raw_s / (one.took_s + one.flush_s)),
        "bare_mb_per_s": median(lambda one: over(mb, one.bare_s)),
        "of_bare": median(lambda one: over(one.bare_s, one.took_s)),
        "cpu_ms_per_mib": median(lambda one: one.cpu_s / mib * 1e3),
        "bare_cpu_ms_per_mib": median(lambda one: over(one.bare_cpu_s, mib / 1e3)),
        "broker_ms_per_mib": median(lambda one: over(one.broker_cpu_s, mib / 1e3)),
    }  # fmt: skip
    read = {
        "mb_per_s": median(lambda one: mb / one.read_s), "raw_mb_per_s": median(lambda one: mb / one.raw_read_s),
        "ratio": median(lambda one: one.raw_read_s / one.read_s),
    }  # fmt: skip
    return [{**common, "what": "append", **append}, {**common, "what": "read", **read}]


def flush_topic(folder: Path, topic: Topic) -> float:
    """Have the disk write what a broker on this machine still holds in memory of a topic; seconds."""
    began = time.perf_counter()
    for path in folder.glob(f"data/{topic.name}-*/*.log"):
        file = os.open(path, os.O_RDONLY)
        os.fdatasync(file)
        os.close(file)
    return time.perf_counter() - began


def _cpu_s(server: LocalServer | None) -> float | None:
    if server is None:
        return None
    times = psutil.Process(server.pid).cpu_times()
    return float(times.user + times.system)


def _topic(name: str) -> Topic:
    return Topic(name, "camera_id", "of a bench", 12, 3_600_000)


async def _partitions(log: EmbeddedLog, topic: Topic) -> list[Any]:
    async with log.consumer([topic.name], group=None) as reader:
        return sorted(reader.assignment())


@contextlib.asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Log]:
    log = await EmbeddedLog.open(folder / "log")
    yield log
    await log.close()


@contextlib.asynccontextmanager
async def kafka() -> AsyncIterator[Log]:
    from deploy.local.servers import KafkaServer

    with KafkaServer() as server:
        log = MeasuredKafka(server.address, append_timeout_s=30.0)
        log.server = server
        await warm_up(log)
        yield log
        await log.close()


async def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="kanhu-bench-log-", dir=arguments.directory) as name:
        folder = Path(name)
        adapters: Mapping[str, Callable[[], contextlib.AbstractAsyncContextManager[Log]]]
        adapters = {"embedded": partial(embedded, folder)}
        if not arguments.without_kafka:
            adapters["kafka"] = kafka
        for opened in adapters.values():
            async with opened() as log:
                for load in LOADS:
                    rows += await measure(log, load, arguments.mebibytes * MIB, arguments.rounds, folder)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.log", description=__doc__.splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=384, help="appended per round and record size")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", help="on the disk to measure; default: the temporary directory")
    parser.add_argument("--without-kafka", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = asyncio.run(run(arguments))
    emit("log", rows, as_json=arguments.json, notes=[f"goal: ratio of embedded append >= {GOAL}"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
