"""The HTTP API and the page's files. Thin: each route reads its arguments, asks one object, shapes one answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi import Path as PathPart
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles

from services.backbone.camera_password import sealed_for_agents
from services.backbone.ports import Outgoing
from services.backbone.running import Host, program_version
from services.console.access import Gate
from services.console.core.enrolment import CameraForm, EnrolmentRefused, camera_from
from services.console.following import Viewers
from services.console.viewing import Viewing
from services.console.views import Views
from services.contracts.entity_record import config_key, encode_entity
from services.contracts.errors import Corrupt, Held, KanhuError, NotFound, Rejected, Transient
from services.contracts.ids import NAME_PATTERN
from services.contracts.settings import EmbeddedBackbone
from services.contracts.source_url import parse_source_url
from services.contracts.time import DAY_NS, Span, parse_rfc3339
from services.contracts.topics import CONFIG

PAGE = Path(__file__).parent / "web" / "dist"
_LONGEST_WINDOW_NS = 8 * DAY_NS
_BEAT_S = 15.0
_NOT_BUILT = (
    "<!doctype html><title>Kanhu</title><p>The page is not built: run <code>make setup</code>, "
    "or <code>npm ci && npm run build</code> in services/console/web.</p>"
)
CameraName = Annotated[str, PathPart(pattern=NAME_PATTERN)]


@dataclass(slots=True)
class Console:
    """What the routes stand on."""

    host: Host
    views: Views
    viewing: Viewing
    viewers: Viewers
    gate: Gate

    @property
    def declared(self) -> frozenset[str]:
        return frozenset(camera.camera_id for camera in self.host.settings.cameras)


def console_app(console: Console) -> FastAPI:
    """The application, every route behind the gate."""
    app = FastAPI(
        title="Kanhu console",
        version=program_version(),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.middleware("http")(console.gate)
    app.add_exception_handler(KanhuError, _explain)
    app.add_exception_handler(RequestValidationError, _explain_request)
    _site(app, console)
    _records(app, console)
    _incidents(app, console)
    _pixels(app, console)
    _enrolling(app, console)
    _page(app)
    return app


def _site(app: FastAPI, console: Console) -> None:
    """What there is: the institution and what was enrolled."""
    views, host = console.views, console.host

    @app.get("/api/v1/site")
    async def site() -> dict[str, Any]:
        """The institution, the program and the agents."""
        institution, policy = host.settings.institution, host.settings.retain.policy
        return {
            "title": institution.title, "time_zone": institution.time_zone, "version": program_version(),
            "now_ns": host.backbone.clock.now_ns(), "agents": await views.agents(),
            "floor_days": policy.floor_days, "ceiling_days": policy.ceiling_days, "policy_version": policy.version,
        }  # fmt: skip

    @app.get("/api/v1/cameras")
    async def cameras() -> dict[str, Any]:
        return {"cameras": await views.cameras(host.entities.current.cameras, console.declared)}

    @app.get("/api/v1/sensors")
    async def sensors() -> dict[str, Any]:
        return {"sensors": await views.sensors(host.entities.current.sensors)}


def _records(app: FastAPI, console: Console) -> None:
    """What was recorded, and what was not."""
    views, clock = console.views, console.host.backbone.clock

    @app.get("/api/v1/gaps")
    async def gaps(limit: Annotated[int, Query(ge=1, le=500)] = 50) -> dict[str, Any]:
        return {"gaps": await views.gaps(limit)}

    @app.get("/api/v1/coverage")
    async def coverage(
        camera: Annotated[str, Query(pattern=NAME_PATTERN)],
        since: Annotated[str | None, Query(alias="from", max_length=40)] = None,
        until: Annotated[str | None, Query(alias="to", max_length=40)] = None,
    ) -> dict[str, Any]:
        """Spans of a camera's recorded stream; the last 24 hours unless ``from`` and ``to`` (RFC 3339) say otherwise."""
        return await views.coverage(camera, _window(since, until, clock.now_ns()))


def _window(since: str | None, until: str | None, now_ns: int) -> Span:
    end_ns = parse_rfc3339(until) if until else now_ns
    window = Span(parse_rfc3339(since) if since else end_ns - DAY_NS, end_ns)
    if window.duration_ns > _LONGEST_WINDOW_NS:
        raise Rejected("ask for at most eight days at once")
    return window


def _incidents(app: FastAPI, console: Console) -> None:
    """What happened: as archived, and as it is said."""

    @app.get("/api/v1/incidents")
    async def incidents(limit: Annotated[int, Query(ge=1, le=500)] = 50) -> dict[str, Any]:
        return {"incidents": await console.views.incidents(limit)}

    @app.get("/api/v1/incidents/stream")
    async def incident_stream() -> Response:
        """Incidents as they are said (server-sent events)."""
        queue = console.viewers.join()
        if queue is None:
            raise Transient("too many pages follow the incidents already; close one")
        return StreamingResponse(
            _told(console, queue), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )


