"""What the box says on the terminal: one line per happening, coloured where a person reads it."""

from __future__ import annotations

import sys
from typing import TextIO

_COLOURS = {"good": "32", "warn": "33", "bad": "31", "dim": "2", "bold": "1", "link": "36"}


class Terminal:
    """Lines like ``  ✓ retain    ready in 1.2 s``. Plain text when nobody is at the other end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._coloured = self._stream.isatty()

    def title(self, text: str) -> None:
        self._write(f"\n{self._paint(text, 'bold')}\n")

    def good(self, what: str, text: str) -> None:
        self._line("✓", "good", what, text)

    def note(self, what: str, text: str) -> None:
        self._line("·", "dim", what, text)

    def warn(self, what: str, text: str) -> None:
        self._line("!", "warn", what, text)

    def bad(self, what: str, text: str) -> None:
        self._line("✗", "bad", what, text)

    def link(self, what: str, url: str) -> None:
        self._line("→", "link", what, self._paint(url, "link"))

    def _line(self, mark: str, colour: str, what: str, text: str) -> None:
        self._write(f"  {self._paint(mark, colour)} {what:<16} {text}")

    def _paint(self, text: str, colour: str) -> str:
        return f"\033[{_COLOURS[colour]}m{text}\033[0m" if self._coloured else text

    def _write(self, text: str) -> None:
        # A terminal that went away (a closed ssh connection) must not stop the recording.
        try:
            print(text, file=self._stream, flush=True)
        except OSError:
            self._coloured = False
