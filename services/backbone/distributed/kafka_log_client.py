"""Ending a consumer of aiokafka: within a bound, with everything it started, and without harm to whoever asked for it.

Belongs here: what ``AIOKafkaConsumer.stop`` leaves undone. Does not belong here: when a client is ended (``kafka_log_consumer``).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

_STOP_LIMIT_S = 10.0
_SWEEP_LIMIT_S = 3.0
_ending: set[asyncio.Task[None]] = set()


async def end_consumer(inner: AIOKafkaConsumer) -> None:
    """Return when the client is ended; a caller that is cancelled meanwhile goes on, and the end comes all the same.

    ``stop`` lets the cancellation of its own tasks out: a fetch that waits before its next attempt, as all do while the broker
    is away, ends ``stop`` with ``CancelledError`` half-way. In the caller's task that would look as if somebody had cancelled
    the caller, who then ends without a word. So ``stop`` has a task of its own here, and what it left is swept up.
    """
    ending = asyncio.create_task(_end(inner), name="kafka-consumer-end")
    _ending.add(ending)
    ending.add_done_callback(_ending.discard)
    await asyncio.wait([ending])


async def _end(inner: AIOKafkaConsumer) -> None:
    stopping = asyncio.create_task(inner.stop(), name="kafka-consumer-stop")
    await asyncio.wait([stopping], timeout=_STOP_LIMIT_S)
    if stopping.done() and not stopping.cancelled() and stopping.exception() is None:
        return
    await _cancel({stopping, *_tasks_of(inner)})
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(_SWEEP_LIMIT_S):
            await inner._client.close()


def _tasks_of(inner: AIOKafkaConsumer) -> set[asyncio.Task[Any]]:
    fetcher, coordinator = inner._fetcher, inner._coordinator
    named = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
    found = [getattr(fetcher, "_fetch_task", None), *(getattr(coordinator, name, None) for name in named)]
    return {task for task in [*found, *getattr(fetcher, "_pending_tasks", ())] if task is not None}


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel, and take note of every outcome so that none is complained about later."""
    for task in tasks:
        task.cancel()
    ended, _ = await asyncio.wait(tasks, timeout=_SWEEP_LIMIT_S)
    await asyncio.gather(*ended, return_exceptions=True)
