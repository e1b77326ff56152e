"""The receive window of a connection that somebody else holds is found by its address, and is never invented."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from services.ingest.sources.receive_window import window_bytes


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connected(server: socket.socket) -> socket.socket:
    return socket.create_connection(server.getsockname())


def test_no_connection_has_no_window(listening: socket.socket) -> None:
    host, port = listening.getsockname()
    assert window_bytes(host, port) is None


def test_the_window_is_what_the_other_side_may_send_unread(listening: socket.socket) -> None:
    host, port = listening.getsockname()
    with connected(listening), listening.accept()[0] as camera:
        promised = window_bytes(host, port)
        assert promised is not None
        camera.setblocking(False)
        assert camera.send(bytes(promised)) == promised
        assert window_bytes("localhost", port) is not None
        assert window_bytes("127.0.0.2", port) is None


def test_of_several_connections_the_smallest_window_counts(listening: socket.socket) -> None:
    host, port = listening.getsockname()
    with socket.socket() as narrow, connected(listening):
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        wide = window_bytes(host, port)
        narrow.connect((host, port))
        both = window_bytes(host, port)
    assert wide is not None
    assert both is not None
    assert both < wide
