"""The DSMR decoder: telegrams of every version, and deviations of real meters."""

from __future__ import annotations

import pytest
from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser
from fastcrc import crc16
from msgspec.structs import replace

from ingest.decoders.dsmr import DECODER
from ingest.decoding import DecodingContext, PayloadError, Reading
from ingest.pipeline.pseudonym import Pseudonymiser
from tests.support.payloads.device_payloads import CONTEXT, DSMR_V2, DSMR_V4_UNPADDED, DSMR_V5
from twin.instant import format_instant, parse_instant
from twin.quality.plausibility import QuarantineReason

TOPIC = "dsmr/gw-12/telegram"
PSEUDONYMISE = Pseudonymiser(b"a key of enough bytes")


def readings(payload: bytes, context: DecodingContext = CONTEXT) -> dict[str, Reading]:
    return {one.field: one for one in DECODER.decode(TOPIC, payload, context).readings}


def refused(payload: bytes) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        DECODER.decode(TOPIC, payload, CONTEXT)
    return caught.value


def changed(payload: bytes, old: bytes, new: bytes) -> bytes:
    """Return the telegram with one piece replaced and its checksum renewed."""
    assert old in payload
    content = payload.replace(old, new)
    content = content[: content.rindex(b"!") + 1]
    return content + b"%04X\r\n" % crc16.arc(content)


def test_a_v5_telegram_gives_canonical_fields_with_the_units_it_states() -> None:
    found = readings(DSMR_V5)
    assert DECODER.decode(TOPIC, DSMR_V5, CONTEXT).device == "gw-12"
    expected = {
        "energy_import_t1": (2310.125, "kWh"),
        "energy_import_t2": (1702.25, "kWh"),
        "energy_import": (4012.375, "kWh"),
        "energy_export": (441.5, "kWh"),
        "power_import": (0.244, "kW"),
        "power_export": (0.0, "kW"),
        "voltage_l1": (231.4, "V"),
        "current_l1": (1.0, "A"),
        "power_import_l1": (0.244, "kW"),
        "tariff": (1.0, None),
        "voltage_sag_count_l1": (2.0, None),
        "gas_volume": (1234.567, "m3"),
        "water_volume": (321.0, "m3"),
    }
    assert {name: (found[name].value, found[name].unit) for name in expected} == expected


def test_the_values_are_those_of_dsmr_parsers_own_telegram_parser() -> None:
    telegram = TelegramParser(telegram_specifications.V5).parse(DSMR_V5.decode())
    found = readings(DSMR_V5)
    for name in ("ELECTRICITY_USED_TARIFF_1", "CURRENT_ELECTRICITY_USAGE", "INSTANTANEOUS_VOLTAGE_L1"):
        assert found[DECODER.aliases[name]].value == float(getattr(telegram, name).value)


@pytest.mark.parametrize(
    ("letter", "instant"), [(b"S", "2026-10-25T00:30:00Z"), (b"W", "2026-10-25T01:30:00Z")]
)
def test_the_letter_decides_which_half_past_two_of_the_october_night_is_meant(
    letter: bytes, instant: str
) -> None:
    payload = changed(DSMR_V5, b"0-0:1.0.0(261025023000S)", b"0-0:1.0.0(261025023000" + letter + b")")
    time = readings(payload)["power_import"].time
    assert time is not None
    assert format_instant(time) == instant


def test_a_dead_mbus_slot_is_no_gas_reading_of_1970() -> None:
    found = readings(DSMR_V5)
    assert "0-1:24.2.1" not in found
    assert found["gas_volume"] == replace(found["0-2:24.2.1"], field="gas_volume")


@pytest.mark.parametrize(
    "dead",
    [
        b"0-2:24.2.1(700101010000W)(01234.567*m3)",
        b"0-2:24.2.1(632525252525S)(00000.000*m3)",
        b"0-2:24.2.1(000101010000W)(00000.000*m3)",
        b"0-2:24.2.1(261025022500S)(00000000)",
        b"0-2:24.2.1()(00000.000*m3)",
        b"0-2:24.2.1()",
    ],
)
def test_a_slot_without_an_answer_has_no_reading_and_the_others_are_kept(dead: bytes) -> None:
    found = readings(changed(DSMR_V5, b"0-2:24.2.1(261025022500S)(01234.567*m3)", dead))
    assert "gas_volume" not in found
    assert found["power_import"].value == 0.244
    assert found["water_volume"].value == 321.0


def test_a_slot_with_an_empty_equipment_id_has_no_reading() -> None:
    found = readings(changed(DSMR_V5, b"0-2:96.1.0(4730303339303031363532303530323136)", b"0-2:96.1.0()"))
    assert "gas_volume" not in found


def test_of_two_gas_meters_the_most_recently_read_one_is_the_gas_volume() -> None:
    payload = changed(DSMR_V5, b"0-3:24.1.0(007)", b"0-3:24.1.0(003)")
    found = readings(payload)
    assert found["gas_volume"].value == 1234.567
    assert found["0-3:24.2.1"].value == 321.0


def test_gas_has_the_time_at_which_its_meter_was_read() -> None:
    found = readings(DSMR_V5)
    assert found["gas_volume"].time == parse_instant("2026-10-25T00:25:00Z")
    assert found["power_import"].time == parse_instant("2026-10-25T00:30:00Z")


def test_a_checksum_without_leading_zeros_is_right() -> None:
    assert readings(DSMR_V4_UNPADDED)["gas_volume"].value == 500.25


