"""Run the benches one after another, never side by side; each prints one JSON object on a line of its own.

python -m bench [NAME...]       all of them, or those named
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    """Every module here that can be run by itself."""
    return sorted(
        path.stem for path in HERE.glob("*.py") if path.stem != "__main__" and "def main(" in path.read_text()
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure; one JSON object a line.")
    parser.add_argument("name", nargs="*", help=f"which ({', '.join(names())}); default: all")
    wanted = parser.parse_args().name or names()
    if unknown := sorted(set(wanted) - set(names())):
        parser.error(f"no such bench: {', '.join(unknown)}")
    failed = []
    for name in wanted:
        print(f"bench: {name}", file=sys.stderr, flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}", "--json"], cwd=HERE.parent, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"bench: failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
