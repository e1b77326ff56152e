"""A process for the log's behaviour suite: ``python -m tests.harness.log_child KIND ADDRESS produce|consume|stall ...``.

It is there to be killed or stopped. Every line it prints is true at that moment: ``acked`` follows the acknowledgement.
"""

from __future__ import annotations

import asyncio
import sys
import time

from services.backbone.ports import Log, Outgoing
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
    """Read one record; having been stopped for a while, try to commit it."""
    async with log.consumer([topic], group=group) as consumer:
        records = []
        while not records:
            records = await consumer.poll(max_records=1)
        say("read", records[0].partition, records[0].offset)
        awake = time.monotonic()
        while time.monotonic() - awake < 1.0:
            awake = time.monotonic()
            await asyncio.sleep(0.2)
        try:
            while True:
                await consumer.commit({records[0].topic_partition: records[0].offset + 1})
                say("committed", records[0].partition, records[0].offset + 1)
                await asyncio.sleep(0.1)
        except KanhuError as error:
            say("refused", type(error).__name__)
        await asyncio.Event().wait()


async def main(kind: str, address: str, role: str, *arguments: str) -> None:
    log = await open_log(kind, address)
    await {"produce": produce, "consume": consume, "stall": stall}[role](log, *arguments)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
