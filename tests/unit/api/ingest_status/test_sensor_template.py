"""The item of sensors.yaml that would assign an unknown device to a sensor."""

from __future__ import annotations

import pytest
import yaml

from api.ingest_status.sensor_template import sensor_yaml
from storage.stores.unassigned_devices import UnassignedDevice, UnassignedMessage
from twin.instant import MINUTE, SECOND, Duration, parse_instant
from twin.model.city_model import CityModel

START = parse_instant("2026-11-23T12:00:00Z")
SENML = b'[{"bn": "w-1:", "bt": 1795435200, "n": "air_temperature", "u": "Cel", "v": 7.6}]'


def device(feed: str, payload: bytes, span: Duration = 0, count: int = 1) -> UnassignedDevice:
    sent = UnassignedMessage("1", "livetwin/city/w-1/observations", START + span, len(payload), payload)
    return UnassignedDevice(feed, 'w-"1', count, START, START + span, (sent,))


def test_fields_and_units_are_those_of_the_newest_payload(model: CityModel) -> None:
    (sensor,) = yaml.safe_load(sensor_yaml(device("senml", SENML), model))
    assert (sensor["feed"], sensor["device"], sensor["interval"]) == ("senml", 'w-"1', "PT10M")
    assert sensor["observes"] == [{"property": "air_temperature", "field": "air_temperature", "unit": "Cel"}]


@pytest.mark.parametrize(("feed", "payload"), [("senml", b"{"), ("senml", b"\xff"), ("nobody", SENML)])
def test_undecodable_payloads_leave_the_fields_open(model: CityModel, feed: str, payload: bytes) -> None:
    (sensor,) = yaml.safe_load(sensor_yaml(device(feed, payload), model))
    assert sensor["observes"] == [
        {"property": "<observed property>", "field": "<name in the payload>", "unit": "<UCUM>"}
    ]


@pytest.mark.parametrize(
    ("usual", "expected"), [(9 * SECOND, "PT10S"), (62 * SECOND, "PT1M"), (700 * MINUTE, "PT1H")]
)
def test_the_interval_is_that_of_the_received_messages(
    model: CityModel, usual: Duration, expected: str
) -> None:
    (sensor,) = yaml.safe_load(sensor_yaml(device("senml", SENML, 10 * usual, 11), model))
    assert sensor["interval"] == expected
