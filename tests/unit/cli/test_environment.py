"""A misspelt variable is an error that names the right one; variables of other roles are none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.environment import COMPOSE_VARIABLES, SETTINGS_MODULES, known_variables, unknown_variable_errors
from cli.error_report import ConfigurationError
from cli.runner import read_settings
from ingest.settings import IngestSettings
from outlets.settings import OutletSettings
from runtime.settings import RoleSettings

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("misspelt", "right"),
    [
        ("LIVETWIN_KAFKA_PROTCOL", "LIVETWIN_KAFKA_PROTOCOL"),
        ("LIVETWIN_ACKNOWLEGDE", "LIVETWIN_ACKNOWLEDGE"),
        ("LIVETWIN_DATABSE_FILE", "LIVETWIN_DATABASE_FILE"),
        ("LIVETWIN_CITY_FILE", "LIVETWIN_CITY_DIR"),
        ("LIVETWIN_SINK_NETWORK", "LIVETWIN_SINK_NETWORKS"),
        ("LIVETWIN_MQTT_USER", "LIVETWIN_MQTT_USERNAME"),
    ],
)
@pytest.mark.parametrize("settings", [RoleSettings, IngestSettings, OutletSettings])
def test_a_misspelt_variable_is_an_error_that_names_the_nearest_setting(
    misspelt: str, right: str, settings: type[RoleSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(misspelt, "x")
    with pytest.raises(ConfigurationError) as caught:
        read_settings(settings)
    assert caught.value.faults == [f"{misspelt}: no setting has this name; did you mean {right}?"]


def test_a_name_like_no_other_is_refused_without_a_proposal() -> None:
    [line] = unknown_variable_errors({"LIVETWIN_XYZZY": "x"}, RoleSettings)
    assert line.startswith("LIVETWIN_XYZZY: no setting has this name; remove it")


def test_misspelt_names_and_wrong_values_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETWIN_PARTITION", "2")
    monkeypatch.setenv("LIVETWIN_METRICS_PORT", "none")
    with pytest.raises(ConfigurationError) as caught:
        read_settings(RoleSettings)
    assert [line.partition(":")[0] for line in caught.value.faults] == [
        "LIVETWIN_PARTITION",
        "LIVETWIN_METRICS_PORT",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIVETWIN_SESSION_TIMEOUT_S", "2"),  # of the stream
        ("livetwin_city", "town"),  # settings are read whatever the case of their names
        ("LIVETWIN_LINK_KEY_FILE", "/run/secrets/link_key"),
        ("LIVETWIN_IMAGE_KAFKA", "kafka"),
        ("LIVETWIN_TEST_KAFKA_HOME", "/opt/kafka"),
        ("LIVETWIN_API_SERVICE_HOST", "10.0.0.7"),
        ("LIVETWIN_API_PORT_8080_TCP_ADDR", "10.0.0.7"),
        ("LIVETWIN_API_PORT", "tcp://10.0.0.7:8080"),
        ("OTEL_SERVICE_NAME", "livetwin"),
    ],
)
def test_variables_of_other_roles_of_compose_and_of_kubernetes_are_accepted(name: str, value: str) -> None:
    assert unknown_variable_errors({name: value}, IngestSettings) == []


def test_every_package_with_settings_is_asked() -> None:
    packages = {f"{path.parent.name}.settings" for path in ROOT.glob("*/settings.py")}
    assert packages - {"runtime.settings"} == set(SETTINGS_MODULES)


def test_the_variables_of_the_compose_file_are_known() -> None:
    compose = (ROOT / "docker-compose.yml").read_text() + (ROOT / ".env.example").read_text()
    named = set(re.findall(r"(?:\$\{|^#)(LIVETWIN_\w+)", compose, re.MULTILINE))
    assert named <= known_variables()
    assert named >= COMPOSE_VARIABLES
