"""``kanhu retain``: the recorder and the archive of an installation."""

from __future__ import annotations

from collections.abc import Sequence

from services.backbone.running import run_service
from services.retention.service import run


def main(argv: Sequence[str] | None = None) -> int:
    return run_service("retain", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
