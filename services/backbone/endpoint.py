"""The small HTTP endpoint of every service: ``/metrics``, ``/healthz``, ``/readyz``.

Belongs here: binding and serving it beside the service. Does not belong here: anything a person uses (``services.console``).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import structlog
import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.backbone.readiness import Readiness
from services.contracts.errors import Rejected

logger = structlog.get_logger(__name__)


class ServedHere(uvicorn.Server):
    """A uvicorn server that leaves the signals to the service it stands beside, and does not wake it ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Have it stop serving."""
        self.should_exit = True
        self._ended.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Ticks once a second: all that is to be done then is the date that answers carry."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._ended.wait()


def bind(listen: str) -> socket.socket:
    """A listening socket for ``HOST:PORT`` (``[::1]:0`` too; port 0 takes a free one); ``Rejected`` says why not."""
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise Rejected(f"{listen!r} is no address to listen on; write HOST:PORT, for example 127.0.0.1:0")
    host = host.strip("[]")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise Rejected(
            f"cannot listen on {listen}: {error.strerror or error}; name an address of this machine"
        ) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise Rejected(
            f"cannot listen on {listen}: {error.strerror or error}; choose a free port of this machine"
        ) from error
    bound.setblocking(False)
    return bound


def bound_address(bound: socket.socket) -> str:
    """``HOST:PORT`` as bound."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextlib.asynccontextmanager
async def serve_app(app: FastAPI, bound: socket.socket, *, drain_s: float = 3.0) -> AsyncIterator[ServedHere]:
    """Serve an application on a bound socket while the block runs; open requests get ``drain_s`` to end."""
    server = ServedHere(
        uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", server_header=False,
            timeout_graceful_shutdown=max(1, int(drain_s)),
        )
    )  # fmt: skip
    serving = asyncio.create_task(server.serve(sockets=[bound]), name="http endpoint")
    try:
        yield server
    finally:
        server.end()
        await serving
        bound.close()


@contextlib.asynccontextmanager
async def observability(listen: str, readiness: Readiness) -> AsyncIterator[str]:
    """Serve the endpoint while the block runs; gives its base URL."""
    bound = bind(listen)
    url = f"http://{bound_address(bound)}"
    async with serve_app(observability_app(readiness), bound):
        logger.info("observability endpoint is listening", url=url)
        yield url


def observability_app(readiness: Readiness) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/metrics")
    def show_metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/healthz")
    async def show_health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def show_readiness() -> JSONResponse:
        return JSONResponse(readiness.as_json(), status_code=200 if readiness.ready else 503)

    return app
