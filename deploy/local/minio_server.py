"""MinIO, one drive in a folder, built from ``deploy/local/minio/go.mod``."""

from __future__ import annotations

import contextlib
import io
import secrets
from collections.abc import Mapping, Sequence

import urllib3
from minio import Minio
from minio.error import S3Error

from deploy.local.obtain import minio_binary
from deploy.local.server_process import LocalServer

READY_BUCKET = "kanhu-ready"


class MinioServer(LocalServer):
    """``address`` is the S3 endpoint, without TLS; object lock is asked for when a bucket is made."""

    label = "minio"
    region = "cn-north-1"

    def __init__(self) -> None:
        super().__init__()
        self.access_key = "kanhu"
        self.secret_key = secrets.token_hex(16)
        self._binary = minio_binary()

    def command(self) -> Sequence[str]:
        return [str(self._binary), "server", "--quiet", "--address", self.address, str(self.directory / "data")]

    def environment(self) -> Mapping[str, str]:
        return {
            "MINIO_ROOT_USER": self.access_key,
            "MINIO_ROOT_PASSWORD": self.secret_key,
            "MINIO_REGION": self.region,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }

    def client(self, timeout_s: float = 10.0) -> Minio:
        """A client of the vendor's SDK that neither retries nor waits longer than ``timeout_s``."""
        pool = urllib3.PoolManager(timeout=urllib3.Timeout(timeout_s), retries=False)
        return Minio(
            self.address,
            access_key=self.access_key,
            secret_key=self.secret_key,
            secure=False,
            region=self.region,
            http_client=pool,
        )

    def probe(self) -> None:
        client = self.client(timeout_s=3.0)
        mark = secrets.token_bytes(64)
        try:
            client.make_bucket(READY_BUCKET)
        except S3Error as error:
            if error.code != "BucketAlreadyOwnedByYou":
                raise
        client.put_object(READY_BUCKET, "mark", io.BytesIO(mark), len(mark))
        with contextlib.closing(client.get_object(READY_BUCKET, "mark")) as answer:
            assert answer.read() == mark, "what was read is not what was put"
        client.remove_object(READY_BUCKET, "mark")
        client.remove_bucket(READY_BUCKET)
