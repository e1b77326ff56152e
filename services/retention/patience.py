"""Repeating what failed for the moment: longer and longer waits, a loud log, and never giving up what must be done.

Belongs here: the one retry loop of this room. Does not belong here: what is repeated (each such action is idempotent).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from services.backbone import metrics
from services.backbone.ports import Clock
from services.backbone.readiness import Readiness
from services.contracts.errors import KanhuError, Rejected, Transient

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0

T = TypeVar("T")
logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class Patience:
    """Repeats actions; while one fails, the condition ``name`` of readiness does not hold."""

    clock: Clock
    readiness: Readiness
    name: str = "recorder"
    failing: int = 0

    async def persist(self, action: Callable[[], Awaitable[T]], doing: str, *waited_out: type[KanhuError]) -> T:
        """Return the action's result, however long it takes. The named errors are waited out, others are raised.

        By default ``Transient``, and ``Rejected`` too: settings or rights are wrong, and nothing is lost while somebody
        corrects them.
        """
        patient = waited_out or (Transient, Rejected)
        wait_s = _FIRST_WAIT_S
        failed = False
        try:
            while True:
                try:
                    return await action()
                except patient as error:
                    if not failed:
                        failed = True
                        self._note(1)
                    self._complain(error, doing, wait_s)
                await self.clock.sleep(wait_s * random.uniform(0.7, 1.0))  # noqa: S311 - jitter
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
        finally:
            if failed:
                self._note(-1)

    def _note(self, change: int) -> None:
        self.failing += change
        metrics.RETENTION_WAITING.set(self.failing)
        if self.failing == 0:
            self.readiness.set(self.name, True)

    def _complain(self, error: KanhuError, doing: str, wait_s: float) -> None:
        self.readiness.set(self.name, False, f"{doing}: {error}")
        say = logger.warning if isinstance(error, Transient) else logger.error
        say("waiting; nothing is lost", doing=doing, error=str(error), wait_s=round(wait_s, 1))
