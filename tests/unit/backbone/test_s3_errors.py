"""What an S3 server says, in our words."""

from __future__ import annotations

import pytest
from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3.exceptions import MaxRetryError, ProtocolError

from services.backbone.distributed.s3_errors import is_code, translating
from services.contracts.errors import Corrupt, Held, KanhuError, NotFound, Rejected, Transient


def translated(error: Exception) -> KanhuError:
    with pytest.raises(KanhuError) as caught, translating("storing a"):
        raise error
    assert caught.value.__cause__ is error
    assert str(caught.value).startswith("storing a")
    return caught.value


def s3_error(code: str, message: str = "said", status: int = 400) -> S3Error:
    response = type("Response", (), {"status": status, "headers": {}})()
    return S3Error(response, code, message, "/a", "request", "host")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "message", "status", "kind"),
    [
        ("NoSuchKey", "", 404, NotFound),
        ("NoSuchVersion", "", 404, NotFound),
        ("XAmzContentChecksumMismatch", "", 400, Corrupt),
        ("XAmzContentSHA256Mismatch", "", 400, Corrupt),
        ("SlowDown", "", 503, Transient),
        ("XMinioStorageFull", "", 507, Transient),
        ("SomethingNew", "", 500, Transient),
        ("InvalidRequest", "Object is WORM protected and cannot be overwritten", 400, Held),
        ("AccessDenied", "Access Denied because object protected by object lock.", 403, Held),
        ("AccessDenied", "Access Denied.", 403, Rejected),
        ("InvalidAccessKeyId", "", 403, Rejected),
        ("SignatureDoesNotMatch", "", 403, Rejected),
        ("SomethingNew", "", 400, Rejected),
    ],
)
def test_each_code_has_one_meaning(code: str, message: str, status: int, kind: type[KanhuError]) -> None:
    error = translated(s3_error(code, message, status))
    assert type(error) is kind
    assert is_code(error, code) and not is_code(error, "Other")


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (ServerError("bad gateway", 502), Transient),
        (ServerError("too many", 429), Transient),
        (ServerError("moved", 301), Rejected),
        (InvalidResponseError(200, "text/html", "<html>"), Transient),
        (MaxRetryError(None, "/a"), Transient),  # type: ignore[arg-type]
        (ProtocolError("connection broken"), Transient),
        (ConnectionResetError(), Transient),
        (TimeoutError(), Transient),
        (ValueError("bucket name is invalid"), Rejected),
    ],
)
def test_the_network_is_transient_and_misuse_is_rejected(cause: Exception, kind: type[KanhuError]) -> None:
    assert type(translated(cause)) is kind


def test_what_is_already_ours_passes() -> None:
    with pytest.raises(Held, match="as it is"), translating("storing a"):
        raise Held("as it is")


def test_a_defect_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), translating("storing a"):
        raise ZeroDivisionError
