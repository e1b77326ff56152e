"""Every activation of a model leaves an audit entry: which file, under which licence, on whose assessment (R-24).

The entry is durable before the model looks at its first picture, if the catalog is there. If it is not, the model looks all the
same and the entry follows as soon as it can: that children are watched comes before the paper that says by what.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Protocol

import structlog

from services.analyze.registry import ModelEntry
from services.backbone.audit import AuditTrail
from services.contracts.errors import KanhuError

#: The chain that all analysing services share.
AUDIT_CHAIN = "models"
ACTION = "model.activate"
_WAIT_S = 10.0
_AGAIN_AFTER_S = 30.0

_log = structlog.get_logger(__name__)


class Activated(Protocol):
    @property
    def entry(self) -> ModelEntry: ...
    @property
    def sha256(self) -> str: ...
    @property
    def provider(self) -> str: ...


class ActivationRecorder:
    """Call it with an activated model, from any thread but the event loop's, as often as you like: one entry a model and file."""

    def __init__(self, trail: AuditTrail, loop: asyncio.AbstractEventLoop, actor: str) -> None:
        self._trail = trail
        self._loop = loop
        self._actor = actor
        self._lock = threading.Lock()
        self._recorded: set[tuple[str, str]] = set()
        self._not_before_s = 0.0

    def __call__(self, model: Activated) -> None:
        """Record the activation unless it is; never raises for a trail that is away."""
        name = model.entry.name, model.sha256
        with self._lock:
            if name in self._recorded or time.monotonic() < self._not_before_s:
                return
            try:
                self._append(model)
            except (KanhuError, TimeoutError, CancelledError) as error:
                self._not_before_s = time.monotonic() + _AGAIN_AFTER_S
                _log.error("a model is active and its audit entry is not yet written; it will be tried again",
                           model=model.entry.name, sha256=model.sha256, error=str(error) or type(error).__name__)  # fmt: skip
            else:
                self._recorded.add(name)

    def _append(self, model: Activated) -> None:
        entry = model.entry
        scope = {
            "model": entry.name, "sha256": model.sha256, "licence": entry.licence, "assessment": entry.assessment,
            "task": entry.task, "use": entry.use, "source": entry.source, "provider": model.provider,
        }  # fmt: skip
        writing = self._trail.append(
            actor=self._actor, action=ACTION, reason=f"impact assessment {entry.assessment}", scope=scope
        )
        asyncio.run_coroutine_threadsafe(writing, self._loop).result(_WAIT_S)


def no_record(_model: Activated) -> None:
    """For tools and tests that activate models without an installation."""


Recorder = Callable[[Activated], None]
