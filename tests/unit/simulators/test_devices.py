"""The wire formats: one golden message per device, and the rules of each format."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from fastcrc import crc16

from simulators.devices import ENCODERS, VirtualDevice, devices_of, expected_by_property
from simulators.devices.dsmr import meter_timestamp
from simulators.devices.lorawan import frame_counter, without_empty
from simulators.truth.city_truth import CityTruth
from tests.support.cities.sensor_city import datastream_spec, sensor_city
from twin.instant import MINUTE, parse_instant
from twin.model.city_model import CityPlan

GOLDEN = Path(__file__).parent / "golden"
NOON = parse_instant("2026-11-23T12:00:07.250+01:00")

LEVEL = datastream_spec("water_level", "distance", "cm", (-0.01, 1.85))
PLANS: dict[str, CityPlan] = {
    "native": sensor_city(
        "native", datastream_spec("traffic_flow"), datastream_spec("vehicle_speed", "speed", "m/s")
    ),
    "senml": sensor_city(
        "senml", LEVEL, datastream_spec("relative_humidity", "humidity"), datastream_spec("battery_level")
    ),
    "ttn": sensor_city(
        "ttn", LEVEL, datastream_spec("battery_level", "device.battery"), device="eui-a81758fffe0512ab"
    ),
    "chirpstack": sensor_city(
        "chirpstack", datastream_spec("bicycle_count", "LTR"), device="70b3d57ed086af92"
    ),
    "dsmr_v5": sensor_city(
        "dsmr", datastream_spec("power_import"), datastream_spec("gas_volume"), datastream_spec("voltage_l1")
    ),
    "dsmr_v4": sensor_city(
        "dsmr", datastream_spec("power_export"), datastream_spec("energy_import_t1"), sensor="old-1"
    ),
    "homewizard_v1": sensor_city(
        "homewizard", datastream_spec("power_import"), datastream_spec("gas_volume"), sensor="plug-0"
    ),
    "homewizard_v2": sensor_city(
        "homewizard", datastream_spec("energy_export"), datastream_spec("gas_volume"), sensor="plug-1"
    ),
    "airrohr": sensor_city(
        "airrohr", datastream_spec("pm10", "SDS_P1"), datastream_spec("air_pressure", "BME280_pressure", "Pa")
    ),
}


def device_of(name: str, seed: int = 1) -> VirtualDevice:
    devices, left_out = devices_of(PLANS[name], CityTruth(seed, PLANS[name]))
    assert not left_out
    return devices[0]


def lines_of(name: str, instant: int = NOON) -> list[str]:
    return device_of(name).message(instant).payload.decode("ascii").split("\r\n")


@pytest.mark.parametrize("name", PLANS)
def test_a_message_is_equal_to_its_golden_file(name: str) -> None:
    message = device_of(name).message(NOON)
    golden = (GOLDEN / f"{name}.bin").read_bytes()
    assert message.topic.encode() + b"\n" + message.payload == golden


def test_every_format_has_a_golden_message() -> None:
    assert {name.partition("_")[0] for name in PLANS} == set(ENCODERS)


@pytest.mark.parametrize("name", PLANS)
def test_messages_are_reproducible_and_depend_on_the_seed(name: str) -> None:
    assert device_of(name).message(NOON) == device_of(name).message(NOON)
    assert device_of(name, seed=2).message(NOON).payload != device_of(name).message(NOON).payload


def test_expected_values_are_the_true_ones_at_the_device_resolution() -> None:
    device = device_of("ttn")
    (level, _) = device.datastreams
    assert expected_by_property(device, NOON)["water_level"] == pytest.approx(
        device.truth.value(level, NOON), abs=0.0005001
    )
    sent = json.loads(device.message(NOON).payload)["uplink_message"]["decoded_payload"]
    assert expected_by_property(device, NOON)["water_level"] == pytest.approx(1.85 - 0.01 * sent["distance"])
    assert set(sent) == {"distance", "device"}


@pytest.mark.parametrize("name", ["dsmr_v5", "dsmr_v4"])
def test_a_telegram_has_crlf_line_ends_and_a_valid_checksum(name: str) -> None:
    payload = device_of(name).message(NOON).payload
    assert payload.count(b"\n") == payload.count(b"\r\n")
    body, _, tail = payload.rpartition(b"!")
    assert re.fullmatch(rb"[0-9A-F]{4}\r\n", tail)
    assert int(tail, 16) == bitwise_crc16(body + b"!")


def bitwise_crc16(data: bytes) -> int:
    """Compute CRC-16/ARC by its definition, bit by bit."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def test_the_checksum_of_the_check_string_is_correct() -> None:
    assert crc16.arc(b"123456789") == bitwise_crc16(b"123456789") == 0xBB3D


