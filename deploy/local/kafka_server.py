"""Apache Kafka, one broker in KRaft mode, from the jars of ``deploy/local/kafka/pom.xml``."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from deploy.local.obtain import KAFKA_MODULE, kafka_libraries
from deploy.local.server_process import LocalServer, ServerError, complete, free_port, which

READY_TOPIC = "kanhu-ready"
CLUSTER_ID = "a2FuaHUtbG9jYWwtMDAwMQ"  # 16 bytes, base64url; any will do


class KafkaServer(LocalServer):
    """``address`` is the bootstrap address. The topic ``kanhu-ready`` is the probe's own."""

    label = "kafka"

    def __init__(self) -> None:
        super().__init__()
        self.controller_port = free_port()
        self._java = [which("java", "a JDK 17"), "-cp", f"{kafka_libraries()}/*"]
        self._properties = self.directory / "server.properties"

    def prepare(self) -> None:
        template = (KAFKA_MODULE / "server.properties").read_text()
        self._properties.write_text(
            template.format(port=self.port, controller_port=self.controller_port, data=self.directory / "data")
        )
        command = [*self._java, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._properties)]
        formatted = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if formatted.returncode:
            raise ServerError(f"Kafka's storage cannot be formatted:\n{formatted.stdout}{formatted.stderr}")

    def command(self) -> Sequence[str]:
        java, *path = self._java
        limits = [
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        ]
        return [java, *limits, *path, "kafka.Kafka", str(self._properties)]

    def probe(self) -> None:
        complete(self._round_trip())

    async def _round_trip(self) -> None:
        """Produce, consume as a member of a group, commit: the coordinator is up later than the port."""
        await self._make_ready_topic()
        mark = uuid.uuid4().bytes
        async with AIOKafkaProducer(bootstrap_servers=self.address, acks="all") as producer:
            sent = await producer.send_and_wait(READY_TOPIC, mark)
        consumer = AIOKafkaConsumer(
            READY_TOPIC, bootstrap_servers=self.address, group_id=READY_TOPIC, auto_offset_reset="earliest"
        )
        async with consumer:
            async for record in consumer:
                if record.offset >= sent.offset:
                    assert record.value == mark, "what was consumed is not what was produced"
                    break
            await consumer.commit()

    async def _make_ready_topic(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(READY_TOPIC, num_partitions=1, replication_factor=1)])
        except TopicAlreadyExistsError:
            pass
        finally:
            await admin.close()