def test_a_telegram_whose_lines_end_in_lf_is_read_as_the_meter_sent_it() -> None:
    assert readings(DSMR_V5.replace(b"\r\n", b"\n")) == readings(DSMR_V5)


def test_a_v2_telegram_has_no_time_and_its_gas_value_is_on_the_next_line() -> None:
    found = readings(DSMR_V2)
    assert found["power_import"] == Reading("power_import", 1.01, None, "kW")
    # Local time without a letter: the other 02:00 was still to come at the reception, 02:30 summer time.
    assert found["gas_volume"] == Reading("gas_volume", 101.01, parse_instant("2026-10-25T00:00:00Z"), "m3")


def test_one_flipped_digit_is_a_wrong_checksum() -> None:
    assert refused(DSMR_V5.replace(b"00.244*kW", b"00.944*kW", 1)).reason == QuarantineReason.CHECKSUM


def test_a_version_5_telegram_without_its_checksum_is_refused() -> None:
    assert refused(DSMR_V5.replace(b"!3305", b"!")).reason == QuarantineReason.CHECKSUM


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x00" * 20, DSMR_V5[:400], DSMR_V5[400:], DSMR_V5 + b"x", DSMR_V5 + DSMR_V5, b"{}"],
    ids=["empty", "zeros", "cut off", "begun late", "more behind", "two", "json"],
)
def test_what_is_not_one_whole_telegram_is_malformed_and_not_quoted(payload: bytes) -> None:
    error = refused(payload)
    assert error.reason == QuarantineReason.MALFORMED
    assert "4530" not in error.detail


def test_an_endless_telegram_is_too_large() -> None:
    assert refused(b"/" + b"a" * 20_000 + b"\r\n!").reason == QuarantineReason.TOO_LARGE


@pytest.mark.parametrize("line", [b"1-0:1.7.0(00.2x4*kW)", b"1-0:1.7.0(1*2*kW)", b"1-0:1.7.0(\xe9)"])
def test_an_object_that_cannot_be_read_is_malformed_and_named(line: bytes) -> None:
    error = refused(changed(DSMR_V5, b"1-0:1.7.0(00.244*kW)", line))
    assert error.reason == QuarantineReason.MALFORMED
    assert "1-0:1.7.0" in error.detail


def test_an_empty_object_is_no_reading() -> None:
    assert "power_import" not in readings(changed(DSMR_V5, b"1-0:1.7.0(00.244*kW)", b"1-0:1.7.0()"))


def test_a_telegram_time_that_does_not_exist_is_invalid() -> None:
    error = refused(changed(DSMR_V5, b"261025023000S", b"261332023000S"))
    assert error.reason == QuarantineReason.TIME_INVALID


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("1-0:1.7.0", "power_import"),
        ("1-0:1.8.1", "energy_import_t1"),
        ("ELECTRICITY_USED_TARIFF_2", "energy_import_t2"),
        ("electricity_currently_returned", "power_export"),
        ("phase_voltage_l1", "voltage_l1"),
        ("1-0:72.7.0", "voltage_l3"),
        ("1-0:51.7.0", "current_l2"),
        ("extra_device_delivered", "gas_volume"),
    ],
)
def test_a_city_may_use_field_names_of_other_software(alias: str, name: str) -> None:
    assert DECODER.aliases[alias] == name


def test_redaction_removes_ids_and_texts_and_keeps_the_telegram_valid() -> None:
    assert DECODER.redact is not None
    redacted = DECODER.redact(DSMR_V5, PSEUDONYMISE)
    for identifying in (b"4530303632", b"4730303339", b"5730303339", b"48616C6C6F"):
        assert identifying not in redacted
    assert PSEUDONYMISE("4530303632303030303132333435363738").encode() in redacted
    assert readings(redacted) == readings(DSMR_V5)
    TelegramParser(telegram_specifications.V5).parse(redacted.decode())


def test_redaction_leaves_a_wrong_checksum_wrong() -> None:
    assert DECODER.redact is not None
    broken = DSMR_V5.replace(b"00.244*kW", b"00.944*kW", 1)
    redacted = DECODER.redact(broken, PSEUDONYMISE)
    assert b"4530303632" not in redacted
    assert redacted.endswith(b"!3305\r\n")
    assert refused(redacted).reason == QuarantineReason.CHECKSUM


def test_redaction_finds_an_id_that_is_cut_off() -> None:
    assert DECODER.redact is not None
    cut = DSMR_V5[: DSMR_V5.index(b"4530303632") + 12]
    assert b"4530" not in DECODER.redact(cut, PSEUDONYMISE)


@pytest.mark.parametrize("before", [b"0-0:96.1.1*", b"0-0:96.9.1(", b"1(", b""])
def test_redaction_finds_an_id_whose_reference_was_cut_off_or_damaged(before: bytes) -> None:
    assert DECODER.redact is not None
    line = before + b"4530303632303030303132333435363738)\r\n1-0:1.8.1(002310.125*kWh)\r\n!3305\r\n"
    redacted = DECODER.redact(line, PSEUDONYMISE)
    assert b"4530" not in redacted
    assert b"1-0:1.8.1(002310.125*kWh)" in redacted


def test_the_checksum_is_that_of_dsmr_parser_for_even_and_odd_lengths() -> None:
    for length in range(64):
        text = "/ISk5!"[: length % 7] + "a" * length
        assert crc16.arc(text.encode()) == TelegramParser.crc16(text)
