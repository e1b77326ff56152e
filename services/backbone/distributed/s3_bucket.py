"""The bucket of the objects: made with object lock where it is missing, refused without.

Belongs here: what has to hold of the bucket before it is used. Does not belong here: its life cycle, identities and their
rights (deploy/).
"""

from __future__ import annotations

import contextlib
import time

from minio import Minio
from minio.commonconfig import ENABLED

from services.backbone.distributed.s3_errors import is_code, translating
from services.contracts.errors import NotFound, Rejected

#: A bucket that another service is just making is there a few milliseconds before its lock is (30 at most were seen).
_PATIENCE_S = 3.0
_PAUSE_S = 0.05


def need_locked_bucket(client: Minio, bucket: str) -> None:
    """Make the bucket if it is not there; ``Rejected`` if it has no object lock. Blocks; several services may do so at once."""
    if not client.bucket_exists(bucket):
        with contextlib.suppress(NotFound):
            _make(client, bucket)
    until_s = time.monotonic() + _PATIENCE_S
    while not _is_locked(client, bucket):
        if time.monotonic() > until_s:
            raise Rejected(
                f"bucket {bucket} exists without object lock, which can only be given at creation; "
                "name another bucket, or remove this one if it holds nothing"
            )
        time.sleep(_PAUSE_S)


def _is_locked(client: Minio, bucket: str) -> bool:
    try:
        with translating(f"reading the lock of bucket {bucket}"):
            locked = client.get_object_lock_config(bucket) is not None
    except NotFound:
        return False
    except Rejected as error:
        if not is_code(error, "ObjectLockConfigurationNotFoundError"):
            raise
        return False
    return locked and client.get_bucket_versioning(bucket).status == ENABLED


def _make(client: Minio, bucket: str) -> None:
    try:
        with translating(f"making bucket {bucket}"):
            client.make_bucket(bucket, object_lock=True)
    except Rejected as error:
        if not is_code(error, "BucketAlreadyOwnedByYou", "BucketAlreadyExists"):  # another service was faster
            raise
