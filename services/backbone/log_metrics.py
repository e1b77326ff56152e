"""What every log adapter counts the same way."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from services.backbone import metrics
from services.contracts.errors import KanhuError


@contextlib.contextmanager
def appending() -> Iterator[None]:
    """Time an append, or count its failure by kind."""
    began = time.perf_counter()
    try:
        yield
    except KanhuError as error:
        metrics.LOG_APPEND_ERRORS.labels(type(error).__name__.lower()).inc()
        raise
    metrics.LOG_APPEND_SECONDS.observe(time.perf_counter() - began)
