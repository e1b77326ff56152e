"""The console as a service: its readers of the log, its API and page, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from services.backbone.audit import AuditTrail
from services.backbone.endpoint import bind, bound_address, serve_app
from services.backbone.running import Host
from services.backbone.settings_file import read_secret
from services.console.access import Gate, require_token_beyond_loopback
from services.console.core.live_board import LiveBoard
from services.console.following import Viewers, follow_happenings, follow_pictures
from services.console.routes import Console, console_app
from services.console.viewing import Viewing
from services.console.views import Views

AUDIT_CHAIN = "console"
SERVING = "page"

logger = structlog.get_logger(__name__)


async def run(host: Host) -> None:
    """Serve until ``host.stop``."""
    settings = host.settings.console
    token = read_secret(file=settings.token_file, what="console's token") if settings.token_file else None
    secret = token.get_secret_value() if token is not None else None
    require_token_beyond_loopback(settings.listen.rpartition(":")[0], secret)
    host.readiness.expect(SERVING, "the page is not served yet")
    board, viewers = LiveBoard(), Viewers()
    console = _console(host, board, viewers, Gate(secret))
    log = host.backbone.log
    readers = [
        asyncio.create_task(follow_happenings(log, board, viewers), name="happenings"),
        asyncio.create_task(follow_pictures(log, board), name="pictures"),
        asyncio.create_task(_forget_removed(host, board, console.viewing), name="forgetting"),
    ]
    try:
        bound = bind(settings.listen)
        async with serve_app(console_app(console), bound):
            host.readiness.set(SERVING, True)
            logger.info("the page is served", url=f"http://{bound_address(bound)}/")
            await _until_stopped(host, readers)
    finally:
        for task in readers:
            task.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


def _console(host: Host, board: LiveBoard, viewers: Viewers, gate: Gate) -> Console:
    backbone, unit = host.backbone, host.settings.institution.institution_id
    views = Views(backbone.need_catalog(), board, backbone.clock)
    audit = AuditTrail(backbone.need_catalog(), backbone.log, backbone.clock, chain_id=AUDIT_CHAIN)
    viewing = Viewing(audit, views, board, backbone.need_store(), backbone.clock, unit)
    return Console(host, views, viewing, viewers, gate)


async def _until_stopped(host: Host, readers: list[asyncio.Task[None]]) -> None:
    """A reader never ends by itself; if one does, that is a defect and the console must not go on half-blind."""
    stopping = asyncio.create_task(host.stop.wait())
    done, _ = await asyncio.wait({stopping, *readers}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        for task in done - {stopping}:
            task.result()


async def _forget_removed(host: Host, board: LiveBoard, viewing: Viewing) -> None:
    async for entities in host.entities.changes():
        cameras = frozenset(entities.cameras)
        board.keep_only(cameras, frozenset(entities.sensors))
        viewing.keep_only(cameras)
