"""Each local server works, and comes back on the same port with what it was given before."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local.kafka_server import READY_TOPIC
from deploy.local.servers import (
    KafkaServer,
    MinioServer,
    MosquittoServer,
    PostgresServer,
    RtspCameraServer,
    ServerError,
)
from tests.conftest import RtspCameras
from tests.harness.slices import first_difference, slice_digests
from tests.harness.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


async def test_kafka_killed_comes_back_on_its_port_with_its_records(kafka: KafkaServer) -> None:
    value = os.urandom(4 * 1024 * 1024)
    async with AIOKafkaProducer(
        bootstrap_servers=kafka.address, acks="all", enable_idempotence=True, max_request_size=8 * 1024 * 1024
    ) as producer:
        sent = await producer.send_and_wait(READY_TOPIC, value)

    address = kafka.address
    await asyncio.to_thread(kafka.kill)
    assert not kafka.running
    await asyncio.to_thread(kafka.restart)
    assert kafka.address == address

    consumer = AIOKafkaConsumer(READY_TOPIC, bootstrap_servers=kafka.address, auto_offset_reset="earliest")
    async with asyncio.timeout(20), consumer:
        async for record in consumer:
            if record.offset == sent.offset:
                assert record.value == value
                return


def test_minio_killed_comes_back_on_its_port_with_its_objects(minio: MinioServer) -> None:
    client = minio.client()
    client.make_bucket("restart", object_lock=True)
    client.put_object("restart", "a", io.BytesIO(b"kept"), 4)
    minio.kill()
    minio.restart()
    with client.get_object("restart", "a") as answer:
        assert answer.read() == b"kept"
    assert client.get_object_lock_config("restart") is not None


async def test_postgres_killed_comes_back_on_its_port_with_its_rows(postgres: PostgresServer) -> None:
    database = await asyncio.to_thread(postgres.create_database)

    async def ask(statement: str) -> object:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=postgres.port, user=postgres.user, password=postgres.password, database=database
        )
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    await ask("CREATE TABLE kept AS SELECT 42 AS answer")
    await asyncio.to_thread(postgres.kill)
    await asyncio.to_thread(postgres.restart)
    assert await ask("SELECT answer FROM kept") == 42


async def test_mosquitto_killed_comes_back_on_its_port_with_its_retained_messages(mosquitto: MosquittoServer) -> None:
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.publish("kept", b"42", qos=1, retain=True)
    await asyncio.to_thread(mosquitto.restart)
    async with asyncio.timeout(10), aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.subscribe("kept")
        async for message in client.messages:
            assert message.payload == b"42"
            return


async def test_mosquitto_with_a_password_refuses_a_wrong_one() -> None:
    broker = await asyncio.to_thread(MosquittoServer(username="hub", password="right").__enter__)
    try:
        with pytest.raises(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", broker.port, username="hub", password="wrong"):
                pass
    finally:
        await asyncio.to_thread(broker.close)


@pytest.mark.parametrize("server_type", [MinioServer, PostgresServer])
def test_paused_server_answers_again_when_resumed(server_type: type[MinioServer] | type[PostgresServer]) -> None:
    with server_type() as server:
        server.pause()
        with pytest.raises(ServerError, match="does not work"):
            server.wait_ready(timeout_s=0.5)
        server.resume()
        server.wait_ready(timeout_s=20)


def test_server_that_ends_at_once_is_reported_with_its_log() -> None:
    class Wrong(MosquittoServer):
        def prepare(self) -> None:
            self._configuration.write_text("no_such_word 1\n")

    with pytest.raises(ServerError, match="no_such_word"), Wrong():
        pass


# --- RTSP camera -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two seconds with B-frames: H.264 and H.265 in MP4, and the same H.264 bare."""
    folder = tmp_path_factory.mktemp("clips")
    drawn = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x180:rate=25:duration=2",
        "-pix_fmt",
        "yuv420p",
    ]
    h264, h265, raw = folder / "h264.mp4", folder / "h265.mp4", folder / "raw.h264"
    subprocess.run([*drawn, "-c:v", "libx264", "-bf", "2", "-g", "25", str(h264)], check=True)
    subprocess.run(
        [*drawn, "-c:v", "libx265", "-x265-params", "log-level=error:bframes=2:keyint=25", str(h265)], check=True
    )
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(h264), "-c", "copy", str(raw)], check=True)
    return {"h264": h264, "h265": h265, "raw": raw}


