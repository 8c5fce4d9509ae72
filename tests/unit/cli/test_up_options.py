"""The environment of each role of `livetwin up`."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerting.settings import AlertingSettings
from api.settings import ApiSettings
from cli.supervisor.data_dir import DataDir
from cli.supervisor.metrics import metrics_ports
from cli.supervisor.options import SystemSecrets, UpOptions, role_environments
from ingest.settings import RECEIVE_STORED_MAX, IngestSettings
from outlets.settings import OutletSettings
from runtime.settings import RoleSettings
from runtime.signing_key import SigningKey
from simulators.settings import SimulatorSettings
from storage.schema.rights import RIGHTS
from storage.settings import HistorianSettings
from stream.settings import StreamSettings

SETTINGS: dict[str, type[RoleSettings]] = {
    "ingest": IngestSettings,
    "stream": StreamSettings,
    "historian": HistorianSettings,
    "alerting": AlertingSettings,
    "outlets": OutletSettings,
    "api": ApiSettings,
    "simulate": SimulatorSettings,
}


def environments(*, simulate: bool = True, acknowledge: str | None = None) -> dict[str, dict[str, str]]:
    options = UpOptions(
        city=Path("/city"),
        data_dir=Path("/data"),
        port=0,
        mqtt_port=0,
        kafka_port=0,
        postgres_port=0,
        simulate=simulate,
        simulator={"LIVETWIN_SPEED": "60.0", "LIVETWIN_SEED": "7"},
        acknowledge=acknowledge,
        ports_file=None,
        log_bytes_max=1 << 30,
        verbose=False,
    )
    return role_environments(
        options=options,
        city="alkmaar",
        data_dir=Path("/data"),
        kafka="127.0.0.1:19092",
        databases={role: f"postgresql://livetwin_{role}@127.0.0.1:15432/livetwin" for role in RIGHTS},
        mqtt_port=11883,
        http_port=18080,
        secrets=SystemSecrets(
            pseudonym_key="pseudonyms",
            operator_key="operators",
            link_key="links",
            dossier_key="dossiers",
            push_key="pushes",
            mqtt_client_id="livetwin-ingest-hidden",
            channel_variables=frozenset({"WATER_MAIL", "WATER_MOBILE"}),
            reply_variables=frozenset({"WATER_MOBILE"}),
        ),
    )


@pytest.mark.parametrize("role", SETTINGS)
def test_every_variable_is_a_setting_that_the_role_knows(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = SETTINGS[role].model_fields
    for name, value in environments()[role].items():
        assert name.removeprefix("LIVETWIN_").lower() in fields
        monkeypatch.setenv(name, value)
    settings = SETTINGS[role]()
    assert settings.kafka == "127.0.0.1:19092"


def test_a_secret_goes_only_to_the_role_that_needs_it() -> None:
    holders = {
        secret: {role for role, variables in environments().items() if secret in variables.values()}
        for secret in ("pseudonyms", "operators", "links", "dossiers", "pushes", "livetwin-ingest-hidden")
    }
    assert holders == {
        "pseudonyms": {"ingest"},
        "operators": {"api"},
        "links": {"alerting", "api"},
        "dossiers": {"api"},
        "pushes": {"alerting", "api"},
        "livetwin-ingest-hidden": {"ingest"},
    }


def test_the_numbers_that_reply_go_to_the_api_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATER_MAIL", "water@town.example")
    monkeypatch.setenv("WATER_MOBILE", "+31612345678")
    holders = {
        name: {role for role, variables in environments().items() if name in variables}
        for name in ("WATER_MAIL", "WATER_MOBILE")
    }
    assert holders == {"WATER_MAIL": {"alerting"}, "WATER_MOBILE": {"alerting", "api"}}


@pytest.mark.parametrize(
    ("inherited", "expected"), [(None, "127.0.0.0/8,::1/128"), ("10.1.0.0/16", "10.1.0.0/16")]
)
def test_all_roles_that_send_to_addresses_of_users_allow_the_same_networks(
    inherited: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if inherited is not None:
        monkeypatch.setenv("LIVETWIN_SINK_NETWORKS", inherited)
    for role, settings in SETTINGS.items():
        if "sink_networks" in settings.model_fields:
            assert environments()[role].get("LIVETWIN_SINK_NETWORKS") == expected, role


@pytest.mark.parametrize("variable", ["LIVETWIN_REPLY_KEY", "LIVETWIN_REPLY_KEY_FILE"])
def test_the_key_of_replies_goes_to_the_api_only(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "replies")
    assert {role for role, variables in environments().items() if variable in variables} == {"api"}


def test_the_client_id_of_ingest_cannot_be_guessed_and_stays(tmp_path: Path) -> None:
    def client_id(folder: Path) -> str:
        data_dir = DataDir(folder)
        try:
            return data_dir.mqtt_client_id()
        finally:
            data_dir.release()

    first = client_id(tmp_path / "one")
    assert len(first) > len("livetwin-ingest-") + 40
    assert first != client_id(tmp_path / "other")
    for folder in (tmp_path / "one", tmp_path / "earlier version"):
        (folder / "mosquitto").mkdir(parents=True)
        (folder / "mosquitto" / "mosquitto.db").touch()
    assert client_id(tmp_path / "one") == first
    assert client_id(tmp_path / "earlier version") == "livetwin-ingest-0"


def test_the_key_of_dossiers_stays_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path)
    try:
        pem = data_dir.signing_key("dossier.key")
        assert data_dir.signing_key("dossier.key") == pem
    finally:
        data_dir.release()
    assert (tmp_path / "dossier.key").stat().st_mode & 0o777 == 0o600
    assert SigningKey.from_pem(pem).public.thumbprint


def test_variables_of_the_caller_are_passed_on_unless_the_system_sets_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIVETWIN_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("LIVETWIN_KAFKA", "elsewhere:9092")
    monkeypatch.setenv("LIVETWIN_KAFKA_PROTOCOL", "SSL")
    monkeypatch.setenv("LIVETWIN_MQTT_TLS", "true")
    api = environments()["api"]
    assert api["LIVETWIN_LOG_LEVEL"] == "DEBUG"
    assert api["LIVETWIN_KAFKA"] == "127.0.0.1:19092"
    ingest = environments()["ingest"]
    assert not {"LIVETWIN_KAFKA_PROTOCOL", "LIVETWIN_MQTT_TLS"} & ingest.keys()


def test_variables_of_opentelemetry_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETWIN_TRACE_RATIO", "0.25")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    for role in ("ingest", "stream", "historian", "api"):
        assert environments()[role]["LIVETWIN_TRACE_RATIO"] == "0.25"
        assert environments()[role]["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"


def test_metrics_use_consecutive_ports_if_enabled(free_port: int) -> None:
    assert metrics_ports(None, ["ingest", "api"]) == {}
    assert metrics_ports(free_port, ["ingest"])["up"] == free_port
    found = metrics_ports(0, ["ingest", "api"])
    assert list(found) == ["up", "ingest", "api"]
    assert len(set(found.values())) == 3


def test_variables_of_channels_reach_alerting_with_the_files_of_their_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WATER_MAIL_FILE", "/secrets/mail")
    monkeypatch.setenv("OTHER_FILE", "/secrets/other")
    holders = {role for role, variables in environments().items() if "WATER_MAIL_FILE" in variables}
    assert holders == {"alerting"}
    assert "OTHER_FILE" not in environments()["alerting"]


def test_files_of_secrets_that_the_system_creates_are_not_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIVETWIN_DATABASE_FILE", "/secrets/database")
    monkeypatch.setenv("LIVETWIN_MQTT_PASSWORD_FILE", "/secrets/mqtt")
    ingest = environments()["ingest"]
    assert "LIVETWIN_DATABASE_FILE" not in ingest
    assert ingest["LIVETWIN_MQTT_PASSWORD_FILE"] == "/secrets/mqtt"


def test_without_simulation_there_is_no_such_role() -> None:
    assert "simulate" not in environments(simulate=False)


def test_acknowledgement_follows_the_option_else_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "LIVETWIN_ACKNOWLEDGE" not in environments()["ingest"]
    monkeypatch.setenv("LIVETWIN_ACKNOWLEDGE", "stored")
    assert environments()["ingest"]["LIVETWIN_RECEIVE_MAX"] == str(RECEIVE_STORED_MAX)
    assert environments(acknowledge="logged")["ingest"]["LIVETWIN_ACKNOWLEDGE"] == "logged"
    monkeypatch.setenv("LIVETWIN_RECEIVE_MAX", "100")
    asked = environments(acknowledge="stored")["ingest"]
    assert (asked["LIVETWIN_ACKNOWLEDGE"], asked["LIVETWIN_RECEIVE_MAX"]) == ("stored", "100")
