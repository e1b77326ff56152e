"""All real servers of tests and local work, behind one name; ``python -m deploy.local.servers`` starts one of each.

with KafkaServer() as kafka, MinioServer() as minio:
    ...                       # kafka.address, minio.access_key, …
    kafka.kill()              # a power cut
    kafka.restart()           # same port, same data
"""

from __future__ import annotations

import argparse
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import yaml

from deploy.local.kafka_server import KafkaServer
from deploy.local.minio_server import MinioServer
from deploy.local.mosquitto_server import MosquittoServer
from deploy.local.obtain import ObtainError
from deploy.local.postgres_server import PostgresServer
from deploy.local.rtsp_camera_server import RtspCameraServer
from deploy.local.server_process import LOOPBACK, LocalServer, ServerError, which

__all__ = [
    "KafkaServer",
    "LocalServer",
    "MinioServer",
    "MosquittoServer",
    "PostgresServer",
    "RtspCameraServer",
    "ServerError",
    "distributed_file",
]


def distributed_file(
    directory: Path,
    kafka: KafkaServer,
    minio: MinioServer,
    postgres: PostgresServer,
    *,
    database: str | None = None,
    bucket: str = "kanhu-footage",
) -> Path:
    """Write a configuration FILE for these servers into ``directory``, with its secrets in files beside it (mode 0600)."""
    keys = directory / "keys"
    keys.mkdir(mode=0o700, exist_ok=True)
    document = {
        "backbone": {
            "mode": "distributed",
            "kafka": {"bootstrap": kafka.address},
            "s3": _object_store(directory, minio, bucket),
            "postgres": _database(directory, postgres, database or postgres.database),
            "keys": str(keys),
        },
        "agent": {"data": str(directory / "agent")},
        "analyze": {"models": str(directory / "models")},
    }
    file = directory / "kanhu.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return file


def _object_store(directory: Path, minio: MinioServer, bucket: str) -> dict[str, object]:
    return {
        "endpoint": minio.address,
        "secure": False,
        "bucket": bucket,
        "region": minio.region,
        "access_key_file": _secret_file(directory / "s3-access-key", minio.access_key),
        "secret_key_file": _secret_file(directory / "s3-secret-key", minio.secret_key),
    }


def _database(directory: Path, postgres: PostgresServer, database: str) -> dict[str, object]:
    return {
        "host": LOOPBACK,
        "port": postgres.port,
        "database": database,
        "user": postgres.user,
        "password_file": _secret_file(directory / "postgres-password", postgres.password),
    }


def _secret_file(path: Path, secret: str) -> str:
    path.touch(mode=0o600)
    path.write_text(secret)
    return str(path)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Start every server the product talks to; Ctrl-C stops them.")
    parser.add_argument("--camera", action="append", default=[], metavar="NAME=FILE", help="serve this file over RTSP")
    arguments = parser.parse_args(argv)
    mounts = {name: Path(file) for name, _, file in (camera.partition("=") for camera in arguments.camera)}
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # complains while the broker is coming up
    absent = [str(path) for path in mounts.values() if not path.is_file()]
    if absent:
        parser.error(f"no such file: {', '.join(absent)}")

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with ExitStack() as running:
            _start_all(running, mounts)
            stop.wait()
            print("servers: stopping", file=sys.stderr, flush=True)
    except (ServerError, ObtainError) as error:
        print(f"servers: {error}", file=sys.stderr)
        return 1
    return 0


def _start_all(running: ExitStack, mounts: dict[str, Path]) -> None:
    kafka, minio, postgres, mosquitto = KafkaServer(), MinioServer(), PostgresServer(), MosquittoServer()
    servers: list[LocalServer] = [kafka, minio, postgres, mosquitto]
    for server in servers:
        running.callback(server.close)
    cameras = RtspCameraServer(mounts or {"test": _drawn_clip(kafka.directory)})
    running.callback(cameras.close)
    servers.append(cameras)
    with ThreadPoolExecutor(len(servers)) as starters:
        for started in [starters.submit(_bring_up, server) for server in servers]:
            started.result()
    file = distributed_file(kafka.directory, kafka, minio, postgres)
    for server in servers:
        print(f"{server.label:<12} {server.address}  log {server.log_path}")
    for name in cameras.mounts:
        print(f"{'camera':<12} {cameras.url(name)}")
    print(f"{'FILE':<12} {file}")
    print("servers: ready; Ctrl-C stops them and removes their data", flush=True)


def _drawn_clip(directory: Path) -> Path:
    """Ten seconds of ffmpeg's test picture, for when no camera was named."""
    clip = directory / "test.mp4"
    drawn = "testsrc2=size=640x360:rate=12:duration=10"
    subprocess.run(
        [
            which("ffmpeg", "ffmpeg"),
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            drawn,
            "-pix_fmt",
            "yuv420p",
            "-g",
            "12",
            str(clip),
        ],
        check=True,
    )
    return clip


def _bring_up(server: LocalServer) -> None:
    server.start()
    server.wait_ready()


if __name__ == "__main__":
    raise SystemExit(main())