@pytest.mark.parametrize(("name", "codec"), [("h264", "h264"), ("h265", "hevc"), ("raw", "h264")])
def test_every_slice_arrives_over_tcp(
    name: str, codec: str, clips: dict[str, Path], rtsp_camera: RtspCameras, tmp_path: Path
) -> None:
    camera = rtsp_camera(clips, once=True)
    received = tmp_path / ("received.h264" if codec == "h264" else "received.265")
    receive(camera.url(name), "-c", "copy", "-f", codec, str(received))
    got, expected = slice_digests(received, codec), slice_digests(clips[name], codec)  # type: ignore[arg-type]
    assert len(expected) >= 50
    assert got == expected, first_difference(got, expected)


@pytest.mark.parametrize("name", ["h264", "h265"])
def test_presentation_times_of_b_frames_are_the_file_s(
    name: str, clips: dict[str, Path], rtsp_camera: RtspCameras
) -> None:
    camera = rtsp_camera(clips, once=True)
    got, expected = presentation_times(camera.url(name)), presentation_times(str(clips[name]))
    # ffmpeg gives the first packet of an RTSP stream no time: it does not know yet which clock tick is zero.
    assert (len(got), len(expected)) == (49, 50)
    shifts = {round(here - there, 3) for here, there in zip(got, expected[1:], strict=True)}
    assert len(shifts) == 1, f"against the file, times are off by {sorted(shifts)}"
    assert got != sorted(got), "the clip has B-frames"


def test_file_is_paced_in_real_time_and_goes_round(clips: dict[str, Path], rtsp_camera: RtspCameras) -> None:
    camera = rtsp_camera({"door": clips["h264"]})
    times = presentation_times(camera.url("door"), "-read_intervals", "%+5")
    assert len(times) > 75, "the file's 50 pictures went round"
    assert max(times) > 3.0, "times keep rising when the file begins again"


def test_digest_authentication_admits_only_the_right_password(clips: dict[str, Path], rtsp_camera: RtspCameras) -> None:
    camera = rtsp_camera({"door": clips["h264"]}, once=True, user="admin", password="right")
    assert presentation_times(camera.url("door"))
    refused = subprocess.run(
        ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", camera.url("door").replace("right", "wrong")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "401" in refused.stderr


def test_unplugged_camera_is_plugged_in_again_at_the_same_url(clips: dict[str, Path], rtsp_camera: RtspCameras) -> None:
    camera = rtsp_camera({"door": clips["h264"]}, once=True)
    url = camera.url("door")
    camera.kill()
    with pytest.raises(subprocess.CalledProcessError):
        presentation_times(url)
    camera.restart()
    assert presentation_times(url)


def receive(url: str, *output: str) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", url, *output], check=True, timeout=60)


def presentation_times(source: str, *options: str) -> list[float]:
    """In seconds, in the order of the packets that have one."""
    transport = ["-rtsp_transport", "tcp"] if source.startswith("rtsp") else []
    answer = subprocess.run(
        ["ffprobe", "-v", "error", *transport, *options, "-show_entries", "packet=pts_time", "-of", "json", source],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return [float(packet["pts_time"]) for packet in json.loads(answer.stdout)["packets"] if "pts_time" in packet]


# --- all of them -----------------------------------------------------------------------------------------------------


@pytest.fixture
def all_servers() -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "deploy.local.servers"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert started.stdout is not None
    with started, started.stdout:
        yield started
        started.kill()


def read_until_ready(started: subprocess.Popen[str]) -> dict[str, str]:
    """First two words of every line up to the one that says ready."""
    assert started.stdout is not None
    told: dict[str, str] = {}
    for line in started.stdout:
        if line.startswith("servers: ready"):
            return told
        words = line.split()
        told[words[0]] = words[1]
    raise AssertionError(f"ended before it was ready: {told}")


def test_make_servers_stops_everything_on_ctrl_c(all_servers: subprocess.Popen[str]) -> None:
    told = read_until_ready(all_servers)
    assert {"kafka", "minio", "postgres", "mosquitto", "rtsp-camera", "FILE"} <= told.keys()
    assert Path(told["FILE"]).is_file()
    family = psutil.Process(all_servers.pid).children(recursive=True)
    assert len(family) >= 5
    all_servers.send_signal(signal.SIGINT)
    assert all_servers.wait(60) == 0
    assert not any(child.is_running() for child in family)
    assert not Path(told["FILE"]).exists()


def test_servers_die_with_a_killed_parent(all_servers: subprocess.Popen[str]) -> None:
    folder = Path(read_until_ready(all_servers)["FILE"]).parent
    family = psutil.Process(all_servers.pid).children(recursive=True)
    all_servers.kill()
    wait_until(lambda: not any(alive(child) for child in family), seconds=20, what="the end of every server")
    all_servers.wait()
    KafkaServer().close()
    assert not folder.exists(), "the next server removes what a killed one left"


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_camera_that_cannot_read_its_file_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a film")
    with pytest.raises(ServerError, match=r"broken\.mp4"), RtspCameraServer({"door": broken}):
        pass
