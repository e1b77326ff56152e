"""When a broker counts as away, and when a client counts as lost."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from services.backbone.distributed.kafka_log_watch import BrokerPresence, Finding, ProgressWatch


def test_an_outage_is_one_line_when_it_begins_and_one_when_it_ends() -> None:
    now = [0.0]
    presence = BrokerPresence("kafka:9092", lambda: now[0])
    with capture_logs() as lines:
        for now[0] in range(1, 61):
            presence.lost(OSError("refused"))
        for now[0] in range(61, 70):
            presence.found()
    assert [line["event"].partition(";")[0] for line in lines] == ["log.away", "log.back"]
    assert lines[1]["away_s"] == 61.0


def test_a_failure_among_successes_is_no_outage() -> None:
    now = [0.0]
    presence = BrokerPresence("kafka:9092", lambda: now[0])
    with capture_logs() as lines:
        for now[0] in range(1, 60):
            presence.found()
            presence.lost(OSError("no leader for one partition"))
    assert lines == []


def watch() -> ProgressWatch:
    return ProgressWatch(stall_limit_s=30.0, rebalance_limit_s=90.0)


@pytest.mark.parametrize(("finding", "limit_s"), [(Finding.STUCK, 30.0), (Finding.REBALANCING, 90.0)])
def test_a_client_is_lost_when_it_was_stuck_for_the_limit(finding: Finding, limit_s: float) -> None:
    watched = watch()
    assert [watched.lost(finding, at_s) for at_s in (0.0, 5.0, limit_s - 0.1, limit_s)] == [False, False, False, True]


@pytest.mark.parametrize("finding", [Finding.WELL, Finding.AWAY])
def test_a_client_with_nothing_to_read_or_nobody_to_ask_is_never_lost(finding: Finding) -> None:
    watched = watch()
    assert not any(watched.lost(finding, float(at_s)) for at_s in range(0, 1000, 5))


def test_a_delivery_or_a_quiet_moment_begins_the_count_anew() -> None:
    watched = watch()
    for at_s in (0.0, 10.0, 20.0):
        watched.lost(Finding.STUCK, at_s)
    watched.delivered(25.0)
    assert not any(watched.lost(Finding.STUCK, at_s) for at_s in (26.0, 40.0, 50.0))
    watched.lost(Finding.AWAY, 51.0)
    assert not any(watched.lost(Finding.STUCK, at_s) for at_s in (52.0, 70.0, 81.0))


def test_two_looks_far_apart_are_not_enough() -> None:
    watched = watch()
    assert [watched.lost(Finding.STUCK, at_s) for at_s in (0.0, 1000.0, 1001.0)] == [False, False, True]


def test_patience_doubles_while_replacing_does_not_help() -> None:
    watched, at_s, took = watch(), 0, []
    for _ in range(7):
        began_s = at_s
        while not watched.lost(Finding.STUCK, float(at_s)):
            at_s += 1
        took.append(at_s - began_s)
        watched.replaced()
    assert took == [30, 60, 120, 240, 480, 480, 480]