async def _told(console: Console, queue: asyncio.Queue[Any]) -> AsyncIterator[str]:
    """One viewer's stream, until it leaves or the console stops."""
    stopping = asyncio.create_task(console.host.stop.wait())
    try:
        yield "retry: 2000\n\n"
        while not stopping.done():
            getting = asyncio.create_task(queue.get())
            await asyncio.wait({getting, stopping}, timeout=_BEAT_S, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done():
                getting.cancel()
                yield ": beat\n\n"
                continue
            said = getting.result()
            document = "{}" if said is None else json.dumps(said.model_dump(mode="json"), ensure_ascii=False)
            yield f"event: {'anew' if said is None else 'incident'}\ndata: {document}\n\n"
    finally:
        stopping.cancel()
        console.viewers.leave(queue)


def _pixels(app: FastAPI, console: Console) -> None:
    @app.get("/api/v1/cameras/{camera_id}/picture.jpg")
    async def picture(request: Request, camera_id: CameraName) -> Response:
        """The newest picture; an audit entry is durable before it is shown (I6)."""
        if camera_id not in console.host.entities.current.cameras:
            raise NotFound(f"there is no camera {camera_id}")
        jpeg, at_ns = await console.viewing.live_picture(request.state.viewer, camera_id)
        return Response(jpeg, media_type="image/jpeg", headers={"X-Capture-Ns": str(at_ns)})

    @app.get("/api/v1/incidents/{incident_id}/snapshot.jpg")
    async def snapshot(request: Request, incident_id: Annotated[str, PathPart(max_length=120)]) -> Response:
        """The picture that raised an incident; audited likewise."""
        return Response(await console.viewing.snapshot(request.state.viewer, incident_id), media_type="image/jpeg")


def _enrolling(app: FastAPI, console: Console) -> None:
    host = console.host

    @app.post("/api/v1/cameras", status_code=201)
    async def enrol(form: CameraForm) -> dict[str, Any]:
        """Enrol a camera by URL: checked, then published on ``config.v1``; the agent takes it up within seconds."""
        camera = camera_from(form)
        if camera.camera_id in host.entities.current.cameras:
            raise EnrolmentRefused([("camera_id", f"there is a camera {camera.camera_id} already; take another name")])
        await asyncio.to_thread(_refuse_missing_file, camera.url, host)
        camera = await sealed_for_agents(camera, host.backbone.keys, at_ns=host.backbone.clock.now_ns())
        await host.backbone.log.append([Outgoing(CONFIG.name, config_key(camera), encode_entity(camera))])
        return {"camera_id": camera.camera_id}

    @app.delete("/api/v1/cameras/{camera_id}", status_code=202)
    async def withdraw(camera_id: CameraName) -> dict[str, Any]:
        """Take an enrolled camera out. Its footage stays as long as the policy says."""
        camera = host.entities.current.cameras.get(camera_id)
        if camera is None:
            raise NotFound(f"there is no camera {camera_id}")
        if camera_id in console.declared:
            raise Held(f"{camera_id} is declared in the settings file; take it out there")
        await host.backbone.log.append([Outgoing(CONFIG.name, config_key(camera), None)])
        return {"camera_id": camera_id}


def _refuse_missing_file(url: str, host: Host) -> None:
    """In a box the agent is on this machine, so a mistyped path is told at once and in place."""
    address = parse_source_url(url)
    if (
        isinstance(host.settings.backbone, EmbeddedBackbone)
        and address.scheme == "file"
        and not Path(address.path).is_file()
    ):
        raise EnrolmentRefused([("url", f"there is no file {address.path} on this machine")])


def _page(app: FastAPI) -> None:
    if (PAGE / "index.html").is_file():
        app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    else:

        @app.get("/")
        async def not_built() -> Response:
            return Response(_NOT_BUILT, 503, media_type="text/html")


async def _explain(_request: Request, error: Exception) -> JSONResponse:
    """One of our errors as a status and sentences that the form can show in place."""
    if isinstance(error, EnrolmentRefused):
        taken = any("already" in message for _, message in error.faults)
        faults = [{"field": field, "message": message} for field, message in error.faults]
        return JSONResponse({"errors": faults}, 409 if taken else 422)
    status = {Rejected: 400, NotFound: 404, Held: 409, Transient: 503, Corrupt: 502}.get(type(error), 500)
    return JSONResponse({"errors": [{"field": None, "message": str(error)}]}, status)


async def _explain_request(_request: Request, error: Exception) -> JSONResponse:
    """A request that is not even shaped right; the input is not repeated (a password may be in it)."""
    assert isinstance(error, RequestValidationError)
    faults = [
        {"field": str(fault["loc"][-1]), "message": _in_words(fault["type"], fault["msg"])} for fault in error.errors()
    ]
    return JSONResponse({"errors": faults}, 422)


def _in_words(kind: str, message: str) -> str:
    return "fill this in" if kind in ("string_too_short", "missing") else message
