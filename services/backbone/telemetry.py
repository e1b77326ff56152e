"""Structured logs: one line per happening, JSON for machines or text for people, and never a secret in it.

Belongs here: how log lines look and what is struck out of them. Does not belong here: metrics (``metrics.py``) and the
HTTP endpoint that shows them (``endpoint.py``).
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TextIO

import structlog
from pydantic import SecretStr

from services.backbone.log_quota import LineQuota
from services.contracts.source_url import redact_url

STRUCK_OUT = "***"
#: Libraries that complain of every attempt while a server is away; what that means for us our own lines say.
TALKATIVE = ("aiokafka",)
#: A key that names a secret; ``password_file`` and ``password_env`` only say where one is.
_SECRET_KEY = re.compile(
    r"(password|passwd|passphrase|secret|token|authorization|credential|cookie|api_?key|private_?key)", re.I
)
_REFERENCE_KEY = re.compile(r"(_file|_env|_path|_count|_bytes)$", re.I)
#: ``password=…``, ``"token": "…"``, ``Authorization: Bearer …`` inside free text such as a library's message.
_SECRET_IN_TEXT = re.compile(
    r"(?P<name>\b(?:password|passwd|secret|token|api_?key|access_key|secret_key)\b[\"']?\s*[=:]\s*[\"']?)(?P<value>[^\s\"',;&)}\]]+)"
    r"|(?P<scheme>\b(?:Bearer|Basic|Digest)\s+)[A-Za-z0-9+/=._~-]{6,}",
    re.I,
)
_MAX_DEPTH = 8
_MAX_TEXT = 16_384

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "text"]
_Line = MutableMapping[str, Any]


def configure_logging(
    *, level: Level = "info", form: Format = "json", service: str = "kanhu", stream: TextIO | None = None
) -> None:
    """Send structlog and the standard library's loggers to ``stream`` (default stderr) in one form. May be called again."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _name_service(service),
        redact,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    output = logging.StreamHandler(stream or sys.stderr)
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(form, output.stream)],
        )
    )
    for library in TALKATIVE:
        output.addFilter(LineQuota(library))
    root = logging.getLogger()
    root.handlers = [output]
    root.setLevel(logging.WARNING)
    logging.getLogger("services").setLevel(getattr(logging, level.upper()))


def _renderer(form: Format, stream: Any) -> Any:
    if form == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    return structlog.dev.ConsoleRenderer(colors=bool(getattr(stream, "isatty", lambda: False)()))


def _name_service(service: str) -> Any:
    def name(_logger: Any, _method: str, line: _Line) -> _Line:
        line.setdefault("service", service)
        return line

    return name


def redact(_logger: Any, _method: str, line: _Line) -> _Line:
    """structlog processor: strike secrets out of every value, however deep."""
    for key in list(line):
        if not key.startswith("_"):
            line[key] = _redact_value(key, line[key], 0)
    return line


def redact_text(text: str) -> str:
    """Free text without URL credentials, ``password=…`` and bearer tokens, cut at 16 KiB."""
    text = redact_url(text[:_MAX_TEXT])
    return _SECRET_IN_TEXT.sub(lambda found: (found["name"] or found["scheme"]) + STRUCK_OUT, text)


def names_secret(key: str) -> bool:
    """Whether a key says that its value is a secret (``token`` does, ``token_file`` does not)."""
    return bool(_SECRET_KEY.search(key)) and not _REFERENCE_KEY.search(key)


def _redact_value(key: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, SecretStr) or names_secret(key):
        return STRUCK_OUT
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if depth >= _MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {str(name): _redact_value(str(name), item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(key, item, depth + 1) for item in value]
    return redact_text(str(value))
