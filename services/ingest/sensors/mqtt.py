"""Sensors over MQTT 3.1.1, QoS 1. A message is acknowledged only when its reading is durable.

The session is persistent, so that the broker keeps what arrives while the agent is away. A retained message is the
state of something as it was left; for a button that is an old press, and is passed over.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

import aiomqtt
import structlog

from services.backbone.settings_file import read_secret
from services.backbone.tls import client_context, is_loopback, tls_complaint
from services.contracts.entity import SensorConfig
from services.contracts.errors import KanhuError, Transient
from services.contracts.settings import MqttSettings
from services.ingest.sensors.intake import Intake

logger = structlog.get_logger(__name__)

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 10.0
_KEEPALIVE_S = 20
_MAX_WAITING = 1000  # messages in memory; unacknowledged ones beyond it stay with the broker
_MAX_UNACKNOWLEDGED = 20


class MqttSensors:
    """Follows the topics of the sensors given to ``watch``; reconnects for as long as ``run`` runs."""

    def __init__(self, settings: MqttSettings, agent_id: str, intake: Intake) -> None:
        self._settings = settings
        self._agent_id = agent_id
        self._intake = intake
        self._sensors: dict[str, list[SensorConfig]] = {}
        self._changed = asyncio.Event()
        self.connected = False

    def watch(self, sensors: Iterable[SensorConfig]) -> None:
        """The sensors wanted from now on; several may share one topic."""
        wanted: dict[str, list[SensorConfig]] = {}
        for sensor in sensors:
            if sensor.mqtt_topic is not None:
                wanted.setdefault(sensor.mqtt_topic, []).append(sensor)
        if wanted != self._sensors:
            self._sensors = wanted
            self._changed.set()

    async def run(self) -> None:
        wait_s = _FIRST_WAIT_S
        if self._settings.tls is None and not is_loopback(self._settings.host):
            logger.warning(
                "the MQTT broker is spoken to without TLS", host=self._settings.host, remedy="mqtt.tls: true"
            )
        while True:
            try:
                async with self._client() as client:
                    logger.info("connected to the MQTT broker", host=self._settings.host)
                    self.connected = True
                    wait_s = _FIRST_WAIT_S
                    await self._serve(client)
            except aiomqtt.MqttError as error:
                said = tls_complaint(error) or str(error)
                logger.warning("the MQTT broker is away", host=self._settings.host, error=said)
            except KanhuError as error:
                logger.error("cannot connect to the MQTT broker", host=self._settings.host, error=str(error))
            finally:
                self.connected = False
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    def _client(self) -> aiomqtt.Client:
        settings = self._settings
        password = None
        if settings.password_file is not None or settings.password_env is not None:
            secret = read_secret(file=settings.password_file, env=settings.password_env, what="MQTT password")
            password = secret.get_secret_value()
        client = aiomqtt.Client(
            settings.host, settings.port, username=settings.username, password=password,
            identifier=f"kanhu-{self._agent_id}", clean_session=False, keepalive=_KEEPALIVE_S,
            tls_context=None if settings.tls is None else client_context(settings.tls),
            max_queued_incoming_messages=_MAX_WAITING, max_inflight_messages=_MAX_UNACKNOWLEDGED,
        )  # fmt: skip
        client._client.manual_ack_set(True)  # aiomqtt has no word for it; paho has
        return client

    async def _serve(self, client: aiomqtt.Client) -> None:
        """Subscribe and listen until one of the two fails."""
        both = {asyncio.ensure_future(self._follow_changes(client)), asyncio.ensure_future(self._listen(client))}
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            await self._take(message)
            client._client.ack(message.mid, message.qos)

    async def _follow_changes(self, client: aiomqtt.Client) -> None:
        subscribed: set[str] = set()
        while True:
            self._changed.clear()
            wanted = set(self._sensors)
            for topic in sorted(wanted - subscribed):
                await client.subscribe(topic, qos=1)
            for topic in sorted(subscribed - wanted):
                await client.unsubscribe(topic)
            subscribed = wanted
            await self._changed.wait()

    async def _take(self, message: aiomqtt.Message) -> None:
        payload = message.payload if isinstance(message.payload, bytes) else str(message.payload or "").encode()
        for topic, sensors in list(self._sensors.items()):
            if not message.topic.matches(topic):
                continue
            for sensor in sensors:
                if message.retain and sensor.kind == "button":
                    continue
                await self._until_stored(sensor, payload, f"mqtt/{message.topic.value}")

    async def _until_stored(self, sensor: SensorConfig, payload: bytes, origin: str) -> None:
        """Wait out a lack of room: meanwhile the broker holds what is not acknowledged."""
        while True:
            try:
                await self._intake.payload(sensor, payload, way="mqtt", origin=origin)
                return
            except Transient as error:
                await asyncio.sleep(error.retry_after_s or 1.0)
