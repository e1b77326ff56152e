"""Sensors over MQTT and HTTP: a reading is on the log, or its sender knows better, or it is a dead letter."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import pytest

from deploy.local.server_process import free_port
from deploy.local.servers import MosquittoServer
from services.contracts import sensor as sensors
from services.contracts.cloud_event import decode_event
from services.contracts.dead_letter import DeadLetter, decode_dead_letter
from services.contracts.entity import SensorConfig
from services.contracts.errors import Rejected
from services.contracts.topics import DEAD_LETTER, SENSOR
from services.ingest.sensors.http import MAX_BODY_BYTES, MAX_READINGS, readings_api
from services.ingest.sensors.intake import Intake
from tests.harness.faulty_log import FaultyLog
from tests.harness.log_site import until
from tests.integration.ingest.agents import Agent, running_agent
from tests.integration.ingest.outboxes import running_outbox

TOKEN = "a-token-of-many-letters"
DOOR = SensorConfig(sensor_id="door", kind="door", mqtt_topic="zigbee2mqtt/Front door", payload="zigbee2mqtt")
WARMTH = SensorConfig(sensor_id="warmth", kind="temperature", mqtt_topic="room/climate")
DAMP = SensorConfig(sensor_id="damp", kind="humidity", mqtt_topic="room/climate")
BUTTON = SensorConfig(sensor_id="alarm", kind="button", mqtt_topic="alarm")


async def readings(agent: Agent) -> list[Any]:
    return [decode_event(one.value or b"", sensors.PAYLOADS).data for one in await agent.delivered(SENSOR.name)]


async def dead_letters(agent: Agent) -> list[DeadLetter]:
    return [decode_dead_letter(one.headers, one.value or b"") for one in await agent.delivered(DEAD_LETTER.name)]


async def until_readings(agent: Agent, count: int) -> list[Any]:
    async def enough() -> list[Any] | None:
        found = await readings(agent)
        return found if len(found) >= count else None

    found: list[Any] = await until(enough, f"{count} readings")
    return found


@contextlib.asynccontextmanager
async def mqtt_agent(directory: Path, broker: MosquittoServer, agent_id: str) -> AsyncIterator[Agent]:
    async with running_agent(directory, agent_id=agent_id, mqtt={"host": "127.0.0.1", "port": broker.port}) as agent:
        yield agent


async def publish(broker: MosquittoServer, topic: str, payload: str | bytes, *, retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish(topic, payload, qos=1, retain=retain)


async def until_heard(agent: Agent, broker: MosquittoServer, sensor: SensorConfig, payload: str) -> None:
    """Publish until the agent has subscribed."""

    async def heard() -> bool:
        await publish(broker, sensor.mqtt_topic or "", payload)
        await asyncio.sleep(0.1)
        return bool(await readings(agent))

    await until(heard, "a first reading")


async def test_a_zigbee_door_and_a_plain_climate_sensor_are_read(mosquitto: MosquittoServer, tmp_path: Path) -> None:
    async with mqtt_agent(tmp_path, mosquitto, "mqtt-a") as agent:
        agent.sensors(DOOR, WARMTH, DAMP)
        await until_heard(agent, mosquitto, DOOR, '{"contact": false, "battery": 88, "linkquality": 12}')
        await publish(mosquitto, "room/climate", '{"temperature": 21.5, "humidity": 40}')
        await publish(mosquitto, "somebody/elses", '{"temperature": 99}')

        async def kinds() -> set[str]:
            return {type(one).__name__ for one in await readings(agent)}

        async def all_three() -> bool:
            return await kinds() == {"DoorReading", "TemperatureReading", "HumidityReading"}

        await until(all_three, "all three kinds")
        found = await readings(agent)
    door = next(one for one in found if isinstance(one, sensors.DoorReading))
    assert (door.sensor_id, door.open, door.battery_percent) == ("door", True, 88)


async def test_what_cannot_be_read_is_a_dead_letter_with_the_payload_and_the_reason(
    mosquitto: MosquittoServer, tmp_path: Path
) -> None:
    async with mqtt_agent(tmp_path, mosquitto, "mqtt-b") as agent:
        agent.sensors(WARMTH)
        await until_heard(agent, mosquitto, WARMTH, "20")
        for payload in (b"\xff\x00", b"warm", b"{" * 3000):
            await publish(mosquitto, "room/climate", payload)

        async def three() -> bool:
            return len({one.value for one in await dead_letters(agent)}) == 3

        await until(three, "three dead letters")
        # A busy machine may have one stand in the log twice (outbox): the letters are told apart by what they hold.
        letters = list({one.value: one for one in await dead_letters(agent)}.values())
        await publish(mosquitto, "room/climate", "21")

        async def after() -> bool:
            return any(one.celsius == 21 for one in await readings(agent))

        await until(after, "a good reading after bad ones")
    assert [letter.value for letter in letters] == [b"\xff\x00", b"warm", b"{" * 3000]
    assert all(letter.origin == "mqtt/room/climate" for letter in letters)
    assert "UTF-8" in letters[0].reason and "'warm'" in letters[1].reason


async def test_readings_sent_while_the_broker_restarts_or_the_log_is_away_arrive(tmp_path: Path) -> None:
    with MosquittoServer() as broker:
        async with mqtt_agent(tmp_path, broker, "mqtt-c") as agent:
            agent.sensors(WARMTH)
            await until_heard(agent, broker, WARMTH, "10")
            await asyncio.to_thread(broker.restart)
            await until_celsius(agent, broker, 11)
            agent.log.mode = "away"
            await publish(broker, "room/climate", "12")
            await asyncio.sleep(0.3)
            agent.log.mode = "up"

            async def came() -> bool:
                return 12 in {one.celsius for one in await readings(agent)}

            await until(came, "the reading that was sent while the log was away")


async def until_celsius(agent: Agent, broker: MosquittoServer, celsius: float) -> None:
    async def came() -> bool:
        await publish(broker, "room/climate", str(celsius))
        await asyncio.sleep(0.1)
        return celsius in {one.celsius for one in await readings(agent)}

    await until(came, f"{celsius} °C")


async def test_a_retained_press_of_an_alarm_is_no_alarm(mosquitto: MosquittoServer, tmp_path: Path) -> None:
    await publish(mosquitto, "alarm", '{"action": "old press"}', retain=True)
    async with mqtt_agent(tmp_path, mosquitto, "mqtt-d") as agent:
        agent.sensors(BUTTON)
        await until_heard(agent, mosquitto, BUTTON, '{"action": "help"}')
        assert {one.action for one in await readings(agent)} == {"help"}
    await publish(mosquitto, "alarm", b"", retain=True)


async def test_sensors_can_be_added_while_the_agent_runs(mosquitto: MosquittoServer, tmp_path: Path) -> None:
    async with mqtt_agent(tmp_path, mosquitto, "mqtt-e") as agent:
        agent.sensors(WARMTH)
        await until_heard(agent, mosquitto, WARMTH, "20")
        agent.sensors(WARMTH, DOOR)

        async def heard() -> bool:
            await publish(mosquitto, DOOR.mqtt_topic or "", '{"contact": true}')
            await asyncio.sleep(0.1)
            return any(isinstance(one, sensors.DoorReading) for one in await readings(agent))

        await until(heard, "the door's reading")


@contextlib.asynccontextmanager
async def http_agent(directory: Path) -> AsyncIterator[tuple[Agent, httpx.AsyncClient]]:
    (directory / "token").write_text(TOKEN)
    port = free_port()
    http = {"listen": f"127.0.0.1:{port}", "token_file": str(directory / "token")}
    async with running_agent(directory, http=http) as agent:
        agent.sensors(DOOR, WARMTH)
        address = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {TOKEN}"}) as client:

            async def listens() -> bool:
                try:
                    await client.get("/")
                except httpx.TransportError:
                    return False
                return True

            await until(listens, "the agent to listen")
            yield agent, client


async def test_a_reading_is_accepted_when_it_is_on_the_log(tmp_path: Path) -> None:
    async with http_agent(tmp_path) as (agent, client):
        answer = await client.post("/v1/readings", json={"sensor_id": "door", "open": True})
        assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
        (reading,) = await readings(agent)
        assert reading.open and reading.sensor_id == "door"
        many = [{"sensor_id": "warmth", "celsius": celsius} for celsius in range(20)]
        assert (await client.post("/v1/readings", json=many)).status_code == 202
        assert len(await readings(agent)) == 21


async def test_a_reading_is_accepted_while_the_log_is_away_since_the_spool_has_it(tmp_path: Path) -> None:
    async with http_agent(tmp_path) as (agent, client):
        agent.log.mode = "silent"
        answer = await client.post("/v1/readings", json={"sensor_id": "door", "open": True})
        assert answer.status_code == 202
        agent.log.mode = "up"
        await until_readings(agent, 1)


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "Bearer", "Basic " + TOKEN, TOKEN, "Bearer " + TOKEN + "x", "Bearer ünicode"]
)
async def test_without_the_token_nothing_is_taken(header: str | None, tmp_path: Path) -> None:
    async with http_agent(tmp_path) as (agent, client):
        client.headers.pop("Authorization")
        headers = [] if header is None else [(b"Authorization", header.encode())]
        answer = await client.post("/v1/readings", json={"sensor_id": "door", "open": True}, headers=headers)
        assert answer.status_code == 401
        assert TOKEN not in answer.text
        assert await readings(agent) == []


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 422, "not JSON"),
        (b"{", 422, "not JSON"),
        (b"[]", 422, "array of 1"),
        (b"7", 422, "must be a reading"),
        (b"[1]", 422, "must be a reading"),
        (b'{"sensor_id": "nobody", "open": true}', 422, "'nobody' is not a sensor"),
        (b'{"open": true}', 422, "is not a sensor"),
        (b'{"sensor_id": "door"}', 422, "no value"),
        (b'{"sensor_id": "door", "open": "ajar"}', 422, "'ajar'"),
        (b'{"sensor_id": "door", "open": true, "time": "yesterday"}', 422, "RFC 3339"),
        (b'{"sensor_id": "warmth", "celsius": 1e999}', 422, "finite"),
        (b'{"sensor_id": ["door"], "open": true}', 422, "is not a sensor"),
        (b"[" * 60000, 422, "nested too deeply"),
        (b" " * (MAX_BODY_BYTES + 1), 413, "exceeds"),
        (b"\xff\xfe", 422, "not JSON"),
    ],
)
async def test_a_wrong_body_is_refused_with_the_reason(body: bytes, status: int, says: str, tmp_path: Path) -> None:
    async with http_agent(tmp_path) as (agent, client):
        answer = await client.post("/v1/readings", content=body)
        assert (answer.status_code, says in answer.json()["detail"]) == (status, True), answer.text
        assert await readings(agent) == []
        good = await client.post("/v1/readings", json={"sensor_id": "door", "open": True})
        assert good.status_code == 202


async def test_one_bad_reading_among_many_refuses_all_of_them(tmp_path: Path) -> None:
    async with http_agent(tmp_path) as (agent, client):
        items = [{"sensor_id": "door", "open": True}, {"sensor_id": "door", "open": "ajar"}]
        assert (await client.post("/v1/readings", json=items)).status_code == 422
        too_many = [{"sensor_id": "door", "open": True}] * (MAX_READINGS + 1)
        assert (await client.post("/v1/readings", json=too_many)).status_code == 422
        assert await readings(agent) == []


async def test_what_cannot_be_stored_is_to_be_sent_again(tmp_path: Path) -> None:
    async with running_outbox(FaultyLog(), tmp_path, memory_limit_bytes=0) as outbox:
        intake = Intake("agent-1", outbox.deliver, lambda: 1)
        api = readings_api(intake, lambda: {"door": DOOR}, TOKEN, lambda: 1)
        transport = httpx.ASGITransport(api)
        async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
            answer = await client.post(
                "/v1/readings", json={"sensor_id": "door", "open": True}, headers={"Authorization": f"Bearer {TOKEN}"}
            )
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


async def test_an_agent_with_a_token_that_is_none_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("short")
    with pytest.raises(Rejected, match="make a longer one"):
        async with running_agent(tmp_path, http={"token_file": str(tmp_path / "token")}):
            await asyncio.sleep(5)
    gc.collect()  # a coroutine that nobody awaited fails the test here, not whichever test the collector runs in
