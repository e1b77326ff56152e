"""How far a long piece of work is, for whoever watches a terminal. Nothing is written where nobody does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TextIO

_WIDTH = 30


def told(numbers: range, first: str, then: str, stream: TextIO | None = None) -> Iterator[int]:
    """The numbers, with a bar on ``stream`` (standard error): ``first`` while the first is worked on, then how far it is."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield from numbers
        return
    shown = -1
    try:
        for done, number in enumerate(numbers):
            share = 100 * done // len(numbers)
            if share != shown:
                bar = "█" * (share * _WIDTH // 100)
                stream.write(f"\r\033[K{first} …" if done == 0 else f"\r\033[K{then} {bar:<{_WIDTH}} {share:3d} %")
                stream.flush()
                shown = share
            yield number
    finally:  # an error's own line begins where the bar was
        stream.write("\r\033[K")
        stream.flush()
