"""Where the server binaries come from: fetched or built once per version into a cache outside the work tree.

The cache is ``$KANHU_CACHE``, else ``$XDG_CACHE_HOME/kanhu``, else ``~/.cache/kanhu``. A folder's name holds a digest of what
pins its content, so a changed pin gets a new folder and other work trees keep theirs. A folder appears by a rename when it is
whole: an interrupted build leaves nothing that looks finished.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
MINIO_MODULE = HERE / "minio"
KAFKA_MODULE = HERE / "kafka"


class ObtainError(RuntimeError):
    """A server binary cannot be had; the message says what is missing."""


def cache_directory() -> Path:
    configured = os.environ.get("KANHU_CACHE")
    if configured:
        return Path(configured)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kanhu"


def kafka_libraries() -> Path:
    """The folder with the broker's jars, each compared with ``kafka/jars.sha256`` when it was fetched."""

    def make(target: Path) -> None:
        _run(
            _tool("mvn", "Maven (Debian: maven) with a JDK 17"),
            "--quiet",
            "--batch-mode",
            f"--file={KAFKA_MODULE / 'pom.xml'}",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            f"-DoutputDirectory={target}",
        )
        _verify_jars(target)

    return cached("kafka", [KAFKA_MODULE / "pom.xml", KAFKA_MODULE / "jars.sha256"], make)


def minio_binary() -> Path:
    """The MinIO server, built from its module; ``go.sum`` pins every source file. Takes two minutes the first time."""

    def make(target: Path) -> None:
        go = _tool("go", "Go 1.26 or newer")
        _run(
            go, "build", "-trimpath", "-ldflags=-s -w", "-o", str(target / "minio"), "github.com/minio/minio",
            directory=MINIO_MODULE,
        )  # fmt: skip

    return cached("minio", [MINIO_MODULE / "go.mod", MINIO_MODULE / "go.sum"], make) / "minio"


def cached_at(name: str, made_from: list[Path]) -> Path:
    """Where ``cached`` puts it, whether or not it is there."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in made_from)).hexdigest()[:16]
    return cache_directory() / f"{name}-{digest}"


def cached(name: str, made_from: list[Path], make: Callable[[Path], None]) -> Path:
    """The folder that ``make`` fills, made once for each content of ``made_from``; ``ObtainError`` when it cannot be made."""
    root, target = cache_directory(), cached_at(name, made_from)
    if target.is_dir():
        return target
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / f"{name}.lock"):
        if target.is_dir():  # another call made it while this one waited
            return target
        print(f"obtain: making {target}", file=sys.stderr, flush=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root))
        try:
            make(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return target


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tool(name: str, wanted: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ObtainError(f"{name} was not found on PATH; install {wanted}")
    return found


def _run(*command: str, directory: Path | None = None) -> None:
    outcome = subprocess.run(
        command, cwd=directory, check=False, text=True, capture_output=True, stdin=subprocess.DEVNULL
    )
    if outcome.returncode:
        raise ObtainError(f"{' '.join(command)} failed:\n{outcome.stdout}{outcome.stderr}")


def _verify_jars(directory: Path) -> None:
    expected = {}
    for line in (KAFKA_MODULE / "jars.sha256").read_text().splitlines():
        digest, name = line.split()
        expected[name] = digest
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.glob("*.jar")}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        raise ObtainError(f"not what deploy/local/kafka/jars.sha256 names: {', '.join(wrong)}")


def main() -> int:
    try:
        kafka_libraries()
        minio_binary()
    except ObtainError as error:
        print(f"obtain: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
