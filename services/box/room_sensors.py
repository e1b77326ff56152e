"""The sensors of a simulated nursery: said to the agent over HTTP, as real ones would, of the world that its cameras show.

Belongs here: when to say what, and to whom. Does not belong here: what is measured (``services.simulation``).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from services.box.children import DIRECT, answers
from services.contracts.errors import KanhuError
from services.contracts.settings import Settings
from services.contracts.source_url import parse_source_url

if TYPE_CHECKING:
    from services.simulation.day.sensors import Reading
    from services.simulation.live import Days, WorldClock

_TICK_S, _PATIENCE_S = 0.25, 10.0
_AT_ONCE = 100  # readings a request, as the agent takes them
#: A contact says how it stands every five minutes; whoever begins to listen is told at once what it said last.
_LAST_SAID_S = 301.0


@dataclass(frozen=True, slots=True)
class SensorField:
    """The sensors of one place that FILE knows, and the clock of the world that they are in."""

    days: Days
    clock: WorldClock
    sensor_ids: frozenset[str]

    def said(self, from_s: float, to_s: float) -> list[Reading]:
        """What they say in ``[from_s, to_s)`` of the world's time, in order."""
        return [one for _, one in self.days.readings(from_s, to_s) if one.sensor_id in self.sensor_ids]

    def state(self, world_s: float) -> list[Reading]:
        """What each said last before ``world_s``; a press of a button is no state."""
        span_s = _LAST_SAID_S
        last = {
            one.sensor_id: one
            for one in self.said(world_s - span_s, world_s)
            if one.kind not in ("button", "heartbeat")
        }
        return list(last.values())


def sensor_fields(settings: Settings, now_ns: int) -> list[SensorField]:
    """The sensors of every place that a simulated camera of FILE looks at. Makes the days: seconds of CPU."""
    from services.simulation.live import Place, WorldClock, days_of

    known = {sensor.sensor_id for sensor in settings.sensors}
    found: dict[Place, SensorField] = {}
    for camera in settings.cameras:
        stream = parse_source_url(camera.url).simulated
        if stream is None or Place.of(stream) in found:
            continue
        try:
            days = days_of(Place.of(stream))
            clock = WorldClock.of(stream, now_ns)
            days.world(stream.at_s)
        except KanhuError:
            continue  # the agent says of the camera what is wrong; its sensors stay silent
        own = frozenset(sensor.id for sensor in days.building.sensors) & known
        if own and clock is not None:
            found[Place.of(stream)] = SensorField(days, clock, own)
            known -= own
    return list(found.values())


async def play(settings: Settings, agent: Callable[[], str | None], begun: asyncio.Event) -> None:
    """Say the readings of every simulated sensor until cancelled.

    ``begun`` is set when the simulated world has an epoch. ``agent`` gives the address of the running agent's readiness page, or
    ``None``; an agent that was started anew is told how everything stands.
    """
    http = settings.agent.http
    assert http is not None, "the box always gives its agent an address for readings"
    if not settings.sensors or not any(camera.url.startswith("sim:") for camera in settings.cameras):
        return
    await begun.wait()
    token = await asyncio.to_thread(_token, http.token_file)
    fields = await asyncio.to_thread(sensor_fields, settings, time.time_ns())
    while fields:
        url = agent()
        if url is None or not await asyncio.to_thread(answers, url):
            await asyncio.sleep(_TICK_S)
            continue
        await _play_once(url, agent, _Post(f"http://{http.listen}/v1/readings", token), fields)


async def _play_once(url: str, agent: Callable[[], str | None], post: _Post, fields: Sequence[SensorField]) -> None:
    now_ns = time.time_ns()
    until_s = [field.clock.world_s(now_ns) for field in fields]
    for field, world_s in zip(fields, until_s, strict=True):
        await asyncio.to_thread(post.say, await asyncio.to_thread(field.state, world_s))
    while agent() == url:
        await asyncio.sleep(_TICK_S)
        now_ns = time.time_ns()
        for index, field in enumerate(fields):
            world_s = max(until_s[index], field.clock.world_s(now_ns))
            said = await asyncio.to_thread(field.said, until_s[index], world_s)
            until_s[index] = world_s
            if said:
                await asyncio.to_thread(post.say, said)


@dataclass(frozen=True, slots=True)
class _Post:
    """Where readings go."""

    url: str
    token: str

    def say(self, readings: Iterable[Reading]) -> None:
        """Say readings; what cannot be said now is lost, as a real sensor's would be (the next beat repeats it)."""
        payloads = [one.payload() for one in readings]
        for first in range(0, len(payloads), _AT_ONCE):
            body = json.dumps(payloads[first : first + _AT_ONCE]).encode()
            request = urllib.request.Request(  # noqa: S310  always http://127.0.0.1
                self.url,
                body,
                {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
                method="POST",
            )
            with contextlib.suppress(OSError):
                DIRECT.open(request, timeout=_PATIENCE_S).close()


def _token(path: str) -> str:
    return Path(path).read_text().strip()
