"""Real servers for every tier, started when the first test asks for one and shared by the whole run.

A test that hurts a shared server (``kill``, ``pause``) must leave it working (``restart``, ``resume``); one that needs a server
in a state of its own starts its own: ``with KafkaServer() as kafka:``. Share a server, not its content: take topics, buckets
and databases of your own (``postgres.create_database()``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from deploy.local.servers import KafkaServer, MinioServer, MosquittoServer, PostgresServer, RtspCameraServer

RtspCameras = Callable[..., RtspCameraServer]

#: Modules in which each mode has an installation of its own, and nothing else that costs time is shared.
_INSTALLED_BY_MODE = ("tests/integration/spine/", "tests/integration/retention/")


#: What waits longest comes first, so that the short ones fill what is left of the others' time.
_FIRST = (
    "tests/integration/spine/test_outages.py", "tests/integration/spine/test_kills.py", "tests/integration/spine/",
    "tests/integration/retention/", "tests/e2e/", "tests/integration/", "tests/contract/",
)  # fmt: skip


class ByModuleAndMode(LoadScopeScheduling):
    """A worker gets a module at a time, or the tests of one mode of a module that installs both: they wait side by side."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = super()._split_scope(nodeid)
        mode = next((mode for mode in ("embedded", "distributed") if f"[{mode}" in nodeid), "")
        return f"{scope}[{mode}]" if mode and scope.startswith(_INSTALLED_BY_MODE) else scope


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {
        item: next((at for at, place in enumerate(_FIRST) if item.nodeid.startswith(place)), len(_FIRST))
        for item in items
    }
    items.sort(key=places.__getitem__)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    return ByModuleAndMode(config, log) if config.getvalue("dist") == "loadscope" else None


settings.register_profile("kanhu", deadline=None)  # of the wall clock: it would measure what else the machine does
settings.load_profile("kanhu")


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    with KafkaServer() as server:
        yield server


@pytest.fixture(scope="session")
def minio() -> Iterator[MinioServer]:
    with MinioServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def mosquitto() -> Iterator[MosquittoServer]:
    with MosquittoServer() as server:
        yield server


@pytest.fixture
def rtsp_camera() -> Iterator[RtspCameras]:
    """``rtsp_camera({"door": file}, once=True, user="u", password="p")`` → a running ``RtspCameraServer``."""
    with ExitStack() as running:

        def plug_in(mounts: Mapping[str, Path], **options: Any) -> RtspCameraServer:
            return running.enter_context(RtspCameraServer(mounts, **options))

        yield plug_in
