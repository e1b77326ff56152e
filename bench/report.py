"""What every bench prints: the machine, the commit, rows of figures; JSON with ``--json``, else a table.

CPU seconds and ratios to a limit measured in the same run are what counts: wall time on a shared machine is noise.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

REPOSITORY = Path(__file__).parents[1]


def machine() -> dict[str, Any]:
    """The processor, cores, memory and system this runs on."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "cpu": cpu, "cores": os.cpu_count(), "memory_bytes": memory * 1024,
        "system": platform.platform(), "python": platform.python_version(),
    }  # fmt: skip


def commit() -> str:
    """The commit under test; ``+`` says that the tree has changes beside it."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def logs_aside() -> None:
    """Standard output is for the figures: what the product logs in this process goes to standard error."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def emit(bench: str, rows: Sequence[Mapping[str, Any]], *, as_json: bool, notes: Sequence[str] = ()) -> None:
    """Print the figures once, whole."""
    if as_json:
        json.dump(
            {"bench": bench, "machine": machine(), "commit": commit(), "rows": list(rows), "notes": list(notes)},
            sys.stdout,
        )
        sys.stdout.write("\n")
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    for line in table:
        sys.stdout.write("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) + "\n")
    for note in notes:
        sys.stdout.write(f"# {note}\n")
    sys.stdout.write(f"# {bench} at {commit()} on {machine()['cpu']}, {machine()['cores']} cores\n")


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "" if value is None else str(value)


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.strip()
