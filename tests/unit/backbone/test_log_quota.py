"""A library that complains a hundred times a second is heard a few times a minute, and nobody else is silenced."""

from __future__ import annotations

import logging
import sys

from services.backbone.log_quota import LineQuota


def record(text: str, *, name: str = "aiokafka.consumer.fetcher", failed: bool = False) -> logging.LogRecord:
    trace = None
    if failed:
        try:
            raise ValueError(text)
        except ValueError:
            trace = sys.exc_info()
    return logging.LogRecord(name, logging.ERROR, __file__, 1, "%s", (text,), trace)


def test_so_many_lines_pass_and_the_next_minute_tells_how_many_did_not() -> None:
    now = [0.0]
    quota = LineQuota("aiokafka", lines=3, monotonic_s=lambda: now[0])
    assert [quota.filter(record(str(number))) for number in range(100)] == [True] * 3 + [False] * 97
    now[0] = 60.0
    later = record("still away")
    assert quota.filter(later)
    assert later.getMessage() == "still away (97 lines of aiokafka were left out before this)"
    following = record("100% away")
    assert quota.filter(following)
    assert following.getMessage() == "100% away"


def test_a_traceback_passes_although_the_complaints_are_used_up() -> None:
    quota = LineQuota("aiokafka", lines=1, monotonic_s=lambda: 0.0)
    assert [quota.filter(record("away")) for _ in range(2)] == [True, False]
    assert quota.filter(record("defect", failed=True))


def test_other_loggers_pass_always() -> None:
    quota = LineQuota("aiokafka", lines=0, monotonic_s=lambda: 0.0)
    assert quota.filter(record("ours", name="services.backbone"))
    assert quota.filter(record("another's", name="aiokafkaesque"))
    assert not quota.filter(record("its own", name="aiokafka"))
