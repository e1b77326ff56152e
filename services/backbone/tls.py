"""TLS to the servers of an installation (R-55): who is believed, who we say we are, and what a failed handshake means.

A server's certificate and name are always verified; there is no setting against it. Belongs here: making the context,
saying what is wrong with the files or with the other side. Does not belong here: who connects where.
"""

from __future__ import annotations

import ipaddress
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

from services.contracts.errors import Rejected
from services.contracts.settings import DistributedBackbone, TlsSettings


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """A verifying context; ``Rejected`` names the file that cannot be used. Reads files: call it when starting."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Rejected(
            f"ca_file {settings.ca_file}: {_reason(error)}; it must hold certificates in PEM form"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.cert_file is not None and settings.key_file is not None:
        _load_ours(context, settings.cert_file, settings.key_file)
    return context


def _load_ours(context: ssl.SSLContext, cert_file: str, key_file: str) -> None:
    try:
        mode = Path(key_file).stat().st_mode
        context.load_cert_chain(cert_file, key_file, password=_no_password)
    except (OSError, ssl.SSLError) as error:
        raise Rejected(
            f"cert_file {cert_file} with key_file {key_file}: {_reason(error)}; they must hold a "
            "certificate with its chain and its private key, unencrypted, in PEM form"
        ) from error
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise Rejected(
            f"key_file {key_file} is open to every user of this machine (mode {stat.S_IMODE(mode):04o}); "
            f"chmod 600 {key_file}, and have the certificate replaced if others may have read its key"
        )


def in_the_clear(place: DistributedBackbone) -> list[str]:
    """The servers beyond this machine that are spoken to without TLS, or without looking whom one speaks to."""
    kafka, s3, postgres = place.kafka, place.s3, place.postgres
    brokers = [address.rpartition(":")[0] or address for address in kafka.bootstrap.split(",")]
    spoken = [(f"kafka {one.strip()}", one.strip()) for one in brokers if kafka.tls is None]
    spoken += [(f"s3 {s3.endpoint}", s3.endpoint.rpartition(":")[0] or s3.endpoint)] if not s3.secure else []
    spoken += [(f"postgres {postgres.host}", postgres.host)] if postgres.tls is None else []
    return [server for server, host in spoken if not is_loopback(host)]


def is_loopback(host: str) -> bool:
    """Whether what is said to ``host`` stays on this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _no_password() -> str:
    """Asked for when a key is encrypted; without it OpenSSL would ask at the terminal."""
    return ""


def _reason(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or str(error)


#: X509_V_ERR_… of OpenSSL's x509_vfy.h, and what to do about it.
_VERDICTS = {
    9: "its certificate is not valid yet; compare the clocks of both machines",
    10: "its certificate has expired; have it renewed there, and compare the clocks of both machines",
    **dict.fromkeys(
        (2, 18, 19, 20, 21),
        "its certificate is signed by an authority that is not believed here; name that authority's certificate as ca_file",
    ),
    23: "its certificate was revoked",
    **dict.fromkeys(
        (62, 64), "its certificate is for another name; use a name that stands in it, or have one issued for this name"
    ),
}
#: What the other side said of us (RFC 8446, 6.2), or how its answer did not look like TLS: words in OpenSSL's reason.
_ALERTS = (
    ("CERTIFICATE_REQUIRED", "it asks for our certificate; name cert_file and key_file"),
    ("ALERT_UNKNOWN_CA", "it does not believe the authority of our certificate (cert_file)"),
    ("CERTIFICATE_EXPIRED", "it says that our certificate (cert_file) has expired"),
    ("BAD_CERTIFICATE", "it refuses our certificate (cert_file), or wants one: name cert_file and key_file"),
    ("CERTIFICATE_UNKNOWN", "it refuses our certificate (cert_file)"),
    ("HANDSHAKE_FAILURE", "no cipher or certificate suits both sides; name cert_file and key_file if it asks for one"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS at this port"),
    ("RECORD_LAYER_FAILURE", "it does not speak TLS at this port"),
)


def tls_complaint(error: BaseException) -> str | None:
    """What went wrong between the two sides and what to do, after "the server …: "; ``None`` if it was not TLS.

    Looks through the wrappings of client libraries: causes, contexts, ``reason`` (urllib3) and arguments.
    """
    for one in _within(error, 0):
        if isinstance(one, ssl.SSLCertVerificationError):
            return _VERDICTS.get(one.verify_code) or f"its certificate cannot be verified: {one.verify_message}"
        if isinstance(one, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError):
            return None  # the connection broke, as any may
        if isinstance(one, ssl.SSLError):
            told = getattr(one, "reason", None) or one.strerror or str(one)
            reason = told.upper().replace(" ", "_")
            return next((said for word, said in _ALERTS if word in reason), f"TLS fails: {told}")
    return None


_DEPTH = 6


def _within(error: object, depth: int) -> Iterator[BaseException]:
    if not isinstance(error, BaseException) or depth > _DEPTH:
        return
    yield error
    inner = [error.__cause__, error.__context__, getattr(error, "reason", None), *error.args]
    for one in inner:
        yield from _within(one, depth + 1)
