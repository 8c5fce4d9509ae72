"""Contradictory TLS settings and unusable files are errors."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from cli.error_report import ConfigurationError, error_lines
from cli.runner import read_settings
from ingest.settings import IngestSettings
from runtime.kafka.access import client_options
from runtime.mqtt.access import MqttAccess
from runtime.settings import RoleSettings
from runtime.tls import TlsError, TlsFiles
from tests.support.brokers.certificate_authority import CertificateAuthority

NAMES = ("THE_CA", "THE_CERT", "THE_KEY")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MQTT_TLS_CA": "ca.pem"}, "LIVETWIN_MQTT_TLS_CA is set, and LIVETWIN_MQTT_TLS is not"),
        (
            {"MQTT_TLS": "true", "MQTT_TLS_KEY": "key.pem"},
            "LIVETWIN_MQTT_TLS_KEY is set, and LIVETWIN_MQTT_TLS_CERT is not",
        ),
        (
            {"KAFKA_CA": "ca.pem"},
            "LIVETWIN_KAFKA_CA is set, and LIVETWIN_KAFKA_PROTOCOL is PLAINTEXT: expected SSL or SASL_SSL",
        ),
        (
            {"KAFKA_PROTOCOL": "SSL", "KAFKA_USERNAME": "me"},
            "LIVETWIN_KAFKA_USERNAME is set, and LIVETWIN_KAFKA_PROTOCOL is SSL: expected SASL_SSL",
        ),
        ({"KAFKA_PROTOCOL": "SASL_SSL", "KAFKA_USERNAME": "me"}, "LIVETWIN_KAFKA_PASSWORD"),
        ({"KAFKA_PROTOCOL": "SSL", "KAFKA_KEY": "k.pem"}, "LIVETWIN_KAFKA_CERT is not: set both"),
        ({"KAFKA_PROTOCOL": "SASL_PLAINTEXT"}, "LIVETWIN_KAFKA_PROTOCOL: found 'SASL_PLAINTEXT'"),
    ],
)
def test_contradictory_settings_are_an_error(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"LIVETWIN_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        read_settings(IngestSettings)
    [line] = error_lines(caught.value)
    assert expected in line


def test_tls_is_off_by_default() -> None:
    assert IngestSettings().mqtt_access().tls is None
    assert client_options(RoleSettings().kafka_access()) == {
        "bootstrap_servers": "127.0.0.1:9092",
        "security_protocol": "PLAINTEXT",
    }


def test_certificate_and_host_name_are_checked_and_old_versions_refused(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    ours = authority.issue("ingest")
    context = TlsFiles(
        authorities=authority.certificate_file, certificate=ours.certificate, key=ours.key, names=NAMES
    ).context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_the_error_of_an_unusable_file_names_its_setting(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    ours, theirs = authority.issue("ours"), authority.issue("theirs")
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    with pytest.raises(TlsError, match=r"^THE_CA: .*none\.pem cannot be used \(No such file"):
        TlsFiles(authorities=tmp_path / "none.pem", names=NAMES).context()
    with pytest.raises(TlsError, match=r"^THE_CA: .*nonsense\.pem cannot be used \(no certificate or crl"):
        TlsFiles(authorities=nonsense, names=NAMES).context()
    with pytest.raises(TlsError, match=r"^THE_CERT, THE_KEY: .*ours\.crt .*key values mismatch"):
        TlsFiles(certificate=ours.certificate, key=theirs.key, names=NAMES).context()


def test_an_encrypted_key_is_refused_without_a_password_prompt(tmp_path: Path) -> None:
    ours = CertificateAuthority(tmp_path).issue("ours")
    key = serialization.load_pem_private_key(ours.key.read_bytes(), None)
    ours.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"s3cret"),
        )
    )
    with pytest.raises(TlsError, match="expected a certificate and an unencrypted key"):
        TlsFiles(certificate=ours.certificate, key=ours.key, names=NAMES).context()


def test_passwords_are_not_shown() -> None:
    account = {"kafka_protocol": "SASL_SSL", "kafka_username": "me", "kafka_password": "s3cret"}
    settings = RoleSettings.model_validate(account)
    access = settings.kafka_access()
    assert access.password == "s3cret"
    shown = f"{settings!r} {access!r} {access} {MqttAccess(host='h', port=1, password='s3cret')!r}"
    assert "s3cret" not in shown
