"""SenML packs (RFC 8428)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingest.decoders.senml import DECODER
from ingest.decoding import PayloadError, Reading
from tests.support.payloads.device_payloads import CONTEXT, RECEIVED, SENML
from twin.instant import MINUTE, SECOND, parse_instant
from twin.quality.plausibility import QuarantineReason
from twin.quality.quality_flags import QualityFlag


def readings(*records: Any) -> dict[str, Reading]:
    payload = json.dumps(records).encode()
    return {one.field: one for one in DECODER.decode("city/aq-1", payload, CONTEXT).readings}


def refused(*records: Any) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        readings(*records)
    return caught.value


def test_a_record_has_its_resolved_name_and_its_last_part() -> None:
    decoded = DECODER.decode("city/aq-1", SENML, CONTEXT)
    found = {one.field: one for one in decoded.readings}
    time = parse_instant("2026-10-25T00:30:00Z")
    assert decoded.device == "aq-1"
    assert found["pm2_5"] == Reading("pm2_5", 11.2, time, "ug/m3")
    assert found["urn:dev:mac:0024befffe804ff1:pm2_5"].value == 11.2
    assert found["humidity"] == Reading("humidity", 81.0, time - MINUTE, "%")
    assert found["door"].value == 1.0
    assert "status" not in found


def test_resolving_a_pack_does_not_change_its_readings() -> None:
    split = readings({"bn": "urn:dev:x:", "bt": 1792888200, "bv": 20, "n": "t", "v": 1.5, "t": 5})
    resolved = readings({"n": "urn:dev:x:t", "v": 21.5, "t": 1792888205})
    assert split == resolved
    assert set(split) == {"urn:dev:x:t", "t"}


def test_a_last_part_that_two_devices_share_is_left_out() -> None:
    found = readings({"bn": "urn:dev:a:", "n": "t", "v": 1}, {"bn": "urn:dev:b:", "n": "t", "v": 2})
    assert set(found) == {"urn:dev:a:t", "urn:dev:b:t"}


def test_base_fields_apply_until_they_are_set_again() -> None:
    found = readings(
        {"bn": "a/", "bu": "Cel", "n": "x", "v": 1},
        {"n": "y", "v": 2, "u": "%RH"},
        {"bn": "b/", "n": "z", "v": 3},
    )
    assert [found[name].unit for name in ("a/x", "a/y", "b/z")] == ["Cel", "%", "Cel"]


def test_a_relative_time_counts_from_the_reception() -> None:
    flag = int(QualityFlag.TIME_OF_RECEPTION)
    found = readings({"n": "x", "v": 1, "t": -90}, {"n": "y", "v": 1}, {"n": "z", "v": 1, "t": 2**28})
    assert (found["x"].time, found["x"].flags) == (RECEIVED - 90 * SECOND, flag)
    assert (found["y"].time, found["y"].flags) == (None, 0)
    assert (found["z"].time, found["z"].flags) == (2**28 * SECOND, 0)


@pytest.mark.parametrize(
    "record",
    [
        {"n": "x"},
        {"n": "x", "v": 1, "vs": "a"},
        {"n": "x", "v": 1, "vb": True},
        {"n": "x", "v": "1"},
        {"n": "x", "v": True},
        {"n": "x", "v": None},
        {"n": "x", "vb": 1},
        {"v": 1},
        {"n": "", "v": 1},
        {"n": "a b", "v": 1},
        {"n": 7, "v": 1},
        {"n": "x" * 300, "v": 1},
        {"n": "x", "v": 1, "u": 3},
        {"n": "x", "v": 1, "bver": 11},
        {"n": "x", "v": 1, "bver": 0},
        {"n": "x", "v": 1, "bver": "10"},
        {"n": "x", "v": 1, "crucial_": 1},
        7,
    ],
)
def test_packs_that_the_rfc_forbids_are_malformed(record: Any) -> None:
    assert refused({"n": "good", "v": 1}, record).reason == QuarantineReason.MALFORMED


@pytest.mark.parametrize("label", ["t", "bt"])
@pytest.mark.parametrize("value", ["2026-01-01T00:00:00Z", True, None, 1e300, 10**40])
def test_a_time_that_is_not_a_number_of_seconds_is_invalid(label: str, value: Any) -> None:
    assert refused({"n": "x", "v": 1, label: value}).reason == QuarantineReason.TIME_INVALID


@pytest.mark.parametrize(
    "records", [(), ({"n": "x", "vs": "ok"},), ({"n": "x", "vd": "aGk"}, {"n": "y", "s": 5})]
)
def test_a_pack_of_strings_data_and_sums_has_no_observation(records: tuple[Any, ...]) -> None:
    assert refused(*records).reason == QuarantineReason.NO_OBSERVATION


def test_an_older_version_is_read() -> None:
    assert readings({"bver": 5, "n": "x", "v": 1})["x"].value == 1.0
