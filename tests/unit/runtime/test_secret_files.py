"""A secret may come from a file, and is never shown."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from alerting.delivery.channel_secrets import ChannelSecrets
from alerting.settings import AlertingSettings
from api.settings import ApiSettings
from cli.error_report import ConfigurationError, error_lines
from cli.runner import read_settings
from ingest.settings import IngestSettings
from outlets.settings import OutletSettings
from runtime.secret_files import SECRET_BYTES_MAX, SecretEnvironment, SecretFileError, is_secret
from runtime.settings import RoleSettings
from simulators.settings import SimulatorSettings
from storage.settings import HistorianSettings
from stream.settings import StreamSettings

SETTINGS = (
    AlertingSettings,
    ApiSettings,
    HistorianSettings,
    IngestSettings,
    OutletSettings,
    SimulatorSettings,
    StreamSettings,
)
SECRETS = [
    (settings, name)
    for settings in SETTINGS
    for name, field in settings.model_fields.items()
    if is_secret(field)
]
URI = "postgresql://livetwin:s3cret@db/livetwin?sslmode=verify-full&sslrootcert=/etc/livetwin/ca.pem"


def secret_file(folder: Path, content: str | bytes, mode: int = 0o400) -> Path:
    path = folder / "secret"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


@pytest.mark.parametrize(("settings", "name"), SECRETS)
def test_every_secret_may_come_from_a_file_and_is_not_shown(
    settings: type[RoleSettings], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = URI if name == "database" else 6 * "s3cret"
    monkeypatch.setenv(f"LIVETWIN_{name.upper()}_FILE", str(secret_file(tmp_path, secret + "\n")))
    if name == "kafka_password":
        monkeypatch.setenv("LIVETWIN_KAFKA_PROTOCOL", "SASL_SSL")
        monkeypatch.setenv("LIVETWIN_KAFKA_USERNAME", "livetwin")
    found = read_settings(settings)
    assert getattr(found, name).get_secret_value() == secret
    assert "s3cret" not in f"{found!r} {found!s} {found.model_dump()} {found.model_dump_json()}"


def test_the_database_uri_keeps_its_tls_options_and_is_taken_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETWIN_DATABASE_FILE", str(secret_file(tmp_path, URI)))
    assert read_settings(HistorianSettings).database.get_secret_value() == URI


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "is not text"),
        (b"x" * (SECRET_BYTES_MAX + 1), "more than 65536 bytes"),
    ],
)
def test_the_error_of_an_unusable_file_names_its_variable(
    content: bytes, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = secret_file(tmp_path, content)
    monkeypatch.setenv("LIVETWIN_LINK_KEY_FILE", str(path))
    with pytest.raises(ConfigurationError) as caught:
        read_settings(ApiSettings)
    [line] = error_lines(caught.value)
    assert line.startswith(f"error: LIVETWIN_LINK_KEY_FILE: {path}")
    assert expected in line


def test_all_missing_files_are_reported_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETWIN_LINK_KEY_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("LIVETWIN_OPERATOR_KEY_FILE", str(tmp_path))
    with pytest.raises(ConfigurationError) as caught:
        read_settings(ApiSettings)
    lines = error_lines(caught.value)
    assert sorted(line.split(":")[1].strip() for line in lines) == [
        "LIVETWIN_LINK_KEY_FILE",
        "LIVETWIN_OPERATOR_KEY_FILE",
    ]
    assert any("No such file" in line for line in lines)


def test_a_secret_that_is_given_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETWIN_LINK_KEY_FILE", str(secret_file(tmp_path, "one")))
    monkeypatch.setenv("LIVETWIN_LINK_KEY", "another")
    with pytest.raises(ConfigurationError, match="LIVETWIN_LINK_KEY and LIVETWIN_LINK_KEY_FILE are both set"):
        read_settings(ApiSettings)


@pytest.mark.parametrize(("mode", "warned"), [(0o400, False), (0o440, False), (0o444, True)])
def test_a_file_that_everybody_may_read_causes_a_warning(
    mode: int, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = secret_file(tmp_path, "s3cret", mode)
    monkeypatch.setenv("LIVETWIN_LINK_KEY_FILE", str(path))
    with caplog.at_level(logging.WARNING):
        read_settings(ApiSettings)
    assert (f"LIVETWIN_LINK_KEY_FILE: every user of this machine may read {path}" in caplog.text) is warned
    assert "s3cret" not in caplog.text


def test_the_error_of_an_unreadable_connection_uri_hides_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIVETWIN_DATABASE", "host=db password=s3cret and more")
    with pytest.raises(ConfigurationError) as caught:
        read_settings(RoleSettings)
    [line] = error_lines(caught.value)
    assert line.startswith("error: LIVETWIN_DATABASE: expected: postgresql://USER:PASSWORD@HOST")
    assert "s3cret" not in line


def test_variables_that_a_duty_plan_names_may_have_files(tmp_path: Path) -> None:
    path = secret_file(tmp_path, "a/b\n")
    secrets = ChannelSecrets(SecretEnvironment({"PLAIN": "x", "HOOK_FILE": str(path)}))
    assert secrets.fill("mailto://${PLAIN}:${HOOK}@host") == "mailto://x:a%2Fb@host"
    path.unlink()  # the value stays known, so that it can be redacted
    assert secrets.redact("no a/b here", "json://${HOOK}") == "no ${HOOK} here"


def test_a_missing_file_of_a_variable_is_an_error(tmp_path: Path) -> None:
    variables = SecretEnvironment({"HOOK_FILE": str(tmp_path / "none")})
    with pytest.raises(SecretFileError, match=r"^HOOK_FILE: .* cannot be read \(No such file"):
        ChannelSecrets(variables).fill("${HOOK}")
