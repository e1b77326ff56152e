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

from deploy.local.servers import KafkaServer, MinioServer, MosquittoServer, PostgresServer, RtspCameraServer

RtspCameras = Callable[..., RtspCameraServer]

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
