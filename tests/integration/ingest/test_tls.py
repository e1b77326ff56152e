"""Cameras over rtsps and a broker over TLS: read when believed; when not, what a person has to do is said."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from structlog.testing import capture_logs

from services.backbone.tls import client_context
from services.contracts.entity import CameraConfig, SensorConfig
from services.contracts.settings import TlsSettings
from services.contracts.topics import SENSOR
from tests.conftest import RtspCameras
from tests.harness.certificates import Authority
from tests.harness.log_site import until
from tests.harness.tls_servers import TlsMosquitto
from tests.integration.ingest.agents import running_agent
from tests.integration.ingest.conftest import Clips


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def certificate(authority: Authority, tmp_path: Path) -> Path:
    own = authority.issue("camera")
    path = tmp_path / "camera.pem"
    path.write_text(own.certificate + own.key)
    return path


async def test_a_camera_over_rtsps_is_read_with_its_password_and_its_authority(
    clips: Clips, rtsp_camera: RtspCameras, authority: Authority, certificate: Path, tmp_path: Path
) -> None:
    server = rtsp_camera({"door": clips.h264}, user="watch", password="sesame-7391", certificate=certificate)
    ca = str(authority.write(tmp_path))
    async with running_agent(tmp_path) as agent:
        agent.cameras(
            CameraConfig(camera_id="verified", url=server.url("door"), ca_file=ca),
            CameraConfig(camera_id="encrypted", url=server.url("door"), transport="udp"),
        )
        for name in ("verified", "encrypted"):
            await agent.until_seconds(name, 0.5)


@pytest.mark.parametrize(
    ("host", "believed", "said"),
    [
        ("127.0.0.1", "a stranger", "name that authority's certificate as ca_file"),
        ("localhost", "the right one", "its certificate is for another name"),
        ("127.0.0.1", "nobody", r"absent.pem: No such file"),
    ],
)
async def test_a_camera_that_is_not_believed_is_refused_and_gets_no_password(
    clips: Clips, rtsp_camera: RtspCameras, authority: Authority, certificate: Path, tmp_path: Path,
    host: str, believed: str, said: str,
) -> None:  # fmt: skip
    server = rtsp_camera({"door": clips.h264}, user="watch", password="sesame-7391", certificate=certificate)
    authorities = {
        "a stranger": Authority("a stranger").write(tmp_path, "stranger.pem"),
        "the right one": authority.write(tmp_path),
        "nobody": tmp_path / "absent.pem",
    }
    url = server.url("door").replace("127.0.0.1", host)
    async with running_agent(tmp_path) as agent:
        agent.cameras(CameraConfig(camera_id="cam", url=url, ca_file=str(authorities[believed])))
        status = await agent.until_state("cam", lambda one: one.state == "refused")
        assert await agent.runs("cam") == []
    assert said in status.detail and "sesame" not in status.detail


async def test_a_camera_that_speaks_no_tls_says_so(
    clips: Clips, rtsp_camera: RtspCameras, authority: Authority, tmp_path: Path
) -> None:
    url = rtsp_camera({"door": clips.h264}).url("door").replace("rtsp:", "rtsps:")
    async with running_agent(tmp_path) as agent:
        agent.cameras(CameraConfig(camera_id="cam", url=url))
        status = await agent.until_state("cam", lambda one: one.state != "connecting" and one.detail != "")
    assert status.state != "streaming" and "TLS" in status.detail


@pytest.fixture(scope="module")
def broker(authority: Authority) -> Iterator[TlsMosquitto]:
    with TlsMosquitto(authority) as server:
        yield server


async def test_a_sensor_is_read_over_tls_with_our_certificate(
    broker: TlsMosquitto, authority: Authority, tmp_path: Path
) -> None:
    ca = str(authority.write(tmp_path))
    cert, key = map(str, authority.issue("agent").write(tmp_path, "agent"))
    papers = TlsSettings(ca_file=ca, cert_file=cert, key_file=key)
    door = SensorConfig(sensor_id="door", kind="door", mqtt_topic="door")
    mqtt: dict[str, Any] = {"host": "127.0.0.1", "port": broker.tls_port, "tls": papers.model_dump()}
    async with running_agent(tmp_path, agent_id="mqtt-tls", mqtt=mqtt) as agent:
        agent.sensors(door)

        async def heard() -> bool:
            context = client_context(papers)
            async with aiomqtt.Client("127.0.0.1", broker.tls_port, tls_context=context) as client:
                await client.publish("door", "open", qos=1)
            await asyncio.sleep(0.1)
            return bool(await agent.delivered(SENSOR.name))

        await until(heard, "a reading over TLS")


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_broker_that_is_not_believed_is_said_to_be_so(broker: TlsMosquitto, tmp_path: Path) -> None:
    stranger = {"ca_file": str(Authority("a stranger").write(tmp_path))}
    mqtt: dict[str, Any] = {"host": "127.0.0.1", "port": broker.tls_port, "tls": stranger}
    with capture_logs() as lines:
        async with running_agent(tmp_path, agent_id="mqtt-tls", mqtt=mqtt) as agent:
            agent.sensors(SensorConfig(sensor_id="door", kind="door", mqtt_topic="door"))

            async def said() -> bool:
                return any("authority that is not believed here" in str(line.get("error")) for line in lines)

            await until(said, "the reason in the log")
    gc.collect()
