"""The door and the thermometer of a drawn room: said to the agent over HTTP, as a real sensor would.

Belongs here: when to say what. Does not belong here: what the room's timetable is (``services.simulation``).
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from services.box.children import DIRECT, answers
from services.box.installation import DRAWN_SENSORS
from services.contracts.settings import Settings
from services.contracts.source_url import parse_source_url
from services.simulation.timetable import Reading, Timetable

_TICK_S = 0.25


async def play(settings: Settings, timetables: Mapping[str, Timetable], agent: Callable[[], str | None]) -> None:
    """Say the readings of every drawn sensor until cancelled.

    ``agent`` gives the address of the running agent's readiness page, or ``None``; a room begins anew with its agent,
    because the agent draws it from its beginning then.
    """
    http = settings.agent.http
    assert http is not None, "the box always gives its agent an address for readings"
    token = await asyncio.to_thread(_token, http.token_file)
    present = [(sensor.sensor_id, DRAWN_SENSORS[sensor.sensor_id]) for sensor in settings.sensors
               if sensor.sensor_id in DRAWN_SENSORS]  # fmt: skip
    while present:
        url = agent()
        if url is None or not await asyncio.to_thread(answers, url):
            await asyncio.sleep(_TICK_S)
            continue
        await _play_once(url, agent, f"http://{http.listen}/v1/readings", token, present, timetables)


async def _play_once(
    url: str, agent: Callable[[], str | None], post_to: str, token: str,
    present: list[tuple[str, str]], timetables: Mapping[str, Timetable],
) -> None:  # fmt: skip
    began_s, said_s = time.monotonic(), 0.0
    while agent() == url:
        now_s = time.monotonic() - began_s
        for sensor_id, room in present:
            kind = "door" if sensor_id.endswith("door") else "temperature"
            for reading in timetables[room].readings(said_s, now_s):
                if reading.kind == kind:
                    await asyncio.to_thread(_post, post_to, token, payload(sensor_id, reading))
        said_s = now_s
        await asyncio.sleep(_TICK_S)


def payload(sensor_id: str, reading: Reading) -> bytes:
    """A reading as the agent's ``POST /v1/readings`` takes it."""
    value: dict[str, object]
    value = {"open": bool(reading.value)} if reading.kind == "door" else {"celsius": reading.value}
    return json.dumps({"sensor_id": sensor_id, **value}).encode()


def timetables_of(settings: Settings) -> dict[str, Timetable]:
    """The timetable of every drawn room among the cameras, by camera id."""
    from services.simulation.floor_plan import timetable_of

    addresses = {camera.camera_id: parse_source_url(camera.url) for camera in settings.cameras}
    return {name: timetable_of(at.room, at.seed) for name, at in addresses.items() if at.scheme == "sim"}


def _token(path: str) -> str:
    return Path(path).read_text().strip()


def _post(url: str, token: str, body: bytes) -> bool:
    """Say one reading; a reading that cannot be said now is lost, as a real sensor's would be (the beat repeats it)."""
    request = urllib.request.Request(  # noqa: S310  always http://127.0.0.1
        url, body, {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}, method="POST"
    )
    try:
        with DIRECT.open(request, timeout=2) as answer:
            return bool(answer.status < 300)
    except OSError:
        return False
