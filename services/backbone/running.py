"""How every service runs: settings, logs, endpoint, backbone, entities, signals; then the service's own ``run``.

Belongs here: the life of one service process from its arguments to its exit code. Does not belong here: what a service
does, and which adapters it gets (``assembly.py``).

Exit codes: 0 stopped as asked; 1 failed; 2 wrong use or settings (one line on stderr says which).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import structlog
import uvloop

from services.backbone import metrics
from services.backbone.assembly import Role, close_backbone, open_backbone, role_of
from services.backbone.endpoint import observability
from services.backbone.entities import EntityFeed, open_entities
from services.backbone.ports import Backbone
from services.backbone.readiness import Readiness
from services.backbone.settings_file import BOX_FILE, for_data_directory, load_settings
from services.backbone.shutdown import follow_parent, stop_on_signals
from services.backbone.telemetry import configure_logging
from services.backbone.tls import in_the_clear
from services.contracts.errors import KanhuError, Transient
from services.contracts.settings import DistributedBackbone, Settings

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 10.0
BACKBONE_CONDITION = "backbone"

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class Host:
    """What a service is given. ``settings_path`` is the FILE that was read, if any."""

    settings: Settings
    settings_path: Path | None
    backbone: Backbone
    stop: asyncio.Event
    readiness: Readiness
    entities: EntityFeed


Service = Callable[[Host], Awaitable[None]]


def run_service(name: str, run: Service, argv: Sequence[str] | None = None) -> int:
    """Run one service until it ends or is told to stop; return the exit code."""
    arguments = _parser(name).parse_args(argv)
    try:
        settings, path = _read_settings(arguments)
    except KanhuError as error:
        return _complain(name, error)
    configure_logging(level=settings.observability.log_level, form=settings.observability.log_format, service=name)
    metrics.BUILD.info({"service": name, "version": program_version()})
    follow_parent()
    # Decision 16: cheaper than the standard library's loop where work comes dozens of times a second.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_live(name, run, settings, path))


async def lasting(work: Callable[[], Awaitable[None]]) -> None:
    """Run a part of a service in its task group. A group takes a cancelled member for one that was told to go; a cancellation
    that nobody asked for (a library lets one out of a task of its own) is made the failure that it is.

    ``work`` is called when the task has its turn: one that is told to go before that leaves no coroutine that nobody awaits.
    """
    try:
        await work()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling() == 0:
            raise RuntimeError("a part of the service was ended by a cancellation that nobody asked for") from error
        raise


def program_version() -> str:
    try:
        return version("kanhu")
    except PackageNotFoundError:
        return "unknown"


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"kanhu {name}")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--config", type=Path, metavar="FILE", help="settings of a distributed installation (YAML)")
    where.add_argument("--data", type=Path, metavar="DIR", help="directory of a box")
    return parser


def _read_settings(arguments: argparse.Namespace) -> tuple[Settings, Path | None]:
    if arguments.config is not None:
        return load_settings(arguments.config), arguments.config
    # A box without box.yaml may get one later, so the path is watched all the same.
    return for_data_directory(arguments.data), arguments.data / BOX_FILE


def _complain(name: str, error: KanhuError) -> int:
    sys.stderr.write(f"kanhu {name}: {error}\n")
    return 1 if isinstance(error, Transient) else 2


async def _live(name: str, run: Service, settings: Settings, path: Path | None) -> int:
    stop = asyncio.Event()
    readiness = Readiness()
    readiness.expect(BACKBONE_CONDITION, "being opened")
    try:
        with stop_on_signals(stop):
            async with observability(settings.observability.listen, readiness):
                return await _work(name, run, settings, path, stop, readiness)
    except KanhuError as error:
        logger.error("service cannot run", error=str(error), kind=type(error).__name__)
        return _complain(name, error)


async def _work(
    name: str, run: Service, settings: Settings, path: Path | None, stop: asyncio.Event, readiness: Readiness
) -> int:
    if isinstance(settings.backbone, DistributedBackbone) and (clear := in_the_clear(settings.backbone)):
        logger.warning("servers are spoken to without verified TLS", servers=clear, remedy="add tls to their settings")
    async with _backbone(settings, role_of(name), stop, readiness) as backbone:
        if backbone is None:
            return 0
        async with open_entities(backbone, settings, path, role=role_of(name)) as entities:
            logger.info("service runs", version=program_version())
            gc.collect()
            gc.freeze()  # what was imported lives as long as the process: no need to look through it again and again
            try:
                await run(Host(settings, path, backbone, stop, readiness, entities))
            except KanhuError:
                raise
            except Exception:
                logger.exception("service failed; this is a defect")
                return 1
            logger.info("service stopped")
    return 0


@contextlib.asynccontextmanager
async def _backbone(
    settings: Settings, role: Role, stop: asyncio.Event, readiness: Readiness
) -> AsyncIterator[Backbone | None]:
    backbone = await open_patiently(settings, role, stop, readiness)
    try:
        yield backbone
    finally:
        if backbone is not None:
            await close_backbone(backbone)


async def open_patiently(settings: Settings, role: Role, stop: asyncio.Event, readiness: Readiness) -> Backbone | None:
    """Open the backbone, waiting longer after each ``Transient``; ``None`` when told to stop meanwhile."""
    wait_s = _FIRST_WAIT_S
    while not stop.is_set():
        try:
            backbone = await open_backbone(settings, role=role)
        except Transient as error:
            metrics.STARTUP_RETRIES.inc()
            readiness.set(BACKBONE_CONDITION, False, str(error))
            logger.warning("backbone is not there yet; trying again", error=str(error), wait_s=round(wait_s, 1))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait_s * random.uniform(0.7, 1.0))  # noqa: S311 - jitter
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
        else:
            readiness.set(BACKBONE_CONDITION, True)
            return backbone
    return None
