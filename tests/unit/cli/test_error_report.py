"""Every error becomes lines with enough information to act."""

from __future__ import annotations

import pytest

from alerting.settings import AlertingSettings
from cities.files.faults import CityError, CityFault
from cli.command_line import run
from cli.error_report import ConfigurationError, error_lines
from cli.runner import development_key_variables, read_settings
from ingest.settings import IngestSettings
from twin.errors import ServiceError


def test_the_error_of_each_wrong_setting_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETWIN_MQTT_PORT", "many")
    monkeypatch.setenv("LIVETWIN_RECEIVE_MAX", "0")
    with pytest.raises(ConfigurationError) as caught:
        read_settings(IngestSettings)
    first, second = error_lines(caught.value)
    assert "LIVETWIN_MQTT_PORT" in first
    assert "'many'" in first
    assert "LIVETWIN_RECEIVE_MAX" in second


def test_every_fault_of_a_city_is_one_line() -> None:
    error = CityError([CityFault("b.yaml", 2, "", "two"), CityFault("a.yaml", 1, "x", "one")])
    assert error_lines(error) == ["a.yaml:1: x: one", "b.yaml:2: two"]


def test_each_error_of_a_group_is_one_line() -> None:
    error = BaseExceptionGroup("roles", [ServiceError("first\nand more"), ValueError("second")])
    first, second = error_lines(error)
    assert first == "error: first and more"
    assert "ValueError: second" in second
    assert "--debug" in second


def test_a_folder_that_is_no_city_is_an_error_of_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "/nowhere"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert "Traceback" not in captured.err


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "/nowhere", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["nothing-like-this"], ["check"], ["up", "--port", "99999"], []])
def test_wrong_usage_has_its_own_exit_code(arguments: list[str]) -> None:
    assert run(arguments) == 2


def test_help_and_version_exit_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert run(["--version"]) == 0
    assert "simulate" in capsys.readouterr().out


def test_public_development_keys_are_reported() -> None:
    assert development_key_variables(IngestSettings()) == ["LIVETWIN_PSEUDONYM_KEY"]
    assert development_key_variables(AlertingSettings()) == ["LIVETWIN_LINK_KEY"]
    assert development_key_variables(IngestSettings(pseudonym_key="chosen by the city")) == []
