"""The environment of the libraries that the benches compare us with: made of ``locks/bench.txt`` once, into the cache.

It is apart from the product's because they bring ``opencv-python``. Nothing of ours runs in it but files that import nothing of
ours (``bench/mot/libraries.py``).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.report import REPOSITORY
from deploy.local.obtain import ObtainError, cache_directory, cached, cached_at

_LOCK = REPOSITORY / "locks" / "bench.txt"


def bench_python(*, make: bool = True) -> Path | None:
    """The environment's Python; ``None``, with the reason on standard error, where it cannot be made (no network).

    ``make=False``: only if it is there already, for tests, which fetch nothing.
    """
    name = f"bench-python-{sys.version_info.major}.{sys.version_info.minor}"
    directory = cached_at(name, [_LOCK])
    if not (make or directory.is_dir()):
        return None
    try:
        return cached(name, [_LOCK], _fill) / "bin" / "python"
    except ObtainError as error:
        print(f"bench: the libraries to compare with are not there: {error}", file=sys.stderr, flush=True)
        return None


def _fill(target: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    if not uv.exists():
        raise ObtainError(f"{uv} was not found; run make setup")
    _uv(uv, "venv", "--quiet", "--relocatable", "--allow-existing", "--python", sys.executable, str(target))
    _uv(
        uv, "pip", "install", "--quiet", "--python", str(target / "bin" / "python"), "--require-hashes",
        "-r", str(_LOCK), "--cache-dir", str(cache_directory() / "uv"),
    )  # fmt: skip


def _uv(uv: Path, *words: str) -> None:
    outcome = subprocess.run([str(uv), *words], check=False, text=True, capture_output=True, stdin=subprocess.DEVNULL)
    if outcome.returncode:
        raise ObtainError(f"uv {words[0]} failed: {outcome.stderr.strip()[-400:]}")
