"""``kanhu analyze``: the analysis service as a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from services.analyze.service import run
from services.backbone.running import run_service


def main(argv: Sequence[str] | None = None) -> int:
    return run_service("analyze", run, argv)


if __name__ == "__main__":
    sys.exit(main())
