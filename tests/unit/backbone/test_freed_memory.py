"""Memory that was freed is used again instead of being paged in anew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import resource, sys
if sys.argv[1] == "kept":
    from services.backbone.distributed.freed_memory import keep_freed_memory
    if not keep_freed_memory():
        sys.exit(3)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def copies():
    one = b"x" * (4 << 20)
    return len(b"".join([one, one])) + len(one + one)
copies()
before = faults()
for _ in range(20):
    copies()
print(faults() - before)
"""


def page_faults(kept: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, kept],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 3:
        pytest.skip("the allocator is not glibc's")
    assert not done.returncode, done.stderr
    return int(done.stdout)


def test_copies_of_megabytes_are_not_paged_in_anew() -> None:
    assert page_faults("kept") * 10 < page_faults("given back")
