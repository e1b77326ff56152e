"""Certificates for servers and clients of a test: an authority made for it, valid for an hour."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key (PKCS #8), both PEM."""

    certificate: str
    key: str

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """As two files: certificate and key."""
        paths = directory / f"{name}.pem", directory / f"{name}.key"
        for path, text in zip(paths, (self.certificate, self.key), strict=True):
            path.write_text(text)
            path.chmod(0o600)
        return paths


class Authority:
    """Signs certificates; ``pem`` is its own."""

    def __init__(self, name: str = "an authority of a test") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        builder = _begun(self._name, self._name, self._key).add_extension(x509.BasicConstraints(True, 0), critical=True)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = builder.add_extension(usage, critical=True).add_extension(identifier, critical=False)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(_PEM).decode()

    def issue(self, name: str, *, address: str = "127.0.0.1", expired: bool = False) -> Pair:
        """A certificate for a server at an address, or for a client of that name."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _begun(_named(name), self._name, key, expired=expired)
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(alternative, critical=False).add_extension(authority, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        plain = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Pair(certificate.public_bytes(_PEM).decode(), plain.decode())

    def write(self, directory: Path, name: str = "ca.pem") -> Path:
        path = directory / name
        path.write_text(self.pem)
        return path


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, expired: bool = False
) -> x509.CertificateBuilder:
    hour = datetime.timedelta(hours=1)
    now = datetime.datetime.now(datetime.UTC) - (2 * hour if expired else 0 * hour)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number()).not_valid_before(now - hour).not_valid_after(now + hour)
