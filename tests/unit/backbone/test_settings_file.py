"""Reading FILE: what is right is read, what is wrong is told with its line, and no secret is ever quoted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from services.backbone.settings_file import for_data_directory, load_settings, read_secret, settings_schema
from services.backbone.yaml_document import MAX_DOCUMENT_BYTES, parse_document
from services.contracts.errors import KanhuError, NotFound, Rejected
from services.contracts.settings import DistributedBackbone, EmbeddedBackbone, Settings

MINIMAL = "backbone: {mode: embedded, data: /var/lib/kanhu}\n"
CAMERA = "cameras:\n  - camera_id: door\n    url: rtsp://cam/1\n"


def read(directory: Path, text: str, **environment: str) -> Settings:
    path = directory / "kanhu.yaml"
    path.write_text(text)
    return load_settings(path, environment=environment)


def refusal(directory: Path, text: str, **environment: str) -> str:
    with pytest.raises(Rejected) as caught:
        read(directory, text, **environment)
    assert caught.value.__cause__ is None or "geheim" not in str(caught.value.__cause__)
    return str(caught.value)


def test_a_minimal_file_gets_the_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path, MINIMAL)
    assert isinstance(settings.backbone, EmbeddedBackbone)
    assert settings.backbone.data == "/var/lib/kanhu"
    assert settings.retain.policy.floor_days == 90


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff" + MINIMAL.replace("\n", "\r\n")).cameras == []


def test_a_file_that_is_missing_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"kanhu\.yaml"):
        load_settings(tmp_path / "kanhu.yaml")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Rejected):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["backbone", "required"]),
        ("- a\n- b\n", ["line 1", "mapping"]),
        ("backbone: [1\n", ["line", "valid YAML"]),
        (MINIMAL + "camera: []\n", ["line 2", "camera", "no such key"]),
        (MINIMAL + "agent:\n  chunk_ms: 900\n", ["line 3", "agent.chunk_ms", "500"]),
        (MINIMAL + "agent:\n  chunk_ms: many\n", ["line 3", "agent.chunk_ms", "integer"]),
        ("backbone: {mode: cloud}\n", ["line 1", "backbone", "embedded"]),
        ("backbone:\n  mode: distributed\n  kafka: {}\n", ["line 3", "backbone.kafka.bootstrap", "required"]),
        (MINIMAL + MINIMAL, ["line 2", "line 1", "'backbone'"]),
        (MINIMAL + CAMERA + "    url: rtsp://cam/2\n", ["line 5", "line 4", "'url'"]),
        (MINIMAL + CAMERA + "  - camera_id: door\n    url: rtsp://cam/2\n", ["line 5", "'door'", "twice"]),
        (MINIMAL + "cameras:\n  - camera_id: Door\n    url: rtsp://cam/1\n", ["line 3", "cameras.0.camera_id"]),
        (MINIMAL + "cameras:\n  - camera_id: door\n    url: ftp://cam/1\n", ["line 4", "cameras.0.url", "rtsp://HOST"]),
        (MINIMAL + "retain: {policy: {floor_days: 30}}\n", ["line 2", "90"]),
        ("a: &x [1, 2]\nb: *x\n", ["line 2", "aliases"]),
        ("a: !!python/object/apply:os.system [id]\n", ["line 1"]),
        ("a: !mine x\n", ["line 1", "tag"]),
        ("? [a, b]\n: c\n", ["line 1", "key"]),
        ("a: " + "[" * 5000, ["nested"]),
        ("a: " + "[" * 100 + "]" * 100, ["nested"]),
        (MINIMAL + "---\n" + MINIMAL, ["line 2"]),
        ("a: \x00\n", ["characters"]),
    ],
)
def test_what_is_wrong_is_told_with_line_key_and_what_is_expected(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    message = refusal(tmp_path, text)
    for part in ["kanhu.yaml", *expected]:
        assert part in message


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kanhu.yaml").write_bytes(b"\xff\xfe\x00\x01" * 10)
    with pytest.raises(Rejected, match="UTF-8"):
        load_settings(tmp_path / "kanhu.yaml")


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    assert "larger" in refusal(tmp_path, "#" * (MAX_DOCUMENT_BYTES + 1))


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL + "cameras:\n  - camera_id: door\n    url: rtsp://u:geheim@cam/1\n    colour: red\n",
        MINIMAL + "cameras:\n  - camera_id: door\n    url: rtsp://u:ge/geheim@cam/1\n",
        MINIMAL + "cameras:\n  - camera_id: door\n    url: u:geheim@cam/1\n",
        MINIMAL + CAMERA + "    password: [geheim]\n",
        MINIMAL + CAMERA + "    password: geheim\n    password_env: X\n",
        MINIMAL + CAMERA + "    password: geheim\n    password: geheim\n",
    ],
)
def test_a_refusal_quotes_no_secret(tmp_path: Path, text: str) -> None:
    assert "geheim" not in refusal(tmp_path, text)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_a_document_or_a_refusal(raw: bytes) -> None:
    try:
        parse_document(raw, "FILE")
    except KanhuError as error:
        assert "FILE" in str(error)


# The environment


def test_the_environment_overrides_a_scalar_at_any_depth(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        MINIMAL + CAMERA,
        KANHU_BACKBONE__DATA="/elsewhere",
        KANHU_AGENT__CHUNK_MS="120",
        KANHU_CAMERAS__0__PASSWORD="geheim",
        KANHU_CAMERAS__0__ANALYSE="false",
        KANHU_INSTITUTION__TITLE="12",
        KANHU_S3_ACCESS_KEY="not a setting",
        OTHER__THING="x",
    )
    assert isinstance(settings.backbone, EmbeddedBackbone)
    assert settings.backbone.data == "/elsewhere"
    assert settings.agent.chunk_ms == 120
    assert settings.institution.title == "12"
    assert not settings.cameras[0].analyse
    assert settings.cameras[0].password is not None
    assert settings.cameras[0].password.get_secret_value() == "geheim"


def test_the_environment_can_stand_for_a_whole_section(tmp_path: Path) -> None:
    settings = read(tmp_path, "", KANHU_BACKBONE__MODE="embedded", KANHU_BACKBONE__DATA="/data")
    assert settings.backbone == EmbeddedBackbone(data="/data")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("KANHU_AGENT__CHUNK_MS", "9000", "agent.chunk_ms"),
        ("KANHU_AGENT__CHUNK", "90", "no such key"),
        ("KANHU_NOTHING__AT__ALL", "90", "no such key"),
        ("KANHU_CAMERAS__7__URL", "rtsp://cam/1", "list of 1"),
        ("KANHU_CAMERAS__DOOR__URL", "rtsp://cam/1", "list of 1"),
        ("KANHU_BACKBONE__MODE__X", "1", "no parts"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, name: str, value: str, expected: str) -> None:
    message = refusal(tmp_path, MINIMAL + CAMERA, **{name: value})
    assert name in message and expected in message


def test_a_wrong_variable_is_not_quoted(tmp_path: Path) -> None:
    variables = {"KANHU_CAMERAS__0__URL": "rtsp://u:geheim@cam:port/1"}
    assert "geheim" not in refusal(tmp_path, MINIMAL + CAMERA, **variables)


# A box


def test_a_directory_without_file_is_an_embedded_box(tmp_path: Path) -> None:
    settings = for_data_directory(tmp_path, environment={})
    assert settings.backbone == EmbeddedBackbone(data=str(tmp_path))


@pytest.mark.parametrize("backbone", ["", "backbone: {}\n", "backbone: {mode: embedded}\n"])
def test_a_box_file_need_not_name_its_own_directory(tmp_path: Path, backbone: str) -> None:
    (tmp_path / "box.yaml").write_text(backbone + CAMERA)
    settings = for_data_directory(tmp_path, environment={})
    assert settings.backbone == EmbeddedBackbone(data=str(tmp_path))
    assert [camera.camera_id for camera in settings.cameras] == ["door"]


def test_an_empty_box_file_is_a_box(tmp_path: Path) -> None:
    (tmp_path / "box.yaml").write_text("")
    assert for_data_directory(tmp_path, environment={}).cameras == []


def test_a_wrong_box_file_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "box.yaml").write_text("cameras: 7\n")
    with pytest.raises(Rejected, match=r"box\.yaml line 1, cameras"):
        for_data_directory(tmp_path, environment={})


# Secrets


def test_a_secret_is_read_from_its_file_without_the_line_end(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_text(" geheim \r\n")
    assert read_secret(file=str(path), env="UNSET").get_secret_value() == " geheim "


def test_a_secret_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KANHU_TEST_SECRET", "geheim")
    secret = read_secret(env="KANHU_TEST_SECRET")
    assert secret.get_secret_value() == "geheim" and "geheim" not in repr(secret)


def test_a_secret_that_is_nowhere_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KANHU_TEST_SECRET", raising=False)
    for options, expected in (
        ({"env": "KANHU_TEST_SECRET"}, "KANHU_TEST_SECRET"),
        ({"file": str(tmp_path / "none")}, "none"),
        ({}, "name a file"),
    ):
        with pytest.raises(Rejected, match=expected):
            read_secret(**options, what="door key")


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * 100_000])
def test_a_file_that_holds_no_secret_is_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Rejected):
        read_secret(file=str(path))


def test_a_secret_everybody_can_read_is_warned_about(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("geheim")
    path.chmod(0o644)
    with structlog.testing.capture_logs() as lines:
        read_secret(file=str(path))
    assert [line["log_level"] for line in lines] == ["warning"]
    assert "geheim" not in str(lines)


# The schema


def test_the_schema_is_json_and_describes_every_section() -> None:
    schema = json.loads(json.dumps(settings_schema()))
    assert set(schema["properties"]) == set(Settings.model_fields)
    assert schema["required"] == ["backbone"]
    assert DistributedBackbone.__name__ in schema["$defs"]
