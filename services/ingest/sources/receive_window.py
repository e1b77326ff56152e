"""How much a camera may send that nobody has read yet, as the kernel promises it: TCP's receive window.

libav keeps its sockets to itself, so they are found among those of this process by the address they are connected to. Of
several connections to the same camera the smallest window counts. Belongs here: looking. Does not belong here: what follows
(``core.napping``).
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import struct
from pathlib import Path

_OPEN_FILES = Path("/proc/self/fd")
#: ``struct tcp_info`` of <linux/tcp.h>: 8 bytes of flags, then 32-bit words; the 15th is the receiver's slow-start threshold,
#: which is what the window may grow to without being read.
_RECEIVE_THRESHOLD = struct.Struct("=64xI")


def window_bytes(host: str, port: int) -> int | None:
    """The smallest window of this process's connections to ``host`` and ``port``; ``None`` when none is found.

    A name instead of an address stands for every host with that port.
    """
    address = _address(host)
    found: list[int] = []
    for file in _open_files():
        with contextlib.suppress(OSError):  # closed meanwhile, or no connection
            if str(file.readlink()).startswith("socket:"):
                found += _windows(int(file.name), address, port)
    return min(found, default=None)


def _windows(descriptor: int, address: str | None, port: int) -> list[int]:
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        if connection.type != socket.SOCK_STREAM or connection.family not in (socket.AF_INET, socket.AF_INET6):
            return []
        peer = connection.getpeername()
        if peer[1] != port or (address is not None and _address(peer[0]) != address):
            return []
        facts = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVE_THRESHOLD.size)
        return list(_RECEIVE_THRESHOLD.unpack(facts)) if len(facts) == _RECEIVE_THRESHOLD.size else []


def _open_files() -> list[Path]:
    try:
        return list(_OPEN_FILES.iterdir())
    except OSError:  # not Linux
        return []


def _address(host: str) -> str | None:
    """One spelling of a numeric address; ``None`` for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
