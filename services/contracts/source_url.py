"""Where a camera's stream comes from: ``rtsp://…``, ``rtsps://…``, ``file:PATH[?loop=1]`` or ``sim:ROOM[?seed=N&…]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from services.contracts.simulated_stream import SimulatedStream, parse_simulated

#: Up to the *last* @ of the word: people write passwords with a raw / or @ in them. A URL without scheme is no reason to tell.
_CREDENTIALS = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]*:/{1,3})\S*@|(?P<bare>(?:^|(?<=[\s'\"=]))[^\s'\"<>:/@]{1,64}:\S*@)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SourceAddress:
    """A parsed URL. ``url`` bears no credentials; for ``file`` ``path`` is set, for ``sim`` ``simulated``."""

    scheme: Literal["rtsp", "rtsps", "file", "sim"]
    url: str
    username: str | None = None
    password: str | None = None
    path: str = ""
    loop: bool = False
    simulated: SimulatedStream | None = None

    def __repr__(self) -> str:
        return f"SourceAddress({redact_url(self.url)!r})"


def parse_source_url(url: str) -> SourceAddress:
    """Parse a camera URL; ``ValueError`` says what is wrong and shows a right one, never the credentials."""
    scheme, colon, rest = url.partition(":")
    match scheme.lower() if colon else "":
        case "rtsp" | "rtsps":
            return _parse_rtsp(url)
        case "file":
            return _parse_file(rest)
        case "sim":
            return _parse_sim(rest)
        case _:
            raise ValueError(
                f"camera URL {redact_url(url)!r} has no scheme we know; "
                "use rtsp://HOST/PATH, rtsps://HOST/PATH, file:PATH[?loop=1] or sim:ROOM[?seed=N]"
            )


def check_source_url(url: str) -> str:
    """Return ``url`` unchanged if it parses (for pydantic)."""
    parse_source_url(url)
    return url


def redact_url(url: str) -> str:
    """The URL without user name and password, for logs and messages."""
    return _CREDENTIALS.sub(lambda found: f"{found['scheme'] or ''}***@", url)


def _parse_rtsp(url: str) -> SourceAddress:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(
            f"camera URL {redact_url(url)!r} is malformed; write rtsp://HOST[:PORT]/PATH, and %40, %2F for @ and / in a password"
        ) from None  # the cause quotes it
    if not host:
        raise ValueError(f"camera URL {redact_url(url)!r} names no host; write rtsp://HOST[:PORT]/PATH")
    netloc = f"[{host}]" if ":" in host else host
    if port is not None:
        netloc = f"{netloc}:{port}"
    bare = urlunsplit((parts.scheme.lower(), netloc, parts.path, parts.query, ""))
    return SourceAddress(
        "rtsps" if parts.scheme.lower() == "rtsps" else "rtsp", bare,
        unquote(parts.username) if parts.username else None, unquote(parts.password) if parts.password else None,
    )  # fmt: skip


def _parse_file(rest: str) -> SourceAddress:
    path, _, query = rest.partition("?")
    options = parse_qs(query, strict_parsing=bool(query))
    if path.startswith("//"):
        path = path[2:]
    if not path or set(options) - {"loop"} or options.get("loop", ["0"]) not in (["0"], ["1"]):
        raise ValueError(f"file:{rest!s} is not a file source; write file:PATH or file:PATH?loop=1")
    return SourceAddress("file", f"file:{rest}", path=unquote(path), loop=options.get("loop") == ["1"])


def _parse_sim(rest: str) -> SourceAddress:
    return SourceAddress("sim", f"sim:{rest}", simulated=parse_simulated(rest))
