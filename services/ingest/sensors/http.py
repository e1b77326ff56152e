"""Readings over HTTP: ``POST /v1/readings`` with a bearer token.

The body is one reading or an array of at most 100: ``{"sensor_id": "front-door", "open": true}``, ``celsius``,
``percent``, ``action`` or ``locked`` according to the sensor's kind, or ``"heartbeat": true``; optionally ``time`` (RFC 3339
with offset) and ``battery_percent``. 202 is said only when all of them are durable; 503 with ``Retry-After`` when they are not.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from services.contracts.cloud_event import Payload
from services.contracts.entity import SensorConfig
from services.contracts.errors import Corrupt, Rejected, Transient
from services.contracts.settings import HttpSensorSettings
from services.contracts.time import parse_rfc3339
from services.ingest.core.sensor_payload import read_fields
from services.ingest.sensors.intake import Intake

logger = structlog.get_logger(__name__)

MAX_BODY_BYTES = 64 * 1024
MAX_READINGS = 100
_MIN_TOKEN_CHARACTERS = 16
_BODY_TIMEOUT_S = 10.0
_STORE_TIMEOUT_S = 10.0
_MAX_CONNECTIONS = 64

Sensors = Callable[[], Mapping[str, SensorConfig]]


class BodyRefused(Exception):
    """The request is wrong; ``status`` and text go to the sender."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def readings_api(intake: Intake, sensors: Sensors, token: str, now_ns: Callable[[], int]) -> FastAPI:
    """The application; ``sensors`` gives those known at the time of a request."""
    api = FastAPI(title="Kanhu agent", docs_url=None, redoc_url=None, openapi_url=None)

    @api.post("/v1/readings")
    async def post_readings(request: Request) -> JSONResponse:
        if not _authorized(request, token):
            return _answer(401, "send the agent's token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        try:
            document = _parse(await _body(request))
            observed_ns = now_ns()
            readings = [_reading(item, sensors(), observed_ns) for item in document]
        except BodyRefused as error:
            return _answer(error.status, str(error))
        try:
            async with asyncio.timeout(_STORE_TIMEOUT_S):
                for reading in readings:
                    await intake.reading(reading, observed_ns, way="http")
        except (Transient, TimeoutError) as error:
            retry_s = getattr(error, "retry_after_s", None) or 5
            return _answer(503, "the readings are not stored; send them again", {"Retry-After": f"{retry_s:.0f}"})
        return JSONResponse({"accepted": len(readings)}, status_code=202)

    return api


@contextlib.asynccontextmanager
async def serve_readings(
    settings: HttpSensorSettings, intake: Intake, sensors: Sensors, now_ns: Callable[[], int]
) -> AsyncIterator[int]:
    """Serve while the block runs; yields the port. ``Rejected`` when address or token file are wrong."""
    api = readings_api(intake, sensors, read_token(Path(settings.token_file)), now_ns)
    host, _, port = settings.listen.rpartition(":")
    listener = _listen(host.strip("[]"), port, settings.listen)
    config = uvicorn.Config(
        api, log_config=None, access_log=False, lifespan="off", limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=15, timeout_graceful_shutdown=2, server_header=False,
    )  # fmt: skip
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listener]), name="readings over HTTP")
    try:
        bound: int = listener.getsockname()[1]
        logger.info("readings are taken over HTTP", listen=f"{host}:{bound}")
        yield bound
    finally:
        server.should_exit = True
        await serving
        listener.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the host's."""
        yield


def read_token(path: Path) -> str:
    """The token in a file; ``Rejected`` when it is missing or too short to be a secret."""
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Rejected(f"the token file {path} of agent.http cannot be read; write a token into it") from error
    if len(token) < _MIN_TOKEN_CHARACTERS:
        raise Rejected(f"the token in {path} has fewer than {_MIN_TOKEN_CHARACTERS} characters; make a longer one")
    return token


def _listen(host: str, port: str, whole: str) -> socket.socket:
    try:
        return socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, ValueError, OverflowError) as error:
        raise Rejected(
            f"agent.http.listen {whole!r} cannot be used: {error}; write HOST:PORT of this machine"
        ) from error


def _authorized(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return hmac.compare_digest(given.strip().encode(), token.encode()) and scheme.lower() == "bearer"


async def _body(request: Request) -> bytes:
    """The body, read no further than it may be long."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    raise BodyRefused(413, f"the body exceeds {MAX_BODY_BYTES} bytes; send fewer readings at once")
    except TimeoutError as error:
        raise BodyRefused(408, f"the body did not arrive within {_BODY_TIMEOUT_S:g} s") from error
    return bytes(body)


def _parse(body: bytes) -> list[dict[str, Any]]:
    if body.count(b"[") + body.count(b"{") > MAX_READINGS + 8:
        raise BodyRefused(422, f"the body holds more than {MAX_READINGS} readings or is nested too deeply")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BodyRefused(422, f"the body is not JSON: {error}") from error
    items = document if isinstance(document, list) else [document]
    if not 1 <= len(items) <= MAX_READINGS or not all(isinstance(item, dict) for item in items):
        raise BodyRefused(422, f"the body must be a reading (an object) or an array of 1 to {MAX_READINGS} of them")
    return items


def _reading(item: dict[str, Any], sensors: Mapping[str, SensorConfig], observed_ns: int) -> Payload:
    name = item.get("sensor_id")
    sensor = sensors.get(name) if isinstance(name, str) else None
    if sensor is None:
        raise BodyRefused(422, f"sensor_id {str(name)[:80]!r} is not a sensor of this agent")
    if isinstance(item.get("time"), str):
        try:
            parse_rfc3339(item["time"])
        except Rejected as error:
            raise BodyRefused(422, f"sensor {sensor.sensor_id}: {error}") from error
    try:
        reading = read_fields(sensor, item, observed_ns)
    except Corrupt as error:
        raise BodyRefused(422, f"sensor {sensor.sensor_id}: {error}") from error
    if reading is None:
        raise BodyRefused(422, f"sensor {sensor.sensor_id}: the reading holds no value for a {sensor.kind} sensor")
    return reading


def _answer(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": message}, status_code=status, headers=headers)
