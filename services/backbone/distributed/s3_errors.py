"""What an S3 server, its SDK or the network raised, in our words. The only place that knows the vendor's codes.

Belongs here: the translation, once. Does not belong here: what is done about it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from services.backbone.tls import tls_complaint
from services.contracts.errors import Corrupt, Held, KanhuError, NotFound, Rejected, Transient

_NOT_FOUND = {"NoSuchKey", "NoSuchVersion", "NoSuchObject", "NoSuchBucket", "ResourceNotFound", "MethodNotAllowed"}
_CORRUPT = {
    "BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody",
    "ContentSHA256Mismatch",
}  # fmt: skip
_TRANSIENT = {
    "SlowDown", "SlowDownRead", "SlowDownWrite", "InternalError", "ServiceUnavailable", "ServerBusy", "RequestTimeout",
    "XMinioServerNotInitialized", "XMinioStorageFull", "XMinioReadQuorum", "XMinioWriteQuorum", "OperationAborted",
    "XMinioBackendDown", "RequestTimeTooSkewed", "InsufficientReadQuorum", "InsufficientWriteQuorum", "StorageFull",
    "XMinioMaxConcurrentRequests", "XMinioServerTimeout", "ConditionalRequestConflict",
}  # fmt: skip
_HELD = {"ObjectLocked", "InvalidRetentionDate"}
#: MinIO and others answer one of these general codes when a lock protects the object; only the words tell.
_HELD_IN_WORDS = {"AccessDenied", "InvalidRequest"}
_LOCK_WORDS = ("worm protected", "object is locked", "object protected by object lock", "object is under retention")


@contextlib.contextmanager
def translating(doing: str) -> Iterator[None]:
    """Within the block, errors of the SDK, of urllib3 and of sockets become ours; ``doing`` begins the message."""
    try:
        yield
    except KanhuError:
        raise
    except S3Error as error:
        raise _of_code(error, doing) from error
    except ServerError as error:
        raise _of_status(error.status_code, doing) from error
    except InvalidResponseError as error:
        raise Transient(
            f"{doing}: the object store answered with something that is not S3; is a proxy in between?"
        ) from error
    except (HTTPError, OSError) as error:
        if (said := tls_complaint(error)) is not None:
            raise Transient(f"{doing}: the object store's TLS: {said}") from error
        raise Transient(f"{doing}: the object store does not answer ({type(error).__name__})") from error
    except (MinioException, ValueError) as error:
        raise Rejected(f"{doing}: {error}") from error


def is_code(error: KanhuError, *codes: str) -> bool:
    """Whether the cause of a translated error is one of these S3 codes."""
    cause = error.__cause__
    return isinstance(cause, S3Error) and cause.code in codes


def _of_code(error: S3Error, doing: str) -> KanhuError:
    code, message = error.code or "unknown", error.message or ""
    said = f"{doing}: the object store says {code}: {message}"
    if code in _NOT_FOUND:
        return NotFound(said)
    if code in _CORRUPT:
        return Corrupt(said)
    if code in _HELD or (code in _HELD_IN_WORDS and any(word in message.lower() for word in _LOCK_WORDS)):
        return Held(said)
    status = getattr(error.response, "status", 0) or 0
    if code in _TRANSIENT or status >= 500:
        return Transient(said)
    return Rejected(said)


def _of_status(status: int, doing: str) -> KanhuError:
    said = f"{doing}: the object store answered with HTTP status {status}"
    return Transient(said) if status >= 500 or status in (408, 429) else Rejected(said)
