"""The agent's small state files, one per camera: written whole, flushed and renamed, so that a crash leaves old or new."""

from __future__ import annotations

import threading
from pathlib import Path

from services.backbone.durable_file import replace_file
from services.contracts.media_record import GapCause
from services.ingest.core.memory_of_runs import Remembered, dump, load, since_cause

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Names this boot of the machine; ``unknown`` where the kernel does not tell."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"


class RunMemory:
    """Blocking; called at the beginning and end of runs only, from any thread.

    A run is noted as open before its first record goes out, and as closed after its last is durable. So a file that
    says *closed* is never wrong about footage that was recorded.
    """

    def __init__(self, directory: Path, boot: str) -> None:
        self._directory = directory
        self._boot = boot
        self._open_runs: dict[str, str] = {}
        self._ended: dict[str, GapCause] = {}
        self._lock = threading.Lock()  # of what is known; never held while the disk works
        self._writing = threading.Lock()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def since(self, camera_id: str) -> GapCause | None:
        """The cause of what lies uncovered now: of this process's last run if there was one, else what the file tells."""
        with self._lock:
            if camera_id in self._ended:
                return self._ended[camera_id]
        return since_cause(self._read(camera_id), self._boot)

    def opened(self, camera_id: str, run_id: str) -> None:
        """Durable on return; ``Transient`` or ``Rejected`` when the disk cannot take it."""
        with self._writing:
            with self._lock:
                self._open_runs[camera_id] = run_id
                self._ended.pop(camera_id, None)
            self._write(camera_id, Remembered(run_id, open=True, boot_id=self._boot))

    def ended(self, camera_id: str, run_id: str, cause: GapCause) -> None:
        """A run ended; its end is not durable yet. Does not block."""
        with self._lock:
            if self._open_runs.get(camera_id) == run_id:
                self._ended[camera_id] = cause

    def closed(self, camera_id: str, run_id: str, cause: GapCause) -> None:
        """As ``opened``. Does nothing when a later run was opened meanwhile."""
        with self._writing:
            with self._lock:
                is_newest = self._open_runs.get(camera_id) == run_id
            if is_newest:
                self._write(camera_id, Remembered(run_id, open=False, boot_id=self._boot, cause=cause))

    def _read(self, camera_id: str) -> Remembered | None:
        try:
            return load(self._path(camera_id).read_bytes())
        except FileNotFoundError:
            return None
        except OSError:
            return load(b"")

    def _write(self, camera_id: str, remembered: Remembered) -> None:
        replace_file(self._path(camera_id), dump(remembered), mode=0o600)

    def _path(self, camera_id: str) -> Path:
        return self._directory / f"{camera_id}.json"
