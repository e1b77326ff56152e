"""Child processes: the log's last words, and what a death is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.box.children import last_words


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", ""),
        ('{"event": "all is well", "level": "info"}\n', ""),
        (
            '{"event": "no way", "level": "error", "error": "disk full"}\n{"event": "bye", "level": "info"}\n',
            "no way disk full",
        ),
        ("Traceback (most recent call last):\nRuntimeError: broken\n", "RuntimeError: broken"),
        ("kanhu agent: box.yaml line 3: no such key\n", "kanhu agent: box.yaml line 3: no such key"),
    ],
)
def test_the_last_words_are_the_newest_error(lines: str, expected: str, tmp_path: Path) -> None:
    log = tmp_path / "agent.log"
    log.write_text(lines)
    assert last_words(log) == expected


def test_a_log_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert last_words(tmp_path / "none.log") == ""
