"""Reading what a log holds now, to its end: what a service does once, when it begins.

Belongs here: knowing the end. Does not belong here: following a topic as it grows, and what the records mean.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from services.backbone.ports import Consumer, Delivered, TopicPartition
from services.contracts.errors import Transient

_POLL_S = 1.0
#: So many polls in a row that bring nothing, while the log answers, mean that nothing more is there: the last records of a
#: partition were damaged, or were removed since its end was asked for. One alone means that the machine is busy.
SILENT_POLLS = 5
_MOST_RECORDS = 1000


async def read_to_end(
    consumer: Consumer, *, tail_records: int | None = None, begin: Mapping[TopicPartition, int] | None = None
) -> AsyncIterator[Delivered]:
    """Every record that is in the consumer's topics now, in order for each partition; some that come meanwhile, too.

    With ``tail_records`` only about so many of each partition; with ``begin`` only those partitions from there on. The
    consumer has no group and was not read from before. ``Transient``: the log is away.
    """
    ends = await bounds(consumer)
    if begin is not None:
        consumer.pause(consumer.assignment() - begin.keys())
        ends = {one: (start, end) for one, (start, end) in ends.items() if end > begin.get(one, end)}
    for partition, (start, end) in ends.items():
        first = begin[partition] if begin is not None else end - tail_records if tail_records is not None else start
        if first > start:
            await consumer.seek(partition, first)
    silent = 0
    while ends and silent < SILENT_POLLS:
        records = await consumer.poll(max_records=_MOST_RECORDS, timeout_s=_POLL_S)
        if not records:
            silent += 1
            await consumer.end_offsets()  # an outage is no silence
            continue
        silent = 0
        for record in records:
            yield record
            if record.topic_partition in ends and record.offset + 1 >= ends[record.topic_partition][1]:
                del ends[record.topic_partition]


async def bounds(consumer: Consumer) -> dict[TopicPartition, tuple[int, int]]:
    """First and next offset of the partitions that hold something. ``Transient``: the log is away."""
    for _ in range(SILENT_POLLS):
        if consumer.assignment():
            starts, ends = await consumer.start_offsets(), await consumer.end_offsets()
            return {one: (starts[one], end) for one, end in ends.items() if end > starts.get(one, end)}
        await consumer.poll(max_records=1, timeout_s=_POLL_S)
    raise Transient("the log does not say what it holds; it is tried again", retry_after_s=1.0)
