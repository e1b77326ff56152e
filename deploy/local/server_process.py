"""One real server as a child process: started, waited for, hurt on purpose, started again with the same data, stopped.

What belongs here: the life of a process, its port, its folder and its log. What a server is told and how it is asked whether it
works stands in the module of that server. Everything here is blocking and may be called from any thread
(``await asyncio.to_thread(kafka.restart)`` in a test with an event loop).
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import fcntl
import os
import queue
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, Self, TypeVar

import psutil

LOOPBACK = "127.0.0.1"
LOG_TAIL_BYTES = 4000
OWNER_FILE = "owner.lock"

T = TypeVar("T")


class ServerError(RuntimeError):
    """A server did not start or does not work; the message ends with the tail of its log."""


class LocalServer(ABC):
    """A server on ``127.0.0.1`` that keeps its port and its folder from ``start`` to ``close``.

    ``with KafkaServer() as kafka:`` starts it, waits until it works, and removes everything afterwards. It dies with this
    process, even by SIGKILL.
    """

    label: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    run_as: str | None = None  # user to start as, when this process is root

    def __init__(self) -> None:
        self.port = free_port()
        self.directory, self._ownership = _own_directory(f"kanhu-{self.label}-")
        self.log_path = self.directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._prepared = False
        atexit.register(self.close)

    # What each server fills in.

    @abstractmethod
    def command(self) -> Sequence[str]: ...

    @abstractmethod
    def probe(self) -> None:
        """Use the server for what it is there for; raise anything while that does not work. Bounded in time."""

    def prepare(self) -> None:  # noqa: B027 - most servers make their own folder
        """Write configuration and format storage, once in the life of ``directory``."""

    def environment(self) -> Mapping[str, str]:
        """What is added to this process's environment."""
        return {}

    # Life.

    @property
    def address(self) -> str:
        """``HOST:PORT``; the same after a restart."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.label} was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; ``wait_ready`` tells when it works. Does nothing when it runs."""
        if self.running:
            return
        if not self._prepared:
            self.prepare()
            self._prepared = True
        _wait_for_port(self.port)
        with self.log_path.open("ab") as log:
            self._process = launch(
                lambda: subprocess.Popen(
                    [*leash(self.run_as), *self.command()],
                    env={**os.environ, **self.environment()},
                    cwd=self.directory,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C reaches us alone: we stop servers in order
                )
            )

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Return when the server really works, not when its port is open."""
        deadline = time.monotonic() + timeout_s
        while True:
            if not self.running:
                raise ServerError(self._told(f"ended with status {self._process and self._process.returncode}"))
            try:
                with socket.create_connection((LOOPBACK, self.port), timeout=1.0):
                    pass
                self.probe()
                return
            except Exception as error:
                if time.monotonic() > deadline:
                    raise ServerError(self._told(f"does not work after {timeout_s:g} s ({error!r})")) from error
            time.sleep(0.1)

    def stop(self, timeout_s: float = 20.0) -> None:
        """End it as an administrator would, by SIGKILL if it does not obey in time. Port and data stay."""
        if self.running:
            self.resume()
            self._process.send_signal(self.stop_signal)  # type: ignore[union-attr]
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)  # type: ignore[union-attr]
        self.kill()

    def kill(self) -> None:
        """SIGKILL, as a power cut would, to it and its children. Port and data stay."""
        if self._process is None:
            return
        family = self._family()
        _signal_all(family, signal.SIGKILL)
        self._process.wait(20)
        psutil.wait_procs(family, timeout=20)

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers. Returns when every thread has stopped."""
        family = self._family()
        _signal_all(family, signal.SIGSTOP)
        for process in family:
            wait_stopped(process.pid)

    def resume(self) -> None:
        _signal_all(self._family(), signal.SIGCONT)

    def restart(self, timeout_s: float = 60.0) -> None:
        """Start it again on the same port with the same data, and wait until it works; stops it first if it runs."""
        self.stop()
        self.start()
        self.wait_ready(timeout_s)

    def close(self) -> None:
        """End it and remove its folder. Idempotent."""
        atexit.unregister(self.close)
        with contextlib.suppress(OSError):
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
        self._ownership.close()

    def log_tail(self) -> str:
        if not self.log_path.exists():
            return ""
        return self.log_path.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _family(self) -> list[psutil.Process]:
        if not self.running:
            return []
        try:
            parent = psutil.Process(self.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _told(self, what: str) -> str:
        return f"{self.label} on {self.address} {what}; its log ends with:\n{self.log_tail()}"


def free_port() -> int:
    """A port nobody listens on, below the range that the kernel takes for outgoing connections.

    Inside that range a client that keeps trying a server that is down may be given the server's own port as its source: it then
    connects to itself, and the server cannot start again.
    """
    lowest_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(200):
        port = random.randrange(10_240, max(lowest_ephemeral, 12_000))
        if _is_free(port):
            return port
    raise ServerError("found no free port on 127.0.0.1")


def complete(work: Coroutine[Any, Any, T], timeout_s: float = 10.0) -> T:
    """Run a coroutine to its end from blocking code, whether or not this thread has an event loop."""

    async def bounded() -> T:
        async with asyncio.timeout(timeout_s):
            return await work

    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        return executor.submit(lambda: asyncio.run(bounded())).result()


def which(name: str, package: str) -> str:
    """Path of a program, in the places of the superuser's programs too."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise ServerError(f"{name} was not found; run deploy/local/debian-packages.sh or install {package}")
    return found


def leash(user: str | None) -> list[str]:
    """The words before a command that make it die with us and, when we are root, run it as ``user``."""
    words = [which("setpriv", "util-linux"), "--pdeathsig=KILL"]
    if user is not None and os.geteuid() == 0:
        words += [f"--reuid={user}", f"--regid={user}", "--init-groups"]
    return [*words, "--"]


def _own_directory(prefix: str) -> tuple[Path, IO[bytes]]:
    """A fresh folder, and the lock in it that this process holds for life; folders whose owner was killed are removed."""
    for owner in Path(tempfile.gettempdir()).glob(f"{prefix}*/{OWNER_FILE}"):
        with contextlib.suppress(OSError), owner.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(owner.parent, ignore_errors=True)
    directory = Path(tempfile.mkdtemp(prefix=prefix))
    unlocked = directory / f"{OWNER_FILE}.new"
    ownership = unlocked.open("wb")
    fcntl.flock(ownership, fcntl.LOCK_EX)
    unlocked.rename(directory / OWNER_FILE)  # only now can another process see it
    return directory, ownership


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _wait_for_port(port: int, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not _is_free(port):
        if time.monotonic() > deadline:
            raise ServerError(f"port {port} on 127.0.0.1 is taken by another program")
        time.sleep(0.05)


def wait_stopped(pid: int, timeout_s: float = 10.0) -> None:
    """Return when all threads of a process that was sent SIGSTOP stand still.

    One of them hears the signal and stops the others; until it is given a processor, they go on and may answer.
    """
    deadline = time.monotonic() + timeout_s
    while not all(_state(task) in "TtZX" for task in Path(f"/proc/{pid}/task").glob("*")):
        if time.monotonic() > deadline:
            raise ServerError(f"process {pid} did not stop in {timeout_s:g} s")
        time.sleep(0.001)


def _state(task: Path) -> str:
    """The letter of proc(5) for a thread; a thread that is gone stands still, too."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def _signal_all(family: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


# The kernel's death signal comes when the *thread* that forked ends, so a server started by a short-lived worker thread would die
# with that thread. One thread that lives as long as the interpreter forks them all.
_launches: queue.SimpleQueue[tuple[Callable[[], subprocess.Popen[bytes]], concurrent.futures.Future[Any]]] = (
    queue.SimpleQueue()
)
_launcher_lock = threading.Lock()
_launcher: threading.Thread | None = None


def launch(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a process on a ``leash``, from whatever thread."""
    global _launcher
    with _launcher_lock:
        if _launcher is None:
            _launcher = threading.Thread(target=_serve_launches, name="server-launcher", daemon=True)
            _launcher.start()
    started: concurrent.futures.Future[Any] = concurrent.futures.Future()
    _launches.put((start, started))
    process: subprocess.Popen[bytes] = started.result()
    return process


def _serve_launches() -> None:
    while True:
        start, started = _launches.get()
        try:
            started.set_result(start())
        except BaseException as error:
            started.set_exception(error)
