"""The HomeWizard decoder: both versions, signed power, local times."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingest.decoders.homewizard import DECODER
from ingest.decoding import DecodingContext, PayloadError, Reading
from ingest.pipeline.pseudonym import Pseudonymiser
from tests.support.payloads.device_payloads import CONTEXT, HOMEWIZARD_V1, HOMEWIZARD_V2
from twin.instant import format_instant, parse_instant
from twin.quality.plausibility import QuarantineReason

TOPIC = "homewizard/gw-12/measurement"
PSEUDONYMISE = Pseudonymiser(b"a key of enough bytes")


def readings(payload: bytes, context: DecodingContext = CONTEXT) -> dict[str, Reading]:
    return {one.field: one for one in DECODER.decode(TOPIC, payload, context).readings}


def with_members(**members: Any) -> bytes:
    return json.dumps({**json.loads(HOMEWIZARD_V2), **members}).encode()


def test_version_1_has_no_time_of_its_telegram_but_gas_has_its_own() -> None:
    found = readings(HOMEWIZARD_V1)
    assert DECODER.decode(TOPIC, HOMEWIZARD_V1, CONTEXT).device == "gw-12"
    assert found["energy_import"] == Reading("energy_import", 4012.375, None, "kWh")
    assert found["voltage_l1"].unit == "V"
    assert found["current_l1"].value == -2.35
    assert found["gas_volume"] == Reading("gas_volume", 1234.567, parse_instant("2026-10-25T00:25:00Z"), "m3")
    assert found["water_volume"].value == 321.0


def test_net_power_in_watts_is_split_into_what_was_taken_and_what_was_given_back() -> None:
    exporting, importing = readings(HOMEWIZARD_V1), readings(HOMEWIZARD_V2)
    assert (exporting["power_import"].value, exporting["power_export"].value) == (0.0, 543.0)
    assert (importing["power_import"].value, importing["power_export"].value) == (612.0, 0.0)
    assert exporting["power_w"].value == -543.0
    assert {exporting[name].unit for name in ("power_import", "power_export", "power_w")} == {"W"}


@pytest.mark.parametrize(
    ("received", "meant"),
    [("2026-10-25T00:30:03Z", "2026-10-25T00:30:00Z"), ("2026-10-25T01:30:03Z", "2026-10-25T01:30:00Z")],
)
def test_in_the_repeated_hour_the_local_time_before_the_reception_counts(received: str, meant: str) -> None:
    context = DecodingContext(parse_instant(received), "Europe/Amsterdam")
    time = readings(HOMEWIZARD_V2, context)["power_w"].time
    assert time is not None
    assert format_instant(time) == meant


def test_a_local_time_in_the_hour_that_spring_skips_is_that_of_a_clock_that_was_not_set() -> None:
    received = parse_instant("2026-03-29T01:30:02Z")
    context = DecodingContext(received, "Europe/Amsterdam")
    time = readings(with_members(timestamp="2026-03-29T02:30:00"), context)["power_w"].time
    assert time == parse_instant("2026-03-29T01:30:00Z")


def test_a_meter_that_never_answered_has_no_reading() -> None:
    gas = {"type": "gas_meter", "value": 0, "unit": "m3", "unique_id": "x"}
    for meter in (
        {**gas, "timestamp": None},
        {**gas, "timestamp": "1970-01-01T01:00:00"},
        {**gas, "timestamp": 700101010000},
        {**gas, "timestamp": "2026-10-25T02:00:00", "value": None},
        {**gas, "timestamp": "2026-10-25T02:00:00", "unit": None},
    ):
        assert "gas_volume" not in readings(with_members(external=[meter]))


def test_of_two_gas_meters_the_most_recently_read_one_is_the_gas_volume() -> None:
    old = {"type": "gas_meter", "timestamp": "2025-01-01T00:00:00", "value": 9000, "unit": "m3"}
    new = {"type": "gas_meter", "timestamp": "2026-10-25T02:00:00", "value": 12, "unit": "m3"}
    assert readings(with_members(external=[old, new]))["gas_volume"].value == 12
    assert readings(with_members(external=[new, old]))["gas_volume"].value == 12


def test_the_total_of_two_tariffs_is_computed_where_the_device_sends_none() -> None:
    document = json.loads(HOMEWIZARD_V2)
    del document["energy_import_kwh"]
    assert (
        readings(json.dumps(document).encode())["energy_import"] == readings(HOMEWIZARD_V2)["energy_import"]
    )


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("total_power_import_kwh", "energy_import"),
        ("energy_import_kwh", "energy_import"),
        ("active_power_w", "power_w"),
        ("total_gas_m3", "gas_volume"),
        ("1-0:1.7.0", "power_import"),
        ("electricity_delivered_2", "energy_import_t2"),
        ("voltage_sag_l1_count", "voltage_sag_count_l1"),
    ],
)
def test_a_city_may_use_the_names_of_either_version_and_of_a_telegram(alias: str, name: str) -> None:
    assert DECODER.aliases[alias] == name


def test_no_reading_has_a_name_that_is_an_alias() -> None:
    for payload in (HOMEWIZARD_V1, HOMEWIZARD_V2):
        assert DECODER.aliases.keys().isdisjoint(readings(payload))


def test_the_power_of_a_phase_is_split_as_well() -> None:
    found = readings(HOMEWIZARD_V1)
    assert (found["power_import_l1"].value, found["power_export_l1"].value) == (0.0, 543.0)


@pytest.mark.parametrize("value", ["yesterday", True, 261399999999, 10**30, {}, "2026-10-25T25:00:00"])
def test_an_unreadable_time_is_invalid(value: Any) -> None:
    with pytest.raises(PayloadError) as caught:
        DECODER.decode(TOPIC, with_members(timestamp=value), CONTEXT)
    assert caught.value.reason == QuarantineReason.TIME_INVALID


def test_power_that_is_not_a_number_is_nan_in_both_directions() -> None:
    found = readings(with_members(power_w="off"))
    assert str(found["power_import"].value) == str(found["power_export"].value) == "nan"


@pytest.mark.parametrize("payload", [b"{}", b'{"smr_version":50,"wifi_ssid":"thuis"}'])
def test_a_payload_without_a_measured_value_has_no_observation(payload: bytes) -> None:
    with pytest.raises(PayloadError) as caught:
        DECODER.decode(TOPIC, payload, CONTEXT)
    assert caught.value.reason == QuarantineReason.NO_OBSERVATION


@pytest.mark.parametrize("payload", [HOMEWIZARD_V1, HOMEWIZARD_V2])
def test_redaction_removes_ids_and_the_networks_name_and_keeps_the_json(payload: bytes) -> None:
    assert DECODER.redact is not None
    redacted = DECODER.redact(payload, PSEUDONYMISE)
    for identifying in (b"thuis", b"45303036", b"47303033", b"57303033"):
        assert identifying not in redacted
    assert readings(redacted) == readings(payload)
    assert json.loads(redacted)["unique_id"] == PSEUDONYMISE("4530303633303030313233")


@pytest.mark.parametrize(
    "payload",
    [
        b'{"unique_id":"4530303633',
        b'{"unique_id" : "4530303633\\"45", "power_w": }',
        b'"gas_unique_id":4530303633,',
        b'\xff\xfe"unique_id":"4530303633"',
        b'{"unique\\u005fid":"\\u0034530303633"}',
        b'{"meter":"4530303633303030313233"}',
        b'0303633","x":"94530303633303030313233"}',
    ],
)
def test_redaction_works_on_json_that_is_cut_off_or_broken(payload: bytes) -> None:
    assert DECODER.redact is not None
    assert b"4530" not in DECODER.redact(payload, PSEUDONYMISE)
