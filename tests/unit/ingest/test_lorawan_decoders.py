"""The decoders of the two LoRaWAN network servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ingest.decoders import chirpstack, ttn
from ingest.decoding import Decoder, PayloadError, Reading
from tests.support.payloads.device_payloads import CHIRPSTACK, CONTEXT, TTN
from twin.instant import parse_instant
from twin.quality.plausibility import QuarantineReason


def readings(decoder: Decoder, payload: bytes) -> dict[str, Reading]:
    return {one.field: one for one in decoder.decode("any/topic", payload, CONTEXT).readings}


def edited(payload: bytes, edit: Callable[[Any], object]) -> bytes:
    document = json.loads(payload)
    edit(document)
    return json.dumps(document).encode()


def refused(decoder: Decoder, payload: bytes) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        decoder.decode("any/topic", payload, CONTEXT)
    return caught.value


def test_an_uplink_gives_its_decoded_fields_by_dotted_path() -> None:
    assert ttn.DECODER.decode("any", TTN, CONTEXT).device == "eui-a81758fffe0512ab"
    found = readings(ttn.DECODER, TTN)
    assert found["pm2_5"].value == 8.25
    assert found["pm10"].value == 0.0
    assert found["air.temperature"].value == 11.5
    assert found["charging"].value == 1.0
    assert str(found["status"].value) == "nan"


def test_the_time_is_the_network_servers_cut_to_microseconds() -> None:
    assert readings(ttn.DECODER, TTN)["pm2_5"].time == parse_instant("2026-10-25T00:30:02.123456Z")


def test_without_the_network_servers_time_the_next_one_counts() -> None:
    def drop(document: Any) -> None:
        del document["uplink_message"]["received_at"]

    def drop_settings(document: Any) -> None:
        drop(document)
        del document["uplink_message"]["settings"]["time"]
        del document["uplink_message"]["rx_metadata"][0]["time"]

    def drop_all(document: Any) -> None:
        drop_settings(document)
        del document["received_at"]

    times = [readings(ttn.DECODER, edited(TTN, one))["pm2_5"] for one in (drop, drop_settings, drop_all)]
    assert times[0].time == parse_instant("2026-10-25T00:30:01.900Z")
    assert times[1].time == parse_instant("2026-10-25T00:30:02.500000Z")
    assert times[2].time is None


def test_a_frame_that_is_delivered_twice_has_one_time() -> None:
    again = edited(TTN, lambda one: one.update(received_at="2026-10-25T00:31:00Z"))
    # As text: NaN, the value of `status`, is equal to nothing.
    assert str(readings(ttn.DECODER, again)) == str(readings(ttn.DECODER, TTN))


def test_the_signal_is_that_of_the_best_gateway_and_an_omitted_snr_is_zero() -> None:
    found = readings(ttn.DECODER, TTN)
    assert (found["signal_strength"].value, found["signal_strength"].unit) == (-97.0, "dB[mW]")
    assert (found["snr"].value, found["snr"].unit) == (0.0, "dB")
    assert readings(chirpstack.DECODER, CHIRPSTACK)["snr"].value == 6.5


def test_the_devices_own_signal_strength_replaces_the_gateways() -> None:
    payload = edited(TTN, lambda one: one["uplink_message"]["decoded_payload"].update(signal_strength=-5))
    decoded = ttn.DECODER.decode("any", payload, CONTEXT)
    assert [one.value for one in decoded.readings if one.field == "signal_strength"] == [-5.0]


@pytest.mark.parametrize(
    ("decoder", "payload"),
    [
        (ttn.DECODER, edited(TTN, lambda one: one["uplink_message"].pop("decoded_payload"))),
        (chirpstack.DECODER, edited(CHIRPSTACK, lambda one: one.pop("object"))),
    ],
    ids=["ttn", "chirpstack"],
)
def test_a_payload_without_a_formatter_has_no_observation(decoder: Decoder, payload: bytes) -> None:
    assert refused(decoder, payload).reason == QuarantineReason.NO_OBSERVATION


def test_an_uplink_without_a_payload_still_has_the_signal_strength() -> None:
    def empty(document: Any) -> None:
        del document["uplink_message"]["decoded_payload"], document["uplink_message"]["frm_payload"]

    assert set(readings(ttn.DECODER, edited(TTN, empty))) == {"signal_strength", "snr"}


def test_a_chirpstack_event_names_its_device_in_lower_case() -> None:
    decoded = chirpstack.DECODER.decode("any", CHIRPSTACK, CONTEXT)
    assert decoded.device == "24e124713b123456"
    found = readings(chirpstack.DECODER, CHIRPSTACK)
    assert found["distance"] == Reading("distance", 30.0, parse_instant("2026-10-25T00:30:02.775023Z"))


def test_json_with_a_missing_comma_is_malformed() -> None:
    broken = TTN.replace(b'"received_at":"2026-10-25T00:30:02.500000001Z",', b'"received_at":"2026" ')
    assert refused(ttn.DECODER, broken).reason == QuarantineReason.MALFORMED


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda one: one.pop("uplink_message"), QuarantineReason.MALFORMED),
        (lambda one: one.pop("end_device_ids"), QuarantineReason.MALFORMED),
        (lambda one: one["end_device_ids"].update(device_id=7), QuarantineReason.MALFORMED),
        (lambda one: one["uplink_message"].update(received_at="soon"), QuarantineReason.TIME_INVALID),
        (lambda one: one["uplink_message"].update(decoded_payload=[1]), QuarantineReason.MALFORMED),
        (
            lambda one: one["uplink_message"].update(decoded_payload={"a": [1] * 2_000}),
            QuarantineReason.MALFORMED,
        ),
    ],
)
def test_other_json_is_rejected_with_its_reason(
    edit: Callable[[Any], object], reason: QuarantineReason
) -> None:
    assert refused(ttn.DECODER, edited(TTN, edit)).reason == reason


def test_a_protobuf_event_is_malformed() -> None:
    assert refused(chirpstack.DECODER, b"\x0a\x243ac7e3c4").reason == QuarantineReason.MALFORMED
