"""Adapters under test, one fixture per port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness.log_opener import Opener
from tests.harness.log_site import EmbeddedSite, KafkaSite, LogSite


@pytest.fixture(params=["embedded", "kafka"])
async def log_site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LogSite]:
    """An empty embedded log, or the run's Kafka."""
    kafka = request.getfixturevalue("kafka") if request.param == "kafka" else None
    site: LogSite = KafkaSite(kafka) if kafka is not None else EmbeddedSite(str(tmp_path / "log"))
    try:
        yield site
    finally:
        await site.close()


@pytest.fixture
async def opener(tmp_path: Path) -> AsyncIterator[Opener]:
    opener = Opener(tmp_path / "log")
    yield opener
    for log in opener.logs:
        await log.close()
