"""What FILE may say of TLS, and what is said of files that cannot be used."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from services.backbone.settings_file import load_settings
from services.backbone.tls import client_context, in_the_clear, tls_complaint
from services.contracts.errors import Rejected
from services.contracts.settings import DistributedBackbone, TlsSettings
from tests.harness.certificates import Authority

DISTRIBUTED = """
backbone:
  mode: distributed
  kafka: {{bootstrap: "k:9093"{kafka}}}
  s3: {{endpoint: "m:9000"}}
  postgres: {{host: p{postgres}}}
  keys: /run/secrets/keys
"""


@pytest.mark.parametrize(
    ("kafka", "postgres", "words"),
    [
        (", sasl: {username: kanhu}", "", ["kafka", "sasl without tls", "tls: true"]),
        (", tls: {cert_file: c.pem}", "", ["kafka.tls", "cert_file and key_file belong together"]),
        (", tls: {verify: false}", "", ["kafka.tls.verify", "no such key"]),
        ("", ", tls: {key_file: k.pem}", ["postgres.tls", "cert_file and key_file belong together"]),
        (", tls: {}, sasl: {mechanism: GSSAPI, username: k}", "", ["kafka.sasl.mechanism", "SCRAM-SHA-512"]),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, kafka: str, postgres: str, words: list[str]) -> None:
    file = tmp_path / "kanhu.yaml"
    file.write_text(DISTRIBUTED.format(kafka=kafka, postgres=postgres))
    with pytest.raises(Rejected) as caught:
        load_settings(file, environment={})
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_missing_file_and_one_of_something_else_are_named(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"ca_file .*absent\.pem: No such file"):
        client_context(TlsSettings(ca_file=str(tmp_path / "absent.pem")))
    (tmp_path / "words.pem").write_text("these are no certificates")
    with pytest.raises(Rejected, match=r"ca_file .*words\.pem.*PEM form"):
        client_context(TlsSettings(ca_file=str(tmp_path / "words.pem")))


def test_a_key_that_belongs_to_another_certificate_is_named(tmp_path: Path) -> None:
    authority = Authority()
    cert, _ = authority.issue("one").write(tmp_path, "one")
    _, key = authority.issue("two").write(tmp_path, "two")
    with pytest.raises(Rejected, match=r"one\.pem with key_file .*two\.key"):
        client_context(TlsSettings(cert_file=str(cert), key_file=str(key)))


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(tmp_path: Path) -> None:
    cert, key = Authority().issue("one").write(tmp_path, "one")
    secret = ec.generate_private_key(ec.SECP256R1())
    key.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")))
    with pytest.raises(Rejected, match="unencrypted"):
        client_context(TlsSettings(cert_file=str(cert), key_file=str(key)))


def test_a_key_that_everyone_may_read_is_refused(tmp_path: Path) -> None:
    cert, key = Authority().issue("one").write(tmp_path, "one")
    key.chmod(0o644)
    with pytest.raises(Rejected, match=r"one\.key is open to every user .*0644.*chmod 600"):
        client_context(TlsSettings(cert_file=str(cert), key_file=str(key)))


def test_tls_is_switched_on_by_a_word_in_file_and_environment(tmp_path: Path) -> None:
    file = tmp_path / "kanhu.yaml"
    file.write_text(DISTRIBUTED.format(kafka=", tls: true", postgres=", tls: false"))
    backbone = load_settings(file, environment={"KANHU_BACKBONE__S3__TLS__CA_FILE": "ca.pem"}).backbone
    assert isinstance(backbone, DistributedBackbone)
    assert (backbone.kafka.tls, backbone.postgres.tls, backbone.s3.tls) == (
        TlsSettings(), None, TlsSettings(ca_file="ca.pem"),
    )  # fmt: skip


def test_servers_beyond_this_machine_without_tls_are_named(tmp_path: Path) -> None:
    file = tmp_path / "kanhu.yaml"
    file.write_text(DISTRIBUTED.format(kafka="", postgres=""))
    backbone = load_settings(file, environment={"KANHU_BACKBONE__S3__SECURE": "false"}).backbone
    assert isinstance(backbone, DistributedBackbone)
    assert in_the_clear(backbone) == ["kafka k", "s3 m:9000", "postgres p"]
    local = {
        "KANHU_BACKBONE__KAFKA__BOOTSTRAP": "127.0.0.1:9092,localhost:9093",
        "KANHU_BACKBONE__POSTGRES__TLS": "true",
    }
    backbone = load_settings(file, environment=local).backbone
    assert isinstance(backbone, DistributedBackbone) and in_the_clear(backbone) == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ssl.SSLError(1, "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca"), "authority of our certificate"),
        (ssl.SSLError(1, "[SSL] record layer failure"), "does not speak TLS"),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), None),
        (ConnectionRefusedError(), None),
    ],
)
def test_a_failed_handshake_is_told_apart_from_a_broken_connection(error: OSError, said: str | None) -> None:
    wrapped = OSError("a client library's own words")
    wrapped.__cause__ = error
    found = tls_complaint(wrapped)
    assert found is None if said is None else found is not None and said in found
