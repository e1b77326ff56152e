"""Keeps the cameras that run equal to the cameras that are wanted, each without disturbing the others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from services.contracts.entity import CameraConfig
from services.ingest.core.reconciling import changes, ours, plans_of
from services.ingest.status_board import StatusBoard
from services.ingest.stream_task import StreamTask, Surroundings

logger = structlog.get_logger(__name__)


class Cameras:
    """The cameras of one agent. ``reconcile`` and ``close`` are called by one task."""

    def __init__(self, around: Surroundings, board: StatusBoard) -> None:
        self._around = around
        self._board = board
        self._configs: dict[str, CameraConfig] = {}
        self._streams: dict[str, list[StreamTask]] = {}

    async def reconcile(self, cameras: Mapping[str, CameraConfig]) -> None:
        """Start, restart and end streams until those of ``cameras`` run."""
        wanted = ours(cameras, self._around.agent_id)
        todo = changes(self._configs, wanted)
        endings = [self._end(name, "camera removed") for name in todo.remove]
        endings += [self._end(name, "settings of the camera changed") for name in todo.restart]
        await asyncio.gather(*endings)
        for name in todo.remove:
            self._board.removed(name)
        self._configs = wanted
        await asyncio.gather(*(self._begin(wanted[name]) for name in (*todo.add, *todo.restart)))
        if todo.add or todo.restart or todo.remove:
            logger.info("cameras", added=todo.add, restarted=todo.restart, removed=todo.remove)

    async def close(self) -> None:
        """End all runs in good order."""
        await asyncio.gather(*(self._end(name, "agent stopped") for name in list(self._streams)))

    def clock_offsets_ns(self) -> dict[str, int]:
        """Camera clock minus agent clock, of those cameras that tell it."""
        found = {name: streams[0].camera_offset_ns for name, streams in self._streams.items()}
        return {name: offset for name, offset in found.items() if offset is not None}

    def pictures(self) -> dict[str, int]:
        """Pictures received on the present connection of each camera's first stream."""
        return {name: streams[0].pictures for name, streams in self._streams.items()}

    async def _begin(self, camera: CameraConfig) -> None:
        streams = [StreamTask(camera, plan, self._around, self._board) for plan in plans_of(camera)]
        self._streams[camera.camera_id] = streams
        for stream in streams:
            await stream.begin()

    async def _end(self, camera_id: str, detail: str) -> None:
        await asyncio.gather(*(stream.withdraw(detail) for stream in self._streams.pop(camera_id, ())))
