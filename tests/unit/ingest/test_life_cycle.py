"""One stream's life: what is said, declared and tried again, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.core.life_cycle import (
    Begun,
    Connect,
    DeclareGap,
    Disconnect,
    Failed,
    Failure,
    FailureKind,
    LifeCycle,
    LifeEvent,
    NoRoom,
    RetryAfter,
    RetryDue,
    RunBegan,
    RunEnded,
    Say,
    Withdrawn,
    step,
)

S = 1_000_000_000
KINDS: tuple[FailureKind, ...] = (
    "unreachable", "absent", "lost", "stalled", "ended", "credentials", "unsupported", "unusable",
)  # fmt: skip


def failed(at_s: float, kind: FailureKind = "absent", jitter: float = 0.0) -> Failed:
    return Failed(int(at_s * S), Failure(kind, f"because {kind}"), jitter)


def live(*events: LifeEvent, state: LifeCycle | None = None) -> tuple[LifeCycle, list[object]]:
    state = state or LifeCycle()
    done: list[object] = []
    for event in events:
        state, commands = step(state, event)
        done += commands
    return state, done


def of(kind: type, commands: list[object]) -> list[object]:
    return [one for one in commands if isinstance(one, kind)]


def test_a_wanted_stream_connects_and_tells_what_came_before() -> None:
    _, commands = live(Begun(0, "agent"))
    assert commands == [Say("connecting"), Connect("agent")]


def test_the_first_failure_of_a_camera_that_never_opened_declares_one_gap() -> None:
    _, commands = live(Begun(0, "power"), failed(1), RetryDue(2 * S), failed(3, "unreachable"))
    assert of(DeclareGap, commands) == [DeclareGap(1 * S, "camera", "because absent", "power")]


def test_the_cause_that_was_declared_holds_for_the_whole_outage() -> None:
    _, commands = live(Begun(0), failed(1, "unreachable"), RetryDue(2 * S), failed(3, "absent"), RetryDue(4 * S))
    assert of(Connect, commands)[-1] == Connect("network")


def test_no_gap_is_declared_after_a_run_ended_since_its_end_declares_it() -> None:
    _, commands = live(
        Begun(0),
        RunBegan(1 * S),
        RunEnded(9 * S, "camera"),
        failed(9, "stalled"),
        RetryDue(10 * S),
        failed(11, "unreachable"),
    )
    assert of(DeclareGap, commands) == []
    assert of(Say, commands)[-1] == Say("offline", "because unreachable", "network")


def test_a_run_that_begins_ends_the_outage() -> None:
    state, _ = live(Begun(0, "agent"), failed(1), RetryDue(2 * S), RunBegan(3 * S))
    assert (state.phase, state.since, state.outage_from_ns) == ("streaming", None, None)


def test_an_outage_after_a_run_says_the_cause_of_the_runs_end() -> None:
    _, commands = live(Begun(0), RunBegan(S), RunEnded(20 * S, "camera"), failed(20, "lost"), RetryDue(21 * S))
    assert of(Connect, commands)[-1] == Connect("camera")


def test_an_overload_on_a_living_connection_needs_no_new_connection() -> None:
    state, commands = live(Begun(0), RunBegan(S), RunEnded(2 * S, "overload", "full"), RunBegan(9 * S))
    assert len(of(Connect, commands)) == 1
    assert of(Say, commands)[1:] == [Say("streaming"), Say("offline", "full", "overload"), Say("streaming")]
    assert state.phase == "streaming"


def test_no_room_before_any_run_declares_a_gap_of_overload() -> None:
    _, commands = live(Begun(0, "agent"), NoRoom(5 * S, "full"), NoRoom(6 * S, "full"))
    assert of(DeclareGap, commands) == [DeclareGap(5 * S, "overload", "full", "agent")]


def test_a_file_that_ended_is_not_tried_again() -> None:
    state, commands = live(Begun(0), RunBegan(S), RunEnded(5 * S, "camera", "file ended"), failed(5, "ended"))
    assert state.phase == "ended"
    assert of(RetryAfter, commands) == []


def test_a_stream_that_only_feeds_analysis_declares_no_gap() -> None:
    _, commands = live(Begun(0), failed(1), state=LifeCycle(lossless=False))
    assert of(DeclareGap, commands) == []
    assert len(of(RetryAfter, commands)) == 1


@pytest.mark.parametrize("kind", ["credentials", "unsupported", "unusable"])
def test_what_only_a_person_can_mend_is_refused_and_retried_slowly(kind: FailureKind) -> None:
    _, commands = live(Begun(0), failed(1, kind, jitter=0.0))
    assert of(Say, commands)[-1] == Say("refused", f"because {kind}", "camera")
    (retry,) = of(RetryAfter, commands)
    assert isinstance(retry, RetryAfter) and retry.delay_s >= 15


def test_while_an_outage_is_young_the_cameras_return_is_noticed_within_a_second() -> None:
    state, _ = live(Begun(0), RunBegan(0), RunEnded(0, "camera"))
    at_s = 0.0
    while at_s < 110:
        state, commands = step(state, failed(at_s, jitter=0.999))
        (retry,) = of(RetryAfter, list(commands))
        assert isinstance(retry, RetryAfter) and retry.delay_s < 1.0
        at_s += retry.delay_s
        state, _ = step(state, RetryDue(int(at_s * S)))


def test_a_long_outage_is_tried_more_slowly() -> None:
    state, _ = live(Begun(0), failed(0), RetryDue(S))
    _, commands = step(state, failed(600, jitter=1.0))
    assert of(RetryAfter, list(commands)) == [RetryAfter(0.5)]  # still doubling
    for turn in range(10):
        state, commands = step(state, failed(600 + turn, jitter=1.0))
    assert of(RetryAfter, list(commands)) == [RetryAfter(5.0)]


def test_a_good_run_forgives_earlier_failures_and_a_short_one_does_not() -> None:
    bad = [event for turn in range(6) for event in (failed(turn), RetryDue(turn * S))]
    state, _ = live(Begun(0), *bad, RunBegan(10 * S))
    assert step(state, failed(12))[0].failures == 7
    assert step(state, failed(30))[0].failures == 1


def test_nothing_happens_after_withdrawal() -> None:
    state, commands = live(Begun(0), RunBegan(S), Withdrawn(2 * S, "camera removed"))
    assert commands[-1] == Disconnect("camera removed")
    for event in (
        RunEnded(3 * S, "maintenance"),
        failed(3),
        RetryDue(4 * S),
        RunBegan(4 * S),
        Withdrawn(5 * S, "again"),
    ):
        assert step(state, event) == (state, ())


def test_a_retry_that_comes_while_streaming_changes_nothing() -> None:
    state, _ = live(Begun(0), RunBegan(S))
    assert step(state, RetryDue(2 * S)) == (state, ())


EVENTS = st.one_of(
    st.builds(RunBegan, st.integers(0, 10**12)),
    st.builds(RunEnded, st.integers(0, 10**12), st.sampled_from(["camera", "overload", "maintenance"])),
    st.builds(
        Failed,
        st.integers(0, 10**12),
        st.builds(Failure, st.sampled_from(KINDS), st.just("x")),
        st.floats(0, 1, exclude_max=True),
    ),
    st.builds(NoRoom, st.integers(0, 10**12), st.just("full")),
    st.builds(RetryDue, st.integers(0, 10**12)),
)


@given(st.lists(EVENTS, max_size=40))
def test_whatever_happens_at_most_one_gap_is_declared_and_every_wait_is_bounded(events: list[LifeEvent]) -> None:
    _, commands = live(Begun(0, "agent"), *events)
    assert len(of(DeclareGap, commands)) <= 1
    assert all(0.1 <= one.delay_s <= 30 for one in commands if isinstance(one, RetryAfter))
