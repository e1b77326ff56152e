"""The gate: who is refused, and with what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI, Request

from services.console.access import SESSION_COOKIE, Gate, is_loopback, require_token_beyond_loopback
from services.contracts.errors import Rejected

TOKEN = "correct-horse-battery-staple"


@asynccontextmanager
async def talking(token: str | None, host: str = "127.0.0.1:8600") -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.middleware("http")(Gate(token))

    @app.api_route("/thing", methods=["GET", "POST", "DELETE"])
    async def thing(request: Request) -> dict[str, str]:
        return {"viewer": request.state.viewer}

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}") as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1:8600", "localhost:8600", "[::1]:8600"])
async def test_on_loopback_no_token_is_asked_for(host: str) -> None:
    async with talking(None, host) as client:
        answer = await client.get("/thing")
    assert answer.status_code == 200
    assert SESSION_COOKIE in answer.cookies


@pytest.mark.parametrize("host", ["evil.example", "192.168.1.7:8600", "127.0.0.1.evil.example", ""])
async def test_another_host_name_is_refused_on_loopback(host: str) -> None:
    async with talking(None) as client:
        answer = await client.get("/thing", headers={"Host": host})
    assert answer.status_code == 421


async def test_a_viewer_keeps_its_session() -> None:
    async with talking(None) as client:
        first = (await client.get("/thing")).json()["viewer"]
        assert (await client.get("/thing")).json()["viewer"] == first


async def test_an_invented_session_is_replaced() -> None:
    async with talking(None) as client:
        client.cookies.set(SESSION_COOKIE, "invented")
        answer = await client.get("/thing")
    assert answer.json()["viewer"] != "invented"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_changing_request_of_another_site_is_refused(method: str, headers: dict[str, str]) -> None:
    async with talking(None) as client:
        answer = await client.request(method, "/thing", json={}, headers=headers)
    assert answer.status_code == 403


async def test_a_form_of_another_kind_than_json_is_refused() -> None:
    async with talking(None) as client:
        answer = await client.post("/thing", content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


async def test_our_own_page_may_change_things() -> None:
    async with talking(None) as client:
        own = {"Origin": "http://127.0.0.1:8600", "Sec-Fetch-Site": "same-origin"}
        assert (await client.post("/thing", json={}, headers=own)).status_code == 200


async def test_with_a_token_every_route_asks_for_it() -> None:
    async with talking(TOKEN, "kanhu.example") as client:
        assert (await client.get("/thing")).status_code == 401
        assert (await client.get("/thing", headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert (await client.get("/thing", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200
        page = await client.get("/thing", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/login")


async def test_the_token_is_exchanged_for_a_cookie_that_scripts_cannot_read() -> None:
    async with talking(TOKEN, "kanhu.example") as client:
        wrong = await client.post("/login", data={"token": "wrong"})
        assert wrong.status_code == 401
        assert SESSION_COOKIE not in wrong.cookies
        right = await client.post("/login", data={"token": TOKEN})
        assert right.status_code == 303
        cookie = right.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        assert (await client.get("/thing")).status_code == 200


async def test_a_huge_login_is_cut_off() -> None:
    async with talking(TOKEN, "kanhu.example") as client:
        assert (await client.post("/login", content=b"token=" + b"x" * 100_000)).status_code == 413


async def test_every_answer_forbids_foreign_scripts_and_frames() -> None:
    async with talking(None) as client:
        answers = [
            await client.get("/thing"),
            await client.get("/nothing"),
            await client.get("/thing", headers={"Host": "x"}),
        ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "kanhu.example"])
def test_beyond_loopback_a_token_is_required(host: str) -> None:
    with pytest.raises(Rejected, match="token"):
        require_token_beyond_loopback(host, None)
    require_token_beyond_loopback(host, TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "[::1]", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    assert is_loopback(host)
    require_token_beyond_loopback(host, None)
