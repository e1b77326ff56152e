"""Who may talk to the console: the token, the session cookie, and the defences of a page that is only for this site.

On the loopback interface the operating system's user is trusted and no token is asked for. Beyond it every route asks
for the token, as ``Authorization: Bearer …`` or by the cookie that ``/login`` gives for it.

Belongs here: refusing. Does not belong here: what a person does once inside.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from services.contracts.errors import Rejected

SESSION_COOKIE = "kanhu_session"
_SESSIONS_AT_MOST = 512
_WRONG_TOKEN_WAIT_S = 0.5
_LOGIN_AT_MOST_BYTES = 4096
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
#: Everything the page needs comes from here; nothing is inline, nothing from elsewhere, nobody may frame it.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
LOGIN_PAGE = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>看护 Kanhu</title>
<h1>看护 Kanhu</h1><form method="post" action="/login">
<label>令牌 Token <input name="token" type="password" autocomplete="current-password" autofocus required></label>
<button>进入 Enter</button></form><p>{message}</p></html>"""

Next = Callable[[Request], Awaitable[Response]]


def require_token_beyond_loopback(host: str, token: str | None) -> None:
    """``Rejected`` unless the address is this machine's own or a token is set."""
    if token is None and not is_loopback(host):
        raise Rejected(
            f"the console is to listen on {host}, beyond this machine, without a token; "
            "set console.token_file (KANHU_CONSOLE__TOKEN_FILE), or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Gate:
    """Middleware: every request passes here. ``request.state.viewer`` is then the viewer's session id."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._sessions: OrderedDict[str, None] = OrderedDict()

    async def __call__(self, request: Request, proceed: Next) -> Response:
        response = self._refuse_foreign(request) or await self._admit(request, proceed)
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def _refuse_foreign(self, request: Request) -> Response | None:
        """A page of another site must neither read (DNS rebinding) nor change anything here."""
        host = request.headers.get("host", "")
        if self._token is None and _name_of(host) not in _LOOPBACK_NAMES:
            return _refusal(421, f"this console answers to localhost only, not to {host[:80]!r}")
        if request.method in ("GET", "HEAD"):
            return None
        if not same_origin(request.headers, host):
            return _refusal(403, "a request from another site is refused")
        if request.url.path != "/login" and request.method == "POST" and not _is_json(request.headers):
            return _refusal(415, "send application/json")
        return None

    async def _admit(self, request: Request, proceed: Next) -> Response:
        if self._token is not None and request.url.path == "/login":
            return await self._login(request)
        known = request.cookies.get(SESSION_COOKIE, "")
        if self._token is not None:
            if self._bears_token(request.headers):
                request.state.viewer = "bearer"
            elif known in self._sessions:
                request.state.viewer = known
            else:
                return _ask_for_token(request)
            return await proceed(request)
        fresh = known not in self._sessions
        request.state.viewer = self._new_session() if fresh else known
        response = await proceed(request)
        if fresh:
            _give(response, request.state.viewer)
        return response

    async def _login(self, request: Request) -> Response:
        if request.method != "POST":
            return Response(LOGIN_PAGE.format(message=""), 200, media_type="text/html")
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _LOGIN_AT_MOST_BYTES:
                return _refusal(413, "that is no token")
        offered = parse_qs(body.decode(errors="replace")).get("token", [""])[0]
        if not self._is_token(offered):
            await asyncio.sleep(_WRONG_TOKEN_WAIT_S)
            return Response(LOGIN_PAGE.format(message="令牌不对 Wrong token"), 401, media_type="text/html")
        response = RedirectResponse("/", 303)
        _give(response, self._new_session())
        return response

    def _new_session(self) -> str:
        session = secrets.token_urlsafe(24)
        self._sessions[session] = None
        while len(self._sessions) > _SESSIONS_AT_MOST:
            self._sessions.popitem(last=False)
        return session

    def _bears_token(self, headers: Mapping[str, str]) -> bool:
        scheme, _, offered = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self._is_token(offered.strip())

    def _is_token(self, offered: str) -> bool:
        return self._token is not None and hmac.compare_digest(offered.encode(), self._token.encode())


def same_origin(headers: Headers, host: str) -> bool:
    """Whether a changing request comes from our own page, or from no page at all (a program)."""
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == host


def _ask_for_token(request: Request) -> Response:
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/login", 303)
    response = _refusal(401, "send the console's token: Authorization: Bearer …")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_json(headers: Headers) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _give(response: Response, session: str) -> None:
    response.set_cookie(SESSION_COOKIE, session, httponly=True, samesite="strict", path="/")


def _refusal(status: int, message: str) -> JSONResponse:
    return JSONResponse({"errors": [{"field": None, "message": message}]}, status)
