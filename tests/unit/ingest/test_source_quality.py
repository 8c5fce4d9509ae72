"""What a source says of its values becomes flags; the values are kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingest.decoders import chirpstack, native, senml, ttn
from ingest.decoding import Decoded, Decoder, DecodingContext, PayloadError
from twin.instant import parse_instant
from twin.quality.quality_flags import QualityFlag

CONTEXT = DecodingContext(parse_instant("2026-11-23T12:00:00Z"), "Europe/Amsterdam")
DOUBTFUL, ESTIMATED = int(QualityFlag.SOURCE_DOUBTFUL), int(QualityFlag.ESTIMATED)
TIME = "2026-11-23T11:59:58Z"


def decoded(decoder: Decoder, payload: Any) -> Decoded:
    return decoder.decode("livetwin/town/level-1/observations", json.dumps(payload).encode(), CONTEXT)


def flags_of(decoder: Decoder, payload: Any) -> dict[str, int]:
    """Return the flags of each field of a message."""
    return {reading.field: reading.flags for reading in decoded(decoder, payload).readings}


@pytest.mark.parametrize(
    ("quality", "expected"),
    [
        (None, {"level": 0, "air.temp": 0}),
        ("good", {"level": 0, "air.temp": 0}),
        ("doubtful", {"level": DOUBTFUL, "air.temp": DOUBTFUL}),
        (["unreliable", "estimated"], dict.fromkeys(("level", "air.temp"), DOUBTFUL | ESTIMATED)),
        ({"level": "doubtful"}, {"level": DOUBTFUL, "air.temp": 0}),
        ({"air.temp": ["maintenance"]}, {"level": 0, "air.temp": int(QualityFlag.MAINTENANCE)}),
    ],
)
def test_native_messages_state_the_quality_of_all_or_of_single_values(
    quality: object, expected: dict[str, int]
) -> None:
    payload = {"time": TIME, "values": {"level": -1.4, "air": {"temp": 3}}, "quality": quality}
    assert flags_of(native.DECODER, payload) == expected
    assert flags_of(native.DECODER, [payload, {"values": {"level": 1}}])["level"] == 0


@pytest.mark.parametrize("quality", ["fine", 3, ["good", None], {"level": "bad"}])
def test_an_unknown_word_is_refused(quality: object) -> None:
    payload = {"time": TIME, "values": {"level": -1.4}, "quality": quality}
    with pytest.raises(PayloadError, match=r"'quality' of item 0.* is .*, expected one of good, estimated"):
        decoded(native.DECODER, payload)


def test_a_record_of_senml_states_the_quality_of_its_value() -> None:
    pack = [{"n": "level", "v": 1.5, "quality": "doubtful"}, {"n": "depth", "v": 2}]
    assert flags_of(senml.DECODER, pack) == {"level": DOUBTFUL, "depth": 0}


def uplink(**members: Any) -> dict[str, Any]:
    message = {"received_at": TIME, "decoded_payload": {"level": 1.5}, **members.pop("uplink", {})}
    return {"end_device_ids": {"device_id": "dev1"}, "uplink_message": message, **members}


def test_a_simulated_uplink_of_the_things_stack_is_doubtful() -> None:
    assert flags_of(ttn.DECODER, uplink()) == {"level": 0}
    assert flags_of(ttn.DECODER, uplink(simulated=True)) == {"level": DOUBTFUL}


def test_warnings_of_a_payload_formatter_are_a_field() -> None:
    found = decoded(ttn.DECODER, uplink(uplink={"decoded_payload_warnings": ["low battery", "cold"]}))
    assert [(one.field, one.value, one.flags) for one in found.readings] == [
        ("level", 1.5, 0),
        ("payload_warnings", 2.0, 0),
    ]


@pytest.mark.parametrize(
    ("statuses", "flags"),
    [
        ((), 0),
        (("CRC_OK",), 0),
        (("NO_CRC",), 0),
        (("BAD_CRC", "CRC_OK"), 0),
        (("BAD_CRC", "NO_CRC"), DOUBTFUL),
    ],
)
def test_a_frame_that_every_gateway_received_damaged_is_doubtful(
    statuses: tuple[str, ...], flags: int
) -> None:
    event = {
        "time": TIME,
        "deviceInfo": {"devEui": "0101010101010101"},
        "object": {"level": 1.5},
        "rxInfo": [{"rssi": -80, "snr": 3, "crcStatus": status} for status in statuses],
    }
    assert flags_of(chirpstack.DECODER, event)["level"] == flags
