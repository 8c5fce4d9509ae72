"""The decoder of JSON objects, for feeds that a city adds."""

from __future__ import annotations

import pytest

from ingest.decoders.json_fields import DECODER
from ingest.decoding import PayloadError, Reading
from tests.support.payloads.device_payloads import CONTEXT, JSON_FIELDS
from twin.instant import parse_instant
from twin.quality.plausibility import QuarantineReason


def test_every_scalar_is_a_field_by_its_dotted_path() -> None:
    decoded = DECODER.decode("city/any/kade-3", JSON_FIELDS, CONTEXT)
    time = parse_instant("2026-10-25T00:30:00Z")
    assert decoded.device == "kade-3"
    assert decoded.readings[:3] == [
        Reading("air.pm2_5", 11.2, time),
        Reading("bins.0", 1.0, time),
        Reading("bins.1", 2.0, time),
    ]


def test_time_counts_before_timestamp() -> None:
    payload = b'{"timestamp":"never","time":"2026-10-25T00:30:00Z","a":1}'
    assert DECODER.decode("x", payload, CONTEXT).readings == [
        Reading("a", 1.0, parse_instant("2026-10-25T00:30:00Z"))
    ]


def test_without_a_time_the_time_of_reception_counts() -> None:
    (reading,) = DECODER.decode("x", b'{"a":1}', CONTEXT).readings
    assert reading.time is None


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"[]", QuarantineReason.MALFORMED),
        (b"{}", QuarantineReason.NO_OBSERVATION),
        (b'{"time":1}', QuarantineReason.NO_OBSERVATION),
        (b'{"time":"25-10-2026","a":1}', QuarantineReason.TIME_INVALID),
        (b'{"' + b"k" * 300 + b'":{"a":1}}', QuarantineReason.MALFORMED),
    ],
)
def test_unusable_payloads_are_rejected(payload: bytes, reason: QuarantineReason) -> None:
    with pytest.raises(PayloadError) as caught:
        DECODER.decode("x", payload, CONTEXT)
    assert caught.value.reason == reason
