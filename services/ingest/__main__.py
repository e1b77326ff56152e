"""``python -m services.ingest``: the edge agent as a process of its own."""

from __future__ import annotations

from collections.abc import Sequence

from services.backbone.running import run_service
from services.ingest.service import run


def main(argv: Sequence[str] | None = None) -> int:
    return run_service("agent", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
