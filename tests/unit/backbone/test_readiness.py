"""Readiness: every named condition holds, or /readyz says which does not and why."""

from __future__ import annotations

from services.backbone.readiness import Readiness


def test_a_service_that_named_nothing_yet_is_not_ready() -> None:
    assert not Readiness().ready


def test_every_condition_must_hold() -> None:
    readiness = Readiness()
    readiness.expect("log")
    readiness.expect("store")
    readiness.set("log", True)
    assert not readiness.ready
    readiness.set("store", True)
    assert readiness.ready
    readiness.set("log", False, "kafka:9092 does not answer")
    assert not readiness.ready
    assert readiness.as_json() == {
        "ready": False,
        "conditions": {
            "log": {"holds": False, "detail": "kafka:9092 does not answer"},
            "store": {"holds": True, "detail": ""},
        },
    }
    readiness.forget("log")
    assert readiness.ready


def test_expecting_again_keeps_what_is_known() -> None:
    readiness = Readiness()
    readiness.set("log", True)
    readiness.expect("log")
    assert readiness.ready