@pytest.mark.parametrize(
    ("instant", "written"),
    [
        ("2026-07-01T10:00:00Z", "260701120000S"),
        ("2026-10-25T00:30:00Z", "261025023000S"),
        ("2026-10-25T01:30:00Z", "261025023000W"),
        ("2026-12-31T23:00:00Z", "270101000000W"),
    ],
)
def test_a_telegram_has_local_time_with_summer_or_winter(instant: str, written: str) -> None:
    assert meter_timestamp("Europe/Amsterdam", parse_instant(instant)) == written


def test_a_version_5_meter_reads_gas_every_five_minutes_and_shows_voltages() -> None:
    lines = lines_of("dsmr_v5")
    assert "1-3:0.2.8(50)" in lines
    assert any(
        re.fullmatch(r"0-1:24\.2\.1\(261123115500W\)\([0-9]{5}\.[0-9]{3}\*m3\)", line) for line in lines
    )
    assert any(re.fullmatch(r"1-0:32\.7\.0\(2[0-9]{2}\.[0-9]\*V\)", line) for line in lines)


def test_a_version_4_meter_shows_whole_amperes_and_no_voltages() -> None:
    lines = lines_of("dsmr_v4")
    assert "1-3:0.2.8(42)" in lines
    assert any(re.fullmatch(r"1-0:31\.7\.0\([0-9]{3}\*A\)", line) for line in lines)
    assert not any(".7.0(" in line and "*V" in line for line in lines)


def test_a_household_without_gas_has_an_empty_gas_object() -> None:
    plans = (sensor_city("dsmr", datastream_spec("power_import"), sensor=f"home-{n}") for n in range(9))
    telegrams = [devices_of(plan, CityTruth(1, plan))[0][0].message(NOON).payload for plan in plans]
    dead = [one for one in telegrams if b"0-1:24.2.1(700101010000W)(00000000)" in one]
    assert 0 < len(dead) < len(telegrams)


def test_equipment_ids_are_hex_of_text_and_differ_between_meters() -> None:
    def meter(sensor: str) -> bytes:
        plan = sensor_city("dsmr", datastream_spec("power_import"), sensor=sensor)
        payload = devices_of(plan, CityTruth(1, plan))[0][0].message(NOON).payload
        found = re.search(rb"0-0:96\.1\.1\(([0-9A-F]{34})\)", payload)
        assert found is not None
        return bytes.fromhex(found[1].decode())

    assert meter("a").isalnum()
    assert meter("a") != meter("b")


def test_the_things_stack_omits_empty_fields() -> None:
    assert without_empty({"f_cnt": 0, "f_port": 1, "confirmed": False, "name": ""}) == {"f_port": 1}


def test_lorawan_bytes_are_base64_and_frame_counters_increase() -> None:
    device = device_of("chirpstack")
    first, later = device.message(NOON), device.message(NOON + 10 * MINUTE)
    assert base64.b64decode(json.loads(first.payload)["data"], validate=True)
    assert json.loads(first.payload)["fCnt"] < json.loads(later.payload)["fCnt"]
    assert frame_counter(device, NOON + 5 * MINUTE) not in (
        frame_counter(device, NOON),
        frame_counter(device, NOON + 10 * MINUTE),
    )


def test_homewizard_version_1_has_only_the_time_of_gas() -> None:
    message = device_of("homewizard_v1").message(NOON)
    body = json.loads(message.payload)
    assert "timestamp" not in body
    assert body["gas_timestamp"] == 261123115500
    times = {one.datastream.property: one.time for one in message.expected}
    assert times == {"power_import": None, "gas_volume": parse_instant("2026-11-23T11:55:00+01:00")}


def test_homewizard_version_2_has_local_time_without_an_offset() -> None:
    body = json.loads(device_of("homewizard_v2").message(NOON).payload)
    assert body["timestamp"] == "2026-11-23T12:00:07"
    assert isinstance(body["power_w"], int)


def test_airrohr_values_are_strings_without_a_time() -> None:
    message = device_of("airrohr").message(NOON)
    body = json.loads(message.payload)
    assert all(isinstance(one["value"], str) for one in body["sensordatavalues"])
    assert {one.time for one in message.expected} == {None}


def test_a_sensor_of_an_unknown_feed_or_without_datastreams_is_named() -> None:
    unknown, silent = sensor_city("sparkplug", datastream_spec("pm10")), sensor_city("native")
    assert devices_of(unknown, CityTruth(1, unknown)) == ([], ["probe"])
    assert devices_of(silent, CityTruth(1, silent)) == ([], ["probe"])
