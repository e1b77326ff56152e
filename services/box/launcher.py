"""``kanhu box``: every service on this machine, started, supervised and drained; what happens is told on the terminal.

Belongs here: the order of things from the first line to the last. Does not belong here: FILE (``installation.py``), the
life of processes (``children.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from services.backbone.settings_file import BOX_FILE
from services.box import installation, room_sensors
from services.box.children import DIRECT, Child, Nursery, Refused, free_port
from services.box.installation import Ports, Wishes
from services.box.simulated_world import SimulatedWorld
from services.box.terminal import Terminal
from services.contracts.errors import Rejected
from services.contracts.settings import Settings
from services.contracts.source_url import redact_url

DEFAULT_PORT = 8600
_LOOK_EVERY_S = 1.0
#: A wrapper that forwards Ctrl-C makes it arrive twice; nobody presses it twice within this.
_ECHO_S = 0.25
_TRIM_EVERY_S = 5.0
INTERRUPTED = 130


def run_box(wishes: Wishes, terminal: Terminal | None = None) -> int:
    """Run a box until it is told to stop; return the exit status."""
    terminal = terminal or Terminal()
    installation.camera_names(wishes.cameras)
    installation.prepare_directory(wishes.data)
    with installation.only_box(wishes.data):
        installation.forget_state(wishes.data)  # of a box that was killed
        settings = _settle(wishes, terminal)
        return asyncio.run(Box(wishes.data, settings, terminal).run())


def _settle(wishes: Wishes, terminal: Terminal) -> Settings:
    """Secrets, FILE and model: everything that must be there before the first service starts."""
    data = wishes.data
    terminal.title(f"看护 Kanhu · data in {data}")
    made = [name for name in ("readings", "console") if installation.keep_secret(data / "tokens" / name)]
    if made:
        terminal.good("secrets", f"made at first start, readable by you only: {data / 'tokens'}")
    settings = installation.compose(wishes, Ports(readings=f"127.0.0.1:{free_port()}"))
    return settings


class Box:
    """One running box."""

    def __init__(self, data: Path, settings: Settings, terminal: Terminal) -> None:
        self._data, self._settings, self._terminal = data, settings, terminal
        self._nursery = Nursery(data / BOX_FILE, data / "logs", terminal, self._say_state)
        self._agent = Child("agent", "services.ingest", drain_s=15)
        self._console = Child("console", "services.console", drain_s=8)
        self._nursery.children = [
            self._agent, Child("analyze", "services.analyze", drain_s=10),
            Child("retain", "services.retention", drain_s=30), self._console,
        ]  # fmt: skip
        self._listen, self._token_file = console_address(settings, data)
        self._console.environment = {"KANHU_CONSOLE__LISTEN": self._listen}
        if self._token_file is not None:
            self._console.environment["KANHU_CONSOLE__TOKEN_FILE"] = str(self._token_file)
        self._stop, self._at_once = asyncio.Event(), asyncio.Event()
        self._started_ns = time.time_ns()
        self._world = SimulatedWorld(installation.simulated_cameras(settings), data)
        self._agent.environment = self._world.environment

    @property
    def url(self) -> str:
        host, _, port = self._listen.rpartition(":")
        return f"http://{'127.0.0.1' if host in ('0.0.0.0', '[::]', '') else host}:{port}/"  # noqa: S104

    async def run(self) -> int:
        """Start, watch, drain."""
        with _signals(self._stop, self._at_once):
            lives = [asyncio.create_task(self._nursery.run(child), name=child.word) for child in self._nursery.children]
            sides = [asyncio.create_task(side) for side in (
                self._welcome(), self._tell(), self._trim(), self._play(),
                self._world.begin(self._nursery.children, self._terminal),
            )]  # fmt: skip
            try:
                refused = await self._until_told(lives)
                if refused is None:
                    self._terminal.note("stopping", "draining; Ctrl-C again to leave at once")
                forced = await self._drain()
            finally:
                self._nursery.kill()
                for task in (*sides, *lives):
                    task.cancel()
                await asyncio.gather(*sides, *lives, return_exceptions=True)
                installation.forget_state(self._data)
        if refused is not None:
            raise Rejected(str(refused))
        return INTERRUPTED if forced else 0

    async def _until_told(self, lives: list[asyncio.Task[None]]) -> Refused | None:
        """Wait for a signal, or for a service that refuses its settings."""
        told = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait({told, *lives}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        for task in done - {told}:
            error = task.exception()
            if isinstance(error, Refused):
                return error
            if error is not None:
                raise error
        return None

    async def _drain(self) -> bool:
        """Stop the services in order; tells whether a second signal cut it short."""
        draining = asyncio.create_task(self._nursery.drain())
        hurry = asyncio.create_task(self._at_once.wait())
        await asyncio.wait({draining, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if draining.done():
            await draining
            return False
        self._terminal.bad("stopping", "second signal: leaving at once")
        self._nursery.kill()
        draining.cancel()
        return True

    async def _welcome(self) -> None:
        """Say where the page is as soon as it answers."""
        await self._console.up.wait()
        self._terminal.link("page", self.url)
        if self._token_file is not None:
            self._terminal.note("token", f"the page asks for the token in {self._token_file}")
        await asyncio.to_thread(tell_who_watches, self._settings, self._data, self._terminal)
        self._terminal.note("footage", f"kanhu footage list --data {self._data}")

    async def _tell(self) -> None:
        """Tell changes of cameras and new incidents, as the page has them."""
        states: dict[str, str] = {}
        known: set[str] = set()
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if not self._console.ready:
                continue
            for camera in await self._ask("api/v1/cameras", "cameras"):
                self._tell_camera(camera, states)
            for incident in await self._ask("api/v1/incidents?limit=20", "incidents"):
                if incident["incident_id"] not in known and incident["opened_ns"] >= self._started_ns:
                    self._terminal.warn(f"{incident['kind']} {incident['severity']}", str(incident["title"]))
                known.add(incident["incident_id"])

    def _tell_camera(self, camera: dict[str, Any], states: dict[str, str]) -> None:
        state = str(camera["state"])
        if states.get(camera["camera_id"]) == state:
            return
        states[camera["camera_id"]] = state
        if state == "streaming":
            size = f"{camera.get('width') or '?'}x{camera.get('height') or '?'}"
            self._terminal.good(camera["camera_id"], f"recording {camera.get('codec') or ''} {size}")
        elif state in ("offline", "refused"):
            why = redact_url(str(camera.get("detail") or camera.get("cause") or ""))
            self._terminal.bad(camera["camera_id"], f"{state}: {why}")

    async def _ask(self, path: str, key: str) -> list[dict[str, Any]]:
        return await asyncio.to_thread(_fetch, self.url + path, key, self._token_file)

    async def _trim(self) -> None:
        while True:
            await asyncio.sleep(_TRIM_EVERY_S)
            await asyncio.to_thread(self._nursery.trim_logs)

    async def _play(self) -> None:
        await room_sensors.play(
            self._settings, lambda: f"{self._agent.url}/readyz" if self._agent.pid is not None else None,
            self._world.begun,
        )  # fmt: skip

    def _say_state(self) -> None:
        services = {
            child.word: {"pid": child.pid, "url": child.url, "ready": child.ready, "restarts": child.restarts}
            for child in self._nursery.children
        }
        state = {
            "pid": os.getpid(), "data": str(self._data), "url": self.url, "started_ns": self._started_ns,
            "token_file": str(self._token_file) if self._token_file else None, "services": services,
        }  # fmt: skip
        installation.write_state(self._data, state)


def console_address(settings: Settings, data: Path) -> tuple[str, Path | None]:
    """Where the page listens, and the token it then asks for (none on the loopback interface)."""
    listen = settings.console.listen
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise Rejected(f"{listen!r} is no address to listen on; write HOST:PORT, for example 127.0.0.1:{DEFAULT_PORT}")
    if is_loopback(host):
        if int(port) == 0 or (int(port) == DEFAULT_PORT and not _is_free(host, DEFAULT_PORT)):
            listen = f"{host}:{free_port()}"
        return listen, Path(settings.console.token_file) if settings.console.token_file else None
    return listen, Path(settings.console.token_file or data / "tokens" / "console")


def tell_who_watches(settings: Settings, data: Path, terminal: Terminal) -> None:
    """Say what the detectors of this box cannot see: whoever looks at a simulated room must not take it for a watched one."""
    if all(camera.url.startswith("sim:") for camera in settings.cameras):
        terminal.note("simulated", "a nursery that does not exist; its detector knows only simulated rooms")
        terminal.note("", "add a camera of your own on the page or with --camera NAME=rtsp://…")
    elif not _has_detector(settings, data):
        terminal.warn("detector", "none for real pictures is installed: cameras are recorded, not watched")
        terminal.note("", f"kanhu models list, then kanhu models install NAME --data {data}")


def _has_detector(settings: Settings, data: Path) -> bool:
    """Whether anything but the packaged detectors of simulated rooms is installed."""
    return any(Path(settings.analyze.models or data / "models").glob("*.onnx"))


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_free(host: str, port: int) -> bool:
    import socket

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError:
            return False
        return True


def _fetch(url: str, key: str, token_file: Path | None) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token_file.read_text().strip()}"} if token_file else {}
    try:
        with DIRECT.open(urllib.request.Request(url, headers=headers), timeout=3) as answer:  # noqa: S310
            found = json.load(answer).get(key, [])
            return found if isinstance(found, list) else []
    except (OSError, ValueError, AttributeError):
        return []


@contextlib.contextmanager
def _signals(stop: asyncio.Event, at_once: asyncio.Event) -> Iterator[None]:
    """First SIGINT or SIGTERM sets ``stop``, the second ``at_once``."""
    loop = asyncio.get_running_loop()
    first_s = 0.0

    def told() -> None:
        nonlocal first_s
        if not stop.is_set():
            first_s = loop.time()
            stop.set()
        elif loop.time() - first_s > _ECHO_S:
            at_once.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
            if at_once.is_set():  # who keeps pressing must not have the interpreter die of it on its way out
                signal.signal(number, signal.SIG_IGN)
