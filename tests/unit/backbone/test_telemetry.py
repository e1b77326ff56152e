"""Log lines: one per happening, and never a secret in one, wherever it hides."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from services.backbone.telemetry import Format, configure_logging, names_secret, redact_text


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("services")
    kept = (list(root.handlers), root.level, ours.level)
    yield
    root.handlers, level, ours_level = kept
    root.setLevel(level)
    ours.setLevel(ours_level)
    structlog.reset_defaults()


def lines_of(form: Format = "json", **fields: Any) -> list[dict[str, Any]]:
    output = io.StringIO()
    configure_logging(form=form, service="agent", stream=output)
    structlog.get_logger("services.ingest").info("something happened", **fields)
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_service_and_fields() -> None:
    (line,) = lines_of(camera="door", chunks=3)
    assert line["event"] == "something happened"
    assert (line["level"], line["service"], line["logger"]) == ("info", "agent", "services.ingest")
    assert (line["camera"], line["chunks"]) == ("door", 3)
    assert line["timestamp"].endswith("Z")


def test_chinese_is_written_as_it_is() -> None:
    output = io.StringIO()
    configure_logging(stream=output)
    structlog.get_logger("services").warning("看护", room="睡眠室")
    assert "睡眠室" in output.getvalue()


@pytest.mark.parametrize(
    "fields",
    [
        {"password": "geheim"},
        {"mqtt_password": "geheim"},
        {"Authorization": "Bearer geheim"},
        {"secret_key": b"geheim"},
        {"value": SecretStr("geheim")},
        {"settings": {"s3": {"secret_key": "geheim", "deep": [{"token": "geheim"}]}}},
        {"url": "rtsp://admin:geheim@cam/1"},
        {"urls": ["rtsp://admin:ge@geheim@cam/1"]},
        {"said": "connect to rtsp://admin:geheim@cam/1 failed, then rtsp://b:geheim@cam/2"},
        {"said": 'answer {"token": "geheim"}'},
        {"said": "password=geheim user=x"},
        {"said": "header Authorization: Bearer geheim123"},
        {"error": ValueError("rtsp://admin:geheim@cam/1")},
        {"key": b"geheim"},
    ],
)
def test_a_secret_is_struck_out_wherever_it_hides(fields: dict[str, Any]) -> None:
    assert "geheim" not in json.dumps(lines_of(**fields))


def test_what_only_names_a_secret_is_kept() -> None:
    (line,) = lines_of(password_file="/run/secrets/x", token_env="KANHU_TOKEN", key_id="ab12", tokens=None)
    assert (line["password_file"], line["token_env"], line["key_id"]) == ("/run/secrets/x", "KANHU_TOKEN", "ab12")
    assert names_secret("api_key") and not names_secret("object_key")


def test_an_exception_is_told_without_its_secret() -> None:
    output = io.StringIO()
    configure_logging(stream=output)
    try:
        raise OSError("rtsp://admin:geheim@cam/1 refused")
    except OSError:
        structlog.get_logger("services").exception("cannot read")
    (line,) = map(json.loads, output.getvalue().splitlines())
    assert "geheim" not in line["exception"] and "OSError" in line["exception"]


def test_lines_of_libraries_have_the_same_form_and_are_redacted() -> None:
    output = io.StringIO()
    configure_logging(service="retain", stream=output)
    logging.getLogger("aiokafka").warning("cannot reach %s", "kafka://u:geheim@host:1")
    logging.getLogger("aiokafka").info("chatter")
    (line,) = map(json.loads, output.getvalue().splitlines())
    assert (line["logger"], line["service"], line["level"]) == ("aiokafka", "retain", "warning")
    assert "geheim" not in line["event"]


def test_text_is_for_people() -> None:
    output = io.StringIO()
    configure_logging(form="text", stream=output)
    structlog.get_logger("services").info("camera is streaming", camera="door")
    assert "camera is streaming" in output.getvalue() and "door" in output.getvalue()


def test_a_level_hides_what_is_below_it() -> None:
    output = io.StringIO()
    configure_logging(level="warning", stream=output)
    structlog.get_logger("services.x").info("hidden")
    structlog.get_logger("services.x").warning("shown")
    assert "hidden" not in output.getvalue() and "shown" in output.getvalue()


def test_configuring_again_writes_each_line_once() -> None:
    lines_of()
    assert len(lines_of()) == 1


def test_a_huge_text_is_cut() -> None:
    assert len(redact_text("x" * 10_000_000)) < 20_000


def test_a_value_that_contains_itself_is_no_end() -> None:
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    assert len(lines_of(loop=loop)) == 1
