"""Bad input at every edge of a running installation: a clear word or a dead letter each time; the good camera never blinks."""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from deploy.local.server_process import free_port
from deploy.local.servers import MosquittoServer, RtspCameraServer
from services.backbone.assembly import close_backbone, open_backbone
from services.backbone.ports import Backbone, Outgoing
from services.backbone.settings_file import load_settings
from services.box.command import main as kanhu
from services.contracts import topics
from services.contracts.dead_letter import DeadLetter, decode_dead_letter
from services.contracts.media_record import Chunk, ChunkFacts, RunFacts, encode
from tests.harness.footage import findings, gaps, look, wait_for_first_segments
from tests.harness.ground import Ground
from tests.harness.material import Material
from tests.harness.site import Site
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.timeout(300)

TOKEN = "a-token-of-the-test"
DAMAGED_URLS = ("http://cam/a", "rtsp://", "file:", "sim:Big Room", "rtsp://u:hunter2@cam:port/a")


@dataclass
class Abused:
    """An installation after all of it, stopped; what was answered meanwhile."""

    site: Site
    letters: list[DeadLetter]
    states: dict[str, dict[str, Any]]
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def abused(
    ground: Ground, clips: Material, mosquitto: MosquittoServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Abused]:
    site = ground.site
    directory = tmp_path_factory.mktemp("abuse")
    token = directory / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    http_port = free_port()
    with RtspCameraServer({"locked": clips.h265}, user="admin", password="right") as camera:
        site.configure(
            cameras=[
                {"camera_id": "good", "url": f"file:{clips.b_frames}?loop=1", "analyse": False},
                {"camera_id": "locked", "url": camera.url("locked", credentials=False),
                 "username": "admin", "password": "hunter2"},
                {"camera_id": "nowhere", "url": f"rtsp://127.0.0.1:{free_port()}/none"},
                {"camera_id": "missing", "url": f"file:{directory / 'missing.mp4'}"},
                {"camera_id": "page", "url": f"file:{_html_page(directory)}"},
                {"camera_id": "codec", "url": f"file:{_mjpeg(directory)}"},
            ],
            sensors=[
                {"sensor_id": "front-door", "kind": "door", "mqtt_topic": "test/front-door", "payload": "zigbee2mqtt"},
                {"sensor_id": "fridge", "kind": "temperature"},
            ],
            agent={
                "mqtt": {"host": "127.0.0.1", "port": mosquitto.port},
                "http": {"listen": f"127.0.0.1:{http_port}", "token_file": str(token)},
            },
            retain={"segment_s": 3},
        )  # fmt: skip
        site.start("retain", "analyze", "agent")
        left = Abused(site, [], {})
        wait_for_first_segments(site, "good")
        asyncio.run(_abuse_mqtt(mosquitto))
        _abuse_http(left, http_port)
        asyncio.run(_abuse_log(site))
        wait_until(lambda: _collect(left) >= 9, seconds=60, what="the dead letters", every_s=1.0)
        wait_until(lambda: _know_states(left), seconds=60, what="the states of the bad cameras", every_s=1.0)
        site.stop("agent")
    wait_until(
        lambda: any(row["end_ns"] is None for row in gaps(site, "good")), seconds=60, what="the end", every_s=0.5
    )
    site.stop("analyze", "retain")
    yield left


def _html_page(directory: Path) -> Path:
    page = directory / "page.mp4"
    page.write_text("<html><body>502 Bad Gateway</body></html>")
    return page


def _mjpeg(directory: Path) -> Path:
    clip = directory / "mjpeg.mkv"
    drawn = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=5:duration=2"]
    subprocess.run(["ffmpeg", "-v", "error", *drawn, "-c:v", "mjpeg", str(clip)], check=True)
    return clip


async def _abuse_mqtt(broker: MosquittoServer) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for payload in (b'{"contact": "perhaps"}', b"\xff\xfe\x00", b"{" * 5000):
            await client.publish("test/front-door", payload, qos=1)
        await client.publish("test/front-door", b'{"contact": false, "battery": 90, "linkquality": 3}', qos=1)


def _abuse_http(left: Abused, port: int) -> None:
    good = {"sensor_id": "fridge", "celsius": 4.5}
    left.answers["good"] = _post(port, json.dumps(good).encode(), TOKEN)
    left.answers["no token"] = _post(port, json.dumps(good).encode(), None)
    left.answers["wrong token"] = _post(port, json.dumps(good).encode(), "guess")
    left.answers["no json"] = _post(port, b"celsius=4", TOKEN)
    left.answers["unknown sensor"] = _post(port, b'{"sensor_id": "nobody", "celsius": 4}', TOKEN)
    left.answers["absurd"] = _post(port, b'{"sensor_id": "fridge", "celsius": 4000}', TOKEN)
    left.answers["too big"] = _post(port, b"[" + b" " * 70_000 + b"]", TOKEN)


def _post(port: int, body: bytes, token: str | None) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/readings", data=body, method="POST")
    request.add_header("Content-Type", "application/json")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


