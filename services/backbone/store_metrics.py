"""Timing and counting of object store operations, the same for every adapter."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from services.backbone import metrics
from services.contracts.errors import KanhuError


@contextlib.contextmanager
def observed(operation: str) -> Iterator[None]:
    """Observe the duration of an operation; count the error it ends with, if any."""
    with metrics.STORE_SECONDS.labels(operation=operation).time():
        try:
            yield
        except KanhuError as error:
            metrics.STORE_ERRORS.labels(operation=operation, kind=type(error).__name__.lower()).inc()
            raise
