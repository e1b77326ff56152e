"""A service whose ways the tests choose: ``python -m … WAY --config FILE | --data DIR``. Runs as a process of its own."""

from __future__ import annotations

import asyncio
import sys
import time

from services.backbone.running import Host, run_service
from services.contracts.errors import Rejected, Transient


async def obey(host: Host) -> None:
    """Do nothing until told to stop; then say goodbye."""
    print(f"running {sorted(host.entities.current.cameras)}", flush=True)
    await host.stop.wait()
    print("drained", flush=True)


async def cling(host: Host) -> None:
    """Ignore being told to stop."""
    print("running", flush=True)
    await asyncio.Event().wait()


async def hang(host: Host) -> None:
    """Block the event loop after being told to stop."""
    print("running", flush=True)
    await host.stop.wait()
    time.sleep(600)  # noqa: ASYNC251 - that is the point


async def refuse(host: Host) -> None:
    raise Rejected("the model is not installed; run kanhu models install")


async def starve(host: Host) -> None:
    raise Transient("the broker is away")


async def stumble(host: Host) -> None:
    raise ZeroDivisionError("rtsp://admin:geheim@cam/1")


if __name__ == "__main__":
    ways = {way.__name__: way for way in (obey, cling, hang, refuse, starve, stumble)}
    raise SystemExit(run_service("retain", ways[sys.argv[1]], sys.argv[2:]))