async def _abuse_log(site: Site) -> None:
    """Records that no honest producer writes, on every topic that somebody reads."""
    run = RunFacts("good", "record", "0" * 28, "agent-1", "f" * 16, "avc1.64001f", 640, 360, 90_000)
    forged = encode(Chunk(run, ChunkFacts(0, 1, 1, True, b"d" * 32, b"p" * 32), b"no box at all"))
    without_seq = tuple(pair for pair in forged[0] if pair[0] != "seq")
    bad = [
        Outgoing(topics.VIDEO_RECORD.name, "good", forged[1], forged[0]),  # not enrolled, not opened, not media
        Outgoing(topics.VIDEO_RECORD.name, "good", forged[1], without_seq),
        Outgoing(topics.VIDEO_RECORD.name, "good", b"", ()),
        Outgoing(topics.VIDEO_DETECT.name, "good", b"\x00\x00\x00\x08moof", forged[0][:5]),
        Outgoing(topics.SENSOR.name, "fridge", b'{"type": "kanhu.sensor.temp'),
        Outgoing(topics.SENSOR.name, "fridge", b'{"type": "kanhu.sensor.smell"}'),
        Outgoing(topics.INCIDENT.name, "demo", b"\xff"),
        Outgoing(topics.CONFIG.name, "camera/evil", b'{"camera_id": "evil", "url": "http://x"}'),
    ]
    backbone = await open_backbone(load_settings(site.file), role="tool")
    try:
        await backbone.log.append(bad)
    finally:
        await close_backbone(backbone)


def _collect(left: Abused) -> int:
    left.letters[:] = asyncio.run(_letters(left.site))
    return len(left.letters)


async def _letters(site: Site) -> list[DeadLetter]:
    backbone: Backbone = await open_backbone(load_settings(site.file), role="tool")
    try:
        async with backbone.log.consumer([topics.DEAD_LETTER.name], group=None) as reader:
            found: list[DeadLetter] = []
            while records := await reader.poll(timeout_s=2.0):
                found += [decode_dead_letter(record.headers, record.value or b"") for record in records]
            return found
    finally:
        await close_backbone(backbone)


def _know_states(left: Abused) -> bool:
    footage = look(left.site)
    left.states = {name: (footage.gaps(name) or [{}])[0] for name in ("locked", "nowhere", "missing", "page", "codec")}
    return all(left.states.values())


def test_the_good_camera_never_blinked(abused: Abused) -> None:
    assert [row["cause"] for row in gaps(abused.site, "good")] == ["maintenance"]


def test_each_bad_camera_says_why_it_has_no_footage(abused: Abused) -> None:
    said = {name: f"{row['cause']}: {row['detail']}".lower() for name, row in abused.states.items()}
    for name, words in {
        "locked": ("password", "credential", "401", "user name", "unauthor"), "nowhere": ("refused", "reach", "connect"),
        "missing": ("no such file", "not exist", "not found", "there is no"), "page": ("not", "invalid", "no "),
        "codec": ("mjpeg", "h.264"),
    }.items():  # fmt: skip
        assert any(word in said[name] for word in words), said[name]


def test_no_password_is_in_any_log_or_row(abused: Abused) -> None:
    for path in abused.site.root.rglob("*"):
        if path.is_file() and path.suffix in (".log", ".db"):
            assert b"hunter2" not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("edge", "status"),
    [("good", 202), ("no token", 401), ("wrong token", 401), ("no json", 422), ("unknown sensor", 422),
     ("absurd", 422), ("too big", 413)],
)  # fmt: skip
def test_the_sensor_api_answers_with_a_reason(abused: Abused, edge: str, status: int) -> None:
    code, text = abused.answers[edge]
    assert code == status, text
    assert len(text) > 10
    assert TOKEN not in text


@pytest.mark.parametrize(
    "needle",
    ["seq", "kind", "not enrolled", "kanhu.sensor.smell", "mqtt", "incident.v1", "config.v1", "video.detect.v1"],
)
def test_what_could_not_be_read_is_in_the_dead_letters_with_origin_and_reason(abused: Abused, needle: str) -> None:
    told = [f"{letter.origin} {letter.reason}".lower() for letter in abused.letters]
    assert any(needle in each for each in told), told


def test_the_good_readings_were_stored(abused: Abused) -> None:
    async def readings() -> list[tuple[str, float]]:
        from sqlalchemy import select

        from services.backbone.catalog_schema import sensor_reading

        backbone = await open_backbone(load_settings(abused.site.file), role="tool")
        try:
            async with backbone.need_catalog().snapshot() as tx:
                rows = await tx.rows(select(sensor_reading.c.sensor_id, sensor_reading.c.value))
                return sorted((row["sensor_id"], row["value"]) for row in rows if row["value"] is not None)
        finally:
            await close_backbone(backbone)

    assert asyncio.run(readings()) == [("fridge", 4.5), ("front-door", 1.0)]


@pytest.mark.parametrize("url", DAMAGED_URLS)
def test_a_damaged_url_in_file_is_wrong_use_and_hides_the_password(
    abused: Abused, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {**abused.site.settings, "cameras": [{"camera_id": "x", "url": url}]}
    site = Site(tmp_path, settings["backbone"])
    site.configure(**settings)
    assert kanhu(["agent", "--config", str(site.file)]) == 2
    said = capsys.readouterr().err
    assert "cameras" in said
    assert "hunter2" not in said
    assert "Traceback" not in said


def test_a_damaged_yaml_is_wrong_use_and_names_the_line(abused: Abused, tmp_path: Path) -> None:
    site = Site(tmp_path, abused.site.settings["backbone"])
    site.file.write_text("backbone:\n  mode: embedded\n  data: [oops\n")
    done = site.kanhu("retain", expect=(2,))
    assert "line" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_found_by_check(abused: Abused) -> None:
    assert findings(abused.site) == []
