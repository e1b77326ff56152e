"""Parts of a service in their task group: told to go at any moment, and never gone unasked."""

from __future__ import annotations

import asyncio

import pytest

from services.backbone.running import lasting


async def test_a_part_told_to_go_before_its_turn_was_never_begun() -> None:
    begun: list[str] = []

    async def work() -> None:
        begun.append("work")

    async with asyncio.TaskGroup() as group:
        group.create_task(lasting(work)).cancel()
    assert begun == []


async def test_a_part_told_to_go_goes() -> None:
    at_work = asyncio.Event()

    async def work() -> None:
        at_work.set()
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(lasting(work))
        await at_work.wait()
        task.cancel()
    assert task.cancelled()


async def test_a_cancellation_that_nobody_asked_for_is_a_failure() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(ExceptionGroup) as failed:
        async with asyncio.TaskGroup() as group:
            group.create_task(lasting(work))
    assert "nobody asked for" in str(failed.value.exceptions[0])
