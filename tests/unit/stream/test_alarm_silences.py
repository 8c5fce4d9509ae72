"""The alarm stage without input: silent sensors, and outages of the dependencies that they share."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest

from stream.engine.stage_seed import EMPTY_SEED
from tests.support.cities.alarm_city import alarm_city
from tests.support.cities.city_builder import CityBuilder, Observed
from tests.support.pipelines.stage_pipeline import StagePipeline
from tests.unit.stream.test_alarm_stage import START, kinds, level
from twin.alarms.rules.rule import EntitySelection, OutageCondition, Rule, SilenceCondition
from twin.alarms.severity import Severity
from twin.instant import DAY, HOUR, MINUTE, SECOND
from twin.model.bilingual_text import BilingualText
from twin.model.calibration import Maintenance
from twin.model.city_model import CityModel
from twin.model.maintenance_window import MaintenanceWindow
from twin.model.recurrence import Recurrence

SILENT = Rule(
    id="silent",
    version=1,
    title=BilingualText("Sensor silent", "Sensor stil"),
    theme="device",
    condition=SilenceCondition(severity=Severity.MINOR),
)


def test_a_silent_sensor_raises_an_alarm_until_it_reports() -> None:
    run = StagePipeline(alarm_city([SILENT]))
    run.observe(level(0, -0.5))
    run.advance(START + 10 * MINUTE, 10 * SECOND)
    assert run.alarms == []
    run.advance(START + 12 * MINUTE, 10 * SECOND)
    raised = run.alarms[-1]
    assert raised.alarm == "silent~canal~gauge-canal"
    assert abs(raised.time - (START + 10 * MINUTE + 31 * SECOND)) < SECOND
    assert "nothing new from gauge-canal since 01:00 on 1 January 2026" in raised.sentence_en
    run.observe(level(13, -0.5))
    run.advance(START + 14 * MINUTE)
    assert (run.alarms[-1].kind, run.alarms[-1].time) == ("returned", START + 13 * MINUTE + SECOND)


def test_the_alarm_of_a_silent_sensor_that_is_retired_is_withdrawn() -> None:
    model = alarm_city([SILENT])
    run = StagePipeline(model)
    run.observe(level(0, -0.5))
    run.advance(START + 12 * MINUTE, 10 * SECOND)
    sensors = {id: sensor for id, sensor in model.sensors.items() if id != "gauge-canal"}
    run.model = dataclasses.replace(model, version=2, sensors=sensors)
    run.advance(START + 13 * MINUTE, 10 * SECOND)
    assert kinds(run, "silent~canal~gauge-canal") == ["raised", "withdrawn"]
    assert run.alarms[-1].text == "its sensor is not in the model any more"
    assert not run.incidents[-1].open


def test_a_sensor_that_never_reported_is_not_missed() -> None:
    run = StagePipeline(alarm_city([SILENT]))
    run.observe(level(0, -0.5))
    run.advance(START + HOUR, 10 * SECOND)
    assert {one.entity for one in run.alarms} == {"canal"}


def test_no_sensor_is_silent_while_no_report_could_arrive() -> None:
    run = StagePipeline(alarm_city([SILENT]))
    run.observe(level(0, -0.5))
    run.advance(START + MINUTE)
    run.time = START + 3 * HOUR  # no tick for hours: ingest was down
    run.advance(START + 3 * HOUR + 5 * MINUTE, 10 * SECOND)
    assert run.alarms == []
    run.advance(START + 3 * HOUR + 12 * MINUTE, 10 * SECOND)
    assert kinds(run, "silent~canal~gauge-canal") == ["raised"]


def test_maintenance_suppresses_a_silence_by_design() -> None:
    work = Maintenance(sensor="gauge-canal", start=START, end=START + 30 * MINUTE)
    run = StagePipeline(alarm_city([SILENT], maintenance=(work,)))
    run.observe(level(0, -0.5))
    run.advance(START + 20 * MINUTE, 10 * SECOND)
    assert [(one.kind, one.state) for one in run.alarms] == [
        ("suppressed", "suppressed-by-design"),
        ("raised", "suppressed-by-design"),
    ]
    assert run.incidents == []
    run.advance(START + 31 * MINUTE, 10 * SECOND)
    assert (run.alarms[-1].kind, run.alarms[-1].state) == ("unsuppressed", "unacknowledged")


def test_each_occurrence_of_a_window_of_an_area_suppresses_a_silence() -> None:
    """The second night is the one in which it is silent."""
    window = MaintenanceWindow(
        id="nightly",
        title="Flushing",
        areas=("town",),
        start=START - DAY,
        end=START - DAY + 30 * MINUTE,
        recurrence=Recurrence(rule="FREQ=DAILY"),
    )
    run = StagePipeline(replace(alarm_city([SILENT]), maintenance_windows={"nightly": window}))
    run.observe(level(0, -0.5))
    run.advance(START + 20 * MINUTE, 10 * SECOND)
    assert [(one.kind, one.state) for one in run.alarms] == [
        ("suppressed", "suppressed-by-design"),
        ("raised", "suppressed-by-design"),
    ]
    run.advance(START + 31 * MINUTE, 10 * SECOND)
    assert (run.alarms[-1].kind, run.alarms[-1].state) == ("unsuppressed", "unacknowledged")


def test_a_window_of_another_property_excuses_no_silence() -> None:
    window = MaintenanceWindow(
        id="w", title="W", sensors=("gauge-canal",), properties=("pm2_5",), start=START - DAY
    )
    run = StagePipeline(replace(alarm_city([SILENT]), maintenance_windows={"w": window}))
    run.observe(level(0, -0.5))
    run.advance(START + 20 * MINUTE, 10 * SECOND)
    assert kinds(run, "silent~canal~gauge-canal") == ["raised"]


OUT = Rule(
    id="gateway-out",
    version=1,
    title=BilingualText("Gateway out", "Gateway uit"),
    theme="device",
    condition=OutageCondition(supply="gateway", severity=Severity.MAJOR, reports_missed=4, sensors_min=3),
    select=EntitySelection(types=("Gateway",)),
)


def gateway_city(count: int = 6) -> CityModel:
    """Return a town with gauges behind a gateway."""
    town = alarm_city([OUT, SILENT])
    builder = CityBuilder.of(town, next_datastream=100).entity(
        "gateway", "Gateway", "Gateway", parent="town.east"
    )
    for number in range(count):
        ditch = f"ditch-{number}"
        builder.entity(ditch, "Waterway", f"Ditch {number}", parent="town").sensor(
            f"s{number}",
            ditch,
            Observed("water_level", field="level"),
            feed="ttn",
            interval=10 * MINUTE,
            gateway="gateway",
        )
    return builder.model(rules=town.rules, properties=town.properties)


@pytest.mark.parametrize("together", [False, True])
def test_an_outage_is_one_alarm_and_inhibits_the_silences_behind_it(together: bool) -> None:
    run = StagePipeline(gateway_city())
    for minutes in range(60):
        speaking = [level(minutes, 0, 100 + n) for n in range(6) if minutes % 10 == (0 if together else n)]
        run.observe(*speaking, now=START + minutes * MINUTE) if speaking else run.advance(
            START + minutes * MINUTE, MINUTE // 6
        )
        run.advance(START + minutes * MINUTE + 50 * SECOND, 10 * SECOND)
    assert run.alarms == []
    run.advance(START + 4 * HOUR, 10 * SECOND)
    active = [one.alarm for one in run.alarms if one.kind == "raised" and one.state == "unacknowledged"]
    assert active == ["gateway-out~gateway"]
    out = run.alarms[0]
    assert START + 60 * MINUTE < out.time < START + 75 * MINUTE
    silent = {one.alarm for one in run.alarms if one.kind == "raised"} - set(active)
    assert silent == {f"silent~ditch-{n}~s{n}" for n in range(6)}
    assert len({one.incident for one in run.incidents if one.open}) == 1
    run.observe(*(level(250, 0, 100 + n) for n in range(5)))
    run.advance(START + 252 * MINUTE)
    newest = {one.alarm: one for one in run.alarms}
    assert newest["gateway-out~gateway"].kind == "returned"
    assert newest["silent~ditch-0~s0"].state == "normal"
    assert newest["silent~ditch-5~s5"].state == "suppressed-by-design", "its report may still arrive"
    assert not any(one.open for one in {one.incident: one for one in run.incidents}.values())
    run.observe(*(level(260, 0, 100 + n) for n in range(5)))
    run.advance(START + 267 * MINUTE)
    newest = {one.alarm: one for one in run.alarms}
    assert newest["silent~ditch-5~s5"].state == "unacknowledged", "this sensor is still silent, by itself"


def without_gateway() -> StagePipeline:
    """Return a run in which no report has come through the gateway for hours."""
    run = StagePipeline(gateway_city())
    for n in range(6):
        run.observe(level(n, 0, 100 + n))
        run.advance(START + n * MINUTE + 50 * SECOND, 10 * SECOND)
    run.advance(START + 4 * HOUR, 10 * SECOND)
    assert [one.alarm for one in run.alarms if one.state == "unacknowledged"] == ["gateway-out~gateway"]
    return run


def test_sensors_that_report_one_by_one_after_an_outage_raise_no_alarm() -> None:
    run = without_gateway()
    for n in range(6):
        run.observe(level(241 + n, 0, 100 + n))
        run.advance(START + (241 + n) * MINUTE + 50 * SECOND, 10 * SECOND)
    run.advance(START + 249 * MINUTE, 10 * SECOND)
    assert {one.alarm for one in run.alarms if one.state == "unacknowledged"} == {"gateway-out~gateway"}
    newest = {one.alarm: one for one in run.alarms}
    assert {newest[f"silent~ditch-{n}~s{n}"].state for n in range(6)} == {"normal"}
    assert {one.cause for one in run.incidents} == {"gateway-out"}


def test_an_outage_still_suppresses_silences_on_a_new_log() -> None:
    before = without_gateway()
    newest = {one.alarm: one for one in before.alarms}
    incidents = {one.incident: one for one in before.incidents}
    seed = EMPTY_SEED._replace(alarms=list(newest.values()), incidents=list(incidents.values()))
    run = StagePipeline(gateway_city(), knowledge=seed, log="log-2")
    run.time = before.time
    run.advance(before.time + HOUR, 10 * SECOND)
    assert run.alarms == []
    run.observe(level(310, 0, 100))
    run.advance(START + 312 * MINUTE, 10 * SECOND)
    assert kinds(run, "gateway-out~gateway") == ["returned"]
    assert {one.alarm for one in run.alarms if one.state == "unacknowledged"} == set()


def test_sensors_that_fall_silent_one_by_one_are_no_outage() -> None:
    run = StagePipeline(gateway_city())
    for minutes in range(0, 400, 10):
        alive = [n for n in range(6) if minutes < 60 + 50 * n]
        if alive:
            run.observe(*(level(minutes, 0, 100 + n) for n in alive))
        run.advance(START + minutes * MINUTE + 9 * MINUTE, 30 * SECOND)
    assert not [one for one in run.alarms if one.rule == "gateway-out" and one.time < START + 310 * MINUTE]
