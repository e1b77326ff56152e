"""A process for the log's behaviour suite: ``python -m tests.harness.log_child KIND ADDRESS produce|consume|stall ...``.

It is there to be killed or stopped. Every line it prints is true at that moment: ``acked`` follows the acknowledgement.
"""

from __future__ import annotations

import asyncio
import sys

from services.backbone.ports import Delivered, Log, Outgoing, TopicPartition
from services.contracts.errors import KanhuError
from tests.harness.log_site import open_log


def say(*words: object) -> None:
    print(*words, flush=True)


def numbered(key: str, number: int, size_bytes: int) -> bytes:
    """A value that tells its number and fills its size."""
    return f"{key} {number} ".encode().ljust(size_bytes, b".")


async def produce(log: Log, topic: str, size_bytes: str) -> None:
    """Append numbered records of four keys for ever, many at once."""

    async def one_key(key: str) -> None:
        number = 0
        while True:
            await log.append([Outgoing(topic, key, numbered(key, number, int(size_bytes)))])
            say("acked", key, number)
            number += 1

    await asyncio.gather(*(one_key(f"k{index}") for index in range(4)))


async def consume(log: Log, topic: str, group: str, commit_up_to: str) -> None:
    """Commit the first records, go on reading without committing."""
    done = 0
    async with log.consumer([topic], group=group) as consumer:
        say("joined")
        while True:
            for record in await consumer.poll(max_records=1):
                say("read", record.partition, record.offset)
                if done < int(commit_up_to):
                    await consumer.commit({record.topic_partition: record.offset + 1})
                    say("committed", record.partition, record.offset + 1)
                done += 1


async def stall(log: Log, topic: str, group: str) -> None:
    """Read one record and go on waiting; try to commit it when the partition is taken away."""
    records: list[Delivered] = []

    async def on_revoked(partitions: frozenset[TopicPartition]) -> None:
        if not records:
            return
        record = records.pop()
        try:
            await consumer.commit({record.topic_partition: record.offset + 1})
            say("committed", record.partition, record.offset + 1)
        except KanhuError as error:
            say("refused", type(error).__name__)

    async with log.consumer([topic], group=group, on_revoked=on_revoked) as consumer:
        while not records:
            records += await consumer.poll(max_records=1)
        assert len(records) == 1
        say("read", records[0].partition, records[0].offset)
        await asyncio.Event().wait()


async def main(kind: str, address: str, role: str, *arguments: str) -> None:
    log = await open_log(kind, address)
    await {"produce": produce, "consume": consume, "stall": stall}[role](log, *arguments)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
